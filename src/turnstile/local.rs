//! What this process has counted, in its memory.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use kernel::limit::{Quota, Standing, TooMany};

use super::pace::Pace;

/// How many keys are remembered of a quota.
const KEYS: usize = 50_000;

/// When each key of a quota will be even again, in microseconds.
type Table = HashMap<Box<str>, i64>;

#[derive(Default)]
pub(super) struct Local(Mutex<HashMap<&'static str, Table>>);

impl Local {
    pub(super) fn take(&self, quota: Quota, key: &str, now: i64) -> Result<Standing, TooMany> {
        let pace = Pace::from(quota);
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.entry(quota.name).or_default();
        let next = pace.take(table.get(key).copied(), now)?;
        if let Some(even_at) = table.get_mut(key) {
            *even_at = next;
        } else {
            if table.len() >= KEYS {
                make_room(table, now);
            }
            table.insert(key.into(), next);
        }
        Ok(pace.standing(next.saturating_sub(now)))
    }

    pub(super) fn give_back(&self, quota: Quota, key: &str, now: i64) {
        let pace = Pace::from(quota);
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = tables.get_mut(quota.name) else { return };
        let Some(even_at) = table.get_mut(key) else { return };
        *even_at = even_at.saturating_sub(pace.interval);
        if *even_at <= now {
            table.remove(key);
        }
    }
}

/// Forgets who is even, and if that is not enough the half that is closest to it: those who have taken most are remembered
/// longest, so that nobody gets a fresh start by coming under many names.
fn make_room(table: &mut Table, now: i64) {
    table.retain(|_, even_at| *even_at > now);
    if table.len() < KEYS {
        return;
    }
    let mut moments: Vec<i64> = table.values().copied().collect();
    let (_, middle, _) = moments.select_nth_unstable(KEYS / 2);
    let middle = *middle;
    table.retain(|_, even_at| *even_at > middle);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const QUOTA: Quota = Quota::new("test", 3, Duration::from_secs(30));

    #[test]
    fn everybody_is_counted_by_a_key_and_each_quota_by_itself() {
        let local = Local::default();
        for _ in 0..3 {
            local.take(QUOTA, "a", 0).unwrap();
        }
        assert!(local.take(QUOTA, "a", 0).is_err());
        assert_eq!(local.take(QUOTA, "b", 0).unwrap().remaining, 2);
        assert!(local.take(Quota { name: "other", ..QUOTA }, "a", 0).is_ok());
        local.give_back(QUOTA, "a", 0);
        assert_eq!(local.take(QUOTA, "a", 0).unwrap().remaining, 0);
    }

    #[test]
    fn many_names_do_not_push_out_who_has_taken_most() {
        let local = Local::default();
        for _ in 0..3 {
            local.take(QUOTA, "guesser", 0).unwrap();
        }
        for number in 0..KEYS * 2 {
            local.take(QUOTA, &number.to_string(), 0).unwrap();
        }
        assert!(local.take(QUOTA, "guesser", 0).is_err());
        assert!(local.0.lock().unwrap()["test"].len() <= KEYS);
    }
}
