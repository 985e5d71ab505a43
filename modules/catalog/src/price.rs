//! What one unit costs. No I/O.
//!
//! A variant has a price and, perhaps, a discount in basis points. The discount is rounded once, half away from zero, to
//! the currency's minor unit; the unit price is the price less the discount; a line costs the unit price times the
//! quantity, and nothing is rounded again. The database computes the same in a generated column, which is what everybody
//! reads; a test holds the two together.

use kernel::{Currency, Money, MoneyError};

/// The highest price of one unit, in minor units.
pub const PRICE_MAX: i64 = 1_000_000_000_000;

/// What a buyer pays for one unit.
///
/// # Errors
/// Overflow, which prices up to [`PRICE_MAX`] and discounts up to 10,000 basis points cannot cause.
pub fn unit_price(price_minor: i64, discount_basis_points: Option<i32>) -> Result<i64, MoneyError> {
    // The currency has no part in it.
    let price = Money::new(price_minor, Currency::USD);
    let discount = price.basis_points(discount_basis_points.unwrap_or(0))?;
    Ok(price.checked_sub(discount)?.minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_discount_is_rounded_half_away_from_zero_once() {
        let unit = |price, points| unit_price(price, Some(points)).unwrap();
        assert_eq!((unit(999, 1_000), unit(1, 5_000), unit(3, 5_000), unit(1_999, 3_333)), (899, 0, 1, 1_333));
        assert_eq!((unit(1_999, 0), unit(1_999, 10_000), unit_price(1_999, None).unwrap()), (1_999, 0, 1_999));
        assert_eq!(unit(PRICE_MAX, 9_999), 100_000_000);
    }
}
