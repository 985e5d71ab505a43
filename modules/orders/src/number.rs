//! Order numbers: eight characters that people can read out, unique without a look-up.

/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const HALF_BITS: u32 = 20;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;

/// The number of the `sequence`-th order: `7K3M-9QXA`.
///
/// A Feistel network over 40 bits: a permutation, so two sequences never share a number (until 2^40 orders), and one
/// number tells nothing about the next. Obscurity, not a secret: access is checked, never guessed away.
pub fn order_number(sequence: i64) -> String {
    let value = sequence.unsigned_abs();
    let (mut left, mut right) = ((value >> HALF_BITS) & HALF_MASK, value & HALF_MASK);
    for round in [0x9E37_79B9, 0x7F4A_7C15, 0x85EB_CA6B, 0xC2B2_AE35_u64] {
        let mixed = (right ^ round).wrapping_mul(0x2545_F491_4F6C_DD1D).rotate_right(29) & HALF_MASK;
        (left, right) = (right, left ^ mixed);
    }
    let value = (left << HALF_BITS) | right;
    let mut number = String::with_capacity(9);
    for position in (0..8).rev() {
        let digit = usize::try_from((value >> (position * 5)) & 31).unwrap_or(0);
        number.push(ALPHABET.get(digit).copied().map_or('0', char::from));
        if position == 4 {
            number.push('-');
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_hundred_thousand_orders_have_as_many_numbers() {
        let numbers: HashSet<String> = (1..=100_000).map(order_number).collect();
        assert_eq!(numbers.len(), 100_000);
        assert!(numbers.iter().all(|number| number.len() == 9));
    }

    #[test]
    fn neighbours_do_not_look_alike() {
        let (one, two) = (order_number(1), order_number(2));
        assert!(one.chars().zip(two.chars()).filter(|(a, b)| a == b).count() < 6, "{one} {two}");
    }
}
