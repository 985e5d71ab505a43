//! Where an order goes.

use kernel::{CountryCode, Phone, Text};
use poem_openapi::{Object, types::Example};
use serde::{Deserialize, Serialize};

/// A postal address
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none, example)]
pub struct OrderAddress {
    /// Who receives it
    pub name: Text<1, 120>,
    /// Street and house number
    pub line1: Text<1, 200>,
    /// Flat, floor, care of
    pub line2: Option<Text<1, 200>>,
    /// City or town
    pub city: Text<1, 120>,
    /// State, province or region
    pub region: Option<Text<1, 120>>,
    /// Postal code
    pub postal_code: Option<Text<1, 20>>,
    /// Country
    pub country: CountryCode,
    /// Telephone for the carrier
    pub phone: Option<Phone>,
}

impl Example for OrderAddress {
    fn example() -> Self {
        Self {
            name: Text::example("Alice Nguyen"),
            line1: Text::example("12 Hang Bac"),
            line2: None,
            city: Text::example("Hanoi"),
            region: None,
            postal_code: Some(Text::example("100000")),
            country: CountryCode::example("VN"),
            phone: None,
        }
    }
}

/// A postal address, as it was given
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "ShippingAddress", skip_serializing_if_is_none)]
pub struct Address {
    /// Who receives it
    pub name: String,
    /// Street and house number
    pub line1: String,
    /// Flat, floor, care of
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// City or town
    pub city: String,
    /// State, province or region
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country, ISO 3166-1 alpha-2
    pub country: String,
    /// Telephone for the carrier
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl Address {
    /// An address for examples and demo data.
    pub fn sample() -> Self {
        Self {
            name: "Alice Nguyen".to_owned(),
            line1: "12 Hang Bac".to_owned(),
            line2: None,
            city: "Hanoi".to_owned(),
            region: None,
            postal_code: Some("100000".to_owned()),
            country: "VN".to_owned(),
            phone: None,
        }
    }
}

impl From<OrderAddress> for Address {
    fn from(address: OrderAddress) -> Self {
        Self {
            name: address.name.into_string(),
            line1: address.line1.into_string(),
            line2: address.line2.map(Text::into_string),
            city: address.city.into_string(),
            region: address.region.map(Text::into_string),
            postal_code: address.postal_code.map(Text::into_string),
            country: address.country.into_string(),
            phone: address.phone.map(Phone::into_string),
        }
    }
}
