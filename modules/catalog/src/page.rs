//! Pages of a list: one row more than asked for tells whether there is a next page.

/// Cuts `rows` (read with `limit + 1`) to `limit`; answers the key of the last row shown when there are more.
pub(crate) fn cut<T, K>(rows: &mut Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Option<K> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last().map(key)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_key_is_answered_only_when_there_is_more() {
        let mut rows = vec![1, 2, 3];
        assert_eq!(cut(&mut rows, 2, |row| *row), Some(2));
        assert_eq!((rows.clone(), cut(&mut rows, 2, |row| *row)), (vec![1, 2], None));
    }
}
