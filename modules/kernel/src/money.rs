//! Money as integers: minor units and an ISO 4217 currency, checked arithmetic, never a float.

use std::fmt;

use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Serialize};

/// Why an amount could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit into 64 bits.
    #[error("the amount is too large")]
    Overflow,
    /// Two currencies in one sum.
    #[error("{0} and {1} cannot be added")]
    MixedCurrencies(Currency, Currency),
    /// The code is not in the table.
    #[error("is not a currency we know")]
    UnknownCurrency,
}

/// The currencies we take, sorted, with their exponents (ISO 4217: how many digits stand behind the point).
pub const CURRENCIES: &[(&str, u32)] = &[
    ("AED", 2),
    ("AUD", 2),
    ("BDT", 2),
    ("BGN", 2),
    ("BHD", 3),
    ("BRL", 2),
    ("CAD", 2),
    ("CHF", 2),
    ("CLP", 0),
    ("CNY", 2),
    ("COP", 2),
    ("CZK", 2),
    ("DKK", 2),
    ("EGP", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("HKD", 2),
    ("HUF", 2),
    ("IDR", 2),
    ("ILS", 2),
    ("INR", 2),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KES", 2),
    ("KRW", 0),
    ("KWD", 3),
    ("LKR", 2),
    ("MAD", 2),
    ("MXN", 2),
    ("MYR", 2),
    ("NGN", 2),
    ("NOK", 2),
    ("NZD", 2),
    ("OMR", 3),
    ("PEN", 2),
    ("PHP", 2),
    ("PKR", 2),
    ("PLN", 2),
    ("QAR", 2),
    ("RON", 2),
    ("RSD", 2),
    ("SAR", 2),
    ("SEK", 2),
    ("SGD", 2),
    ("THB", 2),
    ("TND", 3),
    ("TRY", 2),
    ("TWD", 2),
    ("UAH", 2),
    ("USD", 2),
    ("VND", 0),
    ("ZAR", 2),
];

/// A currency of [`CURRENCIES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    exponent: u32,
}

impl Currency {
    /// United States dollar; handy in tests and demo data.
    pub const USD: Self = Self { code: "USD", exponent: 2 };
    /// Euro.
    pub const EUR: Self = Self { code: "EUR", exponent: 2 };
    /// Vietnamese đồng, which has no minor unit.
    pub const VND: Self = Self { code: "VND", exponent: 0 };

    /// The currency with this code.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`] when it is not in the table.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        let place = CURRENCIES.binary_search_by_key(&code, |(known, _)| known);
        let known = place.ok().and_then(|place| CURRENCIES.get(place));
        known.map(|&(code, exponent)| Self { code, exponent }).ok_or(MoneyError::UnknownCurrency)
    }

    /// The three letters.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Digits behind the point: 2 for USD, 0 for VND, 3 for KWD.
    pub const fn exponent(&self) -> u32 {
        self.exponent
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}
impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}
impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&code).map_err(serde::de::Error::custom)
    }
}
impl Type for Currency {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;
    fn name() -> std::borrow::Cow<'static, str> {
        "string_currency".into()
    }
    fn schema_ref() -> MetaSchemaRef {
        let mut schema = MetaSchema::new("string");
        schema.enum_items = CURRENCIES.iter().map(|(code, _)| serde_json::Value::String((*code).to_owned())).collect();
        MetaSchemaRef::Inline(Box::new(schema))
    }
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}
impl ParseFromJSON for Currency {
    fn parse_from_json(value: Option<serde_json::Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            serde_json::Value::String(code) => Self::parse(&code).map_err(ParseError::custom),
            other => Err(ParseError::expected_type(other)),
        }
    }
}
impl ParseFromParameter for Currency {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::parse(value).map_err(ParseError::custom)
    }
}
impl ToJSON for Currency {
    fn to_json(&self) -> Option<serde_json::Value> {
        Some(serde_json::Value::String(self.code.to_owned()))
    }
}

