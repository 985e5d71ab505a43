//! The catalog's own words: ids and strings that carry their proof.

use kernel::{Prose, Text};
use serde::{Deserialize, Serialize};

kernel::typed_id!(
    /// A category of products.
    CategoryId
);

kernel::text_type! {
    /// A stock keeping unit: what a seller calls a variant in their books.
    pub struct Sku {
        min: 1, max: 64, pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        say: "letters, digits, '.', '_' or '-', beginning with a letter or digit", example: "SHIRT-BLUE-M",
    }
}

kernel::text_type! {
    /// A name for addresses: `summer-shirts`.
    pub struct Slug {
        min: 1, max: 80, pattern: "^[a-z0-9]+(-[a-z0-9]+)*$",
        say: "small letters and digits, in words joined by '-'", example: "summer-shirts",
    }
}

/// A name of a business.
pub type BusinessName = Text<1, 120>;
/// A city.
pub type City = Text<1, 80>;
/// What a business says about itself.
pub type BusinessDescription = Prose<0, 2000>;
/// A name of a category.
pub type CategoryName = Text<1, 80>;
/// A name of a product.
pub type ProductName = Text<1, 200>;
/// What a seller says about a product.
pub type ProductDescription = Prose<0, 10000>;
/// A name of a variant.
pub type VariantName = Text<1, 120>;
/// Why stock was changed by hand.
pub type StockReason = Text<1, 500>;
/// The name of an attribute: `material`.
pub type AttributeName = Text<1, 60>;
/// The value of an attribute: `cotton`.
pub type AttributeValue = Text<1, 300>;

/// One thing that is known about a product or a variant: `material: cotton`. Kept in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Which.
    pub name: String,
    /// What.
    pub value: String,
}

impl Attribute {
    /// An attribute.
    pub fn new(name: AttributeName, value: AttributeValue) -> Self {
        Self { name: name.into_string(), value: value.into_string() }
    }
}

/// At most this many attributes of a product.
pub const ATTRIBUTES_MAX: usize = 50;
/// At most this many options of a variant.
pub const OPTIONS_MAX: usize = 20;

/// The list as it is stored, provided that no name is in it twice.
pub(crate) fn to_json(attributes: &[Attribute]) -> Result<serde_json::Value, crate::CatalogError> {
    let mut names: Vec<&str> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    names.sort_unstable();
    if let Some(&twice) = names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next).map(|(one, _)| one) {
        return Err(crate::CatalogError::DuplicateAttribute(twice.to_owned()));
    }
    Ok(attributes.iter().map(|Attribute { name, value }| serde_json::json!({ "name": name, "value": value })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(Sku::parse("SHIRT-1").is_ok());
        assert!(Sku::parse("-").is_err());
        assert!(Slug::parse("a-b").is_ok());
        assert!(Slug::parse("a--b").is_err());
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let attribute = |name: &str| Attribute { name: name.to_owned(), value: "x".to_owned() };
        assert!(to_json(&[attribute("a"), attribute("b")]).is_ok());
        assert!(matches!(
            to_json(&[attribute("a"), attribute("b"), attribute("a")]),
            Err(crate::CatalogError::DuplicateAttribute(name)) if name == "a"
        ));
    }
}