/// An amount of money: `{"amount": 129900, "currency": "VND"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Object)]
#[oai(deny_unknown_fields)]
pub struct Money {
    /// The amount in the currency's minor unit: cents for USD, whole đồng for VND
    #[oai(rename = "amount", validator(minimum(value = "-1000000000000000"), maximum(value = "1000000000000000")))]
    #[serde(rename = "amount")]
    pub minor: i64,
    /// The currency by its ISO 4217 code
    pub currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// Mixed currencies and overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.minor.checked_add(other.minor).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// Mixed currencies and overflow.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.minor.checked_sub(other.minor).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// `quantity` times the amount.
    ///
    /// # Errors
    /// Overflow.
    pub fn checked_mul(self, quantity: i64) -> Result<Self, MoneyError> {
        self.minor.checked_mul(quantity).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// The part of the amount that `basis_points` (1/10,000) stand for, rounded half away from zero.
    /// Round once per line, never per unit.
    ///
    /// # Errors
    /// Overflow.
    pub fn basis_points(self, basis_points: i32) -> Result<Self, MoneyError> {
        let product = i128::from(self.minor) * i128::from(basis_points);
        let half = if product < 0 { -5_000 } else { 5_000 };
        i64::try_from((product + half) / 10_000)
            .map(|minor| Self { minor, ..self })
            .map_err(|_overflow| MoneyError::Overflow)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::MixedCurrencies(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Money {
    /// `12.99 USD`, `129900 VND`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(self.currency.exponent);
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        match usize::try_from(self.currency.exponent) {
            Ok(width) if width > 0 => {
                write!(f, "{sign}{}.{:0width$} {}", minor / unit, minor % unit, self.currency)
            }
            _ => write!(f, "{sign}{minor} {}", self.currency),
        }
    }
}

/// Splits `total` over `weights` so that the parts sum to it exactly (largest remainder; ties go to the earlier part).
/// All weights zero: everything goes to the first part.
pub fn split_by_largest_remainder(total: i64, weights: &[u64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
    if sum == 0 {
        return weights.iter().enumerate().map(|(index, _)| if index == 0 { total } else { 0 }).collect();
    }
    let shares: Vec<(i64, i128)> = weights
        .iter()
        .map(|&weight| {
            let product = i128::from(total) * i128::from(weight);
            // A share is never larger than the total, so it fits.
            (i64::try_from(product.div_euclid(sum)).unwrap_or(total), product.rem_euclid(sum))
        })
        .collect();
    let mut missing = total - shares.iter().map(|(share, _)| share).sum::<i64>();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(shares.get(index).map_or(0, |share| share.1)));
    let mut parts: Vec<i64> = shares.iter().map(|(share, _)| *share).collect();
    for index in order {
        if missing == 0 {
            break;
        }
        if let Some(part) = parts.get_mut(index) {
            *part += 1;
            missing -= 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn money_reads_as_people_write_it() {
        assert_eq!(Money::new(1299, Currency::USD).to_string(), "12.99 USD");
        assert_eq!(Money::new(-5, Currency::USD).to_string(), "-0.05 USD");
        assert_eq!(Money::new(129_900, Currency::VND).to_string(), "129900 VND");
        assert_eq!(Money::new(1234, Currency::parse("KWD").unwrap()).to_string(), "1.234 KWD");
    }

    #[test]
    fn every_currency_is_found_by_its_code() {
        for &(code, exponent) in CURRENCIES {
            assert_eq!(Currency::parse(code), Ok(Currency { code, exponent }));
        }
        for unknown in ["", "AAA", "USX", "usd", "ZZZ"] {
            assert_eq!(Currency::parse(unknown), Err(MoneyError::UnknownCurrency));
        }
    }

    #[test]
    fn mixed_currencies_and_overflow_are_errors() {
        let (usd, eur) = (Money::new(1, Currency::USD), Money::new(1, Currency::EUR));
        assert_eq!(usd.checked_add(eur), Err(MoneyError::MixedCurrencies(Currency::USD, Currency::EUR)));
        assert_eq!(Money::new(i64::MAX, Currency::USD).checked_add(usd), Err(MoneyError::Overflow));
        assert_eq!(Money::new(i64::MAX, Currency::USD).checked_mul(2), Err(MoneyError::Overflow));
    }

    #[test]
    fn rates_round_half_away_from_zero() {
        let rate = |minor, points| Money::new(minor, Currency::USD).basis_points(points).unwrap().minor;
        assert_eq!((rate(1, 5_000), rate(-1, 5_000), rate(999, 1_000), rate(0, 9_999)), (1, -1, 100, 0));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total(total in 0_i64..1_000_000_000, weights in prop::collection::vec(0_u64..1_000_000, 1..50)) {
            let parts = split_by_largest_remainder(total, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), total);
            prop_assert!(parts.iter().all(|&part| part >= 0));
        }
    }
}
