//! Strings that carry their proof: bounded in length, free of NUL and control characters, parsed once.
//!
//! poem-openapi's `String` accepts numbers, booleans and NUL, so nothing that comes from outside is a `String`.
//! The pattern in the API document is the very pattern that is enforced.

use std::sync::OnceLock;

use regex::Regex;

/// Why a text was refused; reads as the rest of a sentence that begins with the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Fewer characters than required.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// More characters than allowed.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// Characters or a shape that are not allowed.
    #[error("must be {0}")]
    Shape(&'static str),
}

/// The check behind every text type: length in characters, then the pattern.
#[doc(hidden)]
pub fn check(
    text: &str,
    min: usize,
    max: usize,
    pattern: &'static str,
    cell: &'static OnceLock<Option<Regex>>,
    say: &'static str,
) -> Result<(), TextError> {
    // A character has at most four bytes: a giant string is refused without being counted.
    if text.len() > max.saturating_mul(4) {
        return Err(TextError::TooLong(max));
    }
    let length = text.chars().count();
    if length > max {
        return Err(TextError::TooLong(max));
    }
    if length < min {
        return Err(TextError::TooShort(min));
    }
    // A pattern that does not compile refuses everything; the test `every_pattern_compiles` rules it out.
    match cell.get_or_init(|| Regex::new(pattern).ok()) {
        Some(regex) if regex.is_match(text) => Ok(()),
        _ => Err(TextError::Shape(say)),
    }
}

/// Writes what every text type has in common; used by `text_type!` and by [`Text`] and [`Prose`].
#[doc(hidden)]
#[macro_export]
macro_rules! impl_text {
    ([$($generics:tt)*] $name:ty, $min:expr, $max:expr, $pattern:expr, $say:expr, $example:expr) => {
        impl<$($generics)*> $name {
            /// Parses a text, or says what is wrong with it.
            pub fn parse(text: impl Into<String>) -> Result<Self, $crate::TextError> {
                // A static in a generic function is one for all its instances, and the pattern may depend on
                // whether the text can be empty: hence two.
                static SOME: ::std::sync::OnceLock<Option<$crate::regex::Regex>> = ::std::sync::OnceLock::new();
                static ANY: ::std::sync::OnceLock<Option<$crate::regex::Regex>> = ::std::sync::OnceLock::new();
                let text = text.into();
                $crate::check_text(&text, $min, $max, $pattern, if $min > 0 { &SOME } else { &ANY }, $say)?;
                Ok(Self(text))
            }
            /// A text for an example in the API document: not checked, because examples are ours and a house test
            /// validates them against the document.
            pub fn example(text: &'static str) -> Self {
                Self(text.to_owned())
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// The text, owned.
            pub fn into_string(self) -> String {
                self.0
            }
        }
        impl<$($generics)*> ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl<$($generics)*> ::std::str::FromStr for $name {
            type Err = $crate::TextError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl<$($generics)*> ::poem_openapi::types::Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;
            fn name() -> ::std::borrow::Cow<'static, str> {
                "string".into()
            }
            fn schema_ref() -> ::poem_openapi::registry::MetaSchemaRef {
                let mut schema = ::poem_openapi::registry::MetaSchema::new("string");
                if $min > 0 {
                    schema.min_length = Some($min);
                }
                schema.max_length = Some($max);
                schema.pattern = Some($pattern.to_owned());
                let example: Option<&str> = $example;
                schema.example = example.map(|text| $crate::serde_json::Value::String(text.to_owned()));
                ::poem_openapi::registry::MetaSchemaRef::Inline(Box::new(schema))
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }
        impl<$($generics)*> ::poem_openapi::types::ParseFromJSON for $name {
            fn parse_from_json(value: Option<$crate::serde_json::Value>) -> ::poem_openapi::types::ParseResult<Self> {
                match value.unwrap_or_default() {
                    $crate::serde_json::Value::String(text) => {
                        Self::parse(text).map_err(::poem_openapi::types::ParseError::custom)
                    }
                    other => Err(::poem_openapi::types::ParseError::expected_type(other)),
                }
            }
        }
        impl<$($generics)*> ::poem_openapi::types::ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ::poem_openapi::types::ParseResult<Self> {
                Self::parse(value).map_err(::poem_openapi::types::ParseError::custom)
            }
        }
        impl<$($generics)*> ::poem_openapi::types::ToJSON for $name {
            fn to_json(&self) -> Option<$crate::serde_json::Value> {
                Some($crate::serde_json::Value::String(self.0.clone()))
            }
        }
        impl<$($generics)*> ::poem_openapi::types::ToHeader for $name {
            fn to_header(&self) -> Option<::poem::http::HeaderValue> {
                ::poem::http::HeaderValue::from_str(&self.0).ok()
            }
        }
    };
}

/// Declares a text type with a shape of its own.
///
/// ```ignore
/// kernel::text_type! {
///     /// A stock keeping unit.
///     pub struct Sku { min: 1, max: 64, pattern: "^[A-Z0-9][A-Z0-9._-]*$", say: "capital letters, digits, '.', '_' or '-'", example: "SHIRT-M" }
/// }
/// ```
#[macro_export]
macro_rules! text_type {
    ($(#[$meta:meta])* pub struct $name:ident { min: $min:expr, max: $max:expr, pattern: $pattern:expr, say: $say:expr, example: $example:expr $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);
        $crate::impl_text!([] $name, $min, $max, $pattern, $say, Some($example));
    };
}

#[doc(hidden)]
pub use check as check_text;

/// One line of `MIN` to `MAX` characters: no control characters and, when `MIN` is above zero, not only blanks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize>(String);
impl_text!([const MIN: usize, const MAX: usize] Text<MIN, MAX>, MIN, MAX,
    if MIN > 0 { r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$" } else { r"^[^\x00-\x1f\x7f]*$" },
    "one line of text without control characters, and not blank", None);

/// Several lines of `MIN` to `MAX` characters: tabs and line ends are welcome, other control characters are not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Prose<const MIN: usize, const MAX: usize>(String);
impl_text!([const MIN: usize, const MAX: usize] Prose<MIN, MAX>, MIN, MAX, r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
    "text without control characters other than tab and line end", None);

text_type! {
    /// An e-mail address in the shape that every mail server takes (a subset of RFC 5321's `Mailbox`: dot-atom
    /// local part, dotted domain, ASCII only).
    pub struct EmailAddress {
        min: 6, max: 254,
        pattern: r"^[A-Za-z0-9_+-]{1,30}(\.[A-Za-z0-9_+-]{1,15}){0,2}@([A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,12}$",
        say: "an e-mail address like alice@example.com", example: "alice@example.com",
    }
}

impl EmailAddress {
    /// The address as it is compared and stored: lower case.
    pub fn normalised(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

text_type! {
    /// A country by its ISO 3166-1 alpha-2 code.
    pub struct CountryCode { min: 2, max: 2, pattern: "^[A-Z]{2}$", say: "two capital letters, as in VN or DE", example: "VN" }
}

text_type! {
    /// A telephone number in international form (ITU-T E.164), without blanks.
    pub struct Phone { min: 5, max: 16, pattern: r"^\+[1-9][0-9]{3,14}$", say: "a number like +84901234567", example: "+84901234567" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(Text::<1, 10>::parse("a b").is_ok());
        assert!(Text::<0, 10>::parse("").is_ok());
        assert!(Prose::<0, 10>::parse("a\nb").is_ok());
        assert!(EmailAddress::parse("a.b+c@example.co.uk").is_ok());
        assert!(CountryCode::parse("VN").is_ok());
        assert!(Phone::parse("+84901234567").is_ok());
    }

    #[test]
    fn minimum_zero_and_one_do_not_share_a_pattern() {
        assert!(Text::<0, 5>::parse("   ").is_ok());
        assert_eq!(
            Text::<1, 5>::parse("   "),
            Err(TextError::Shape("one line of text without control characters, and not blank"))
        );
    }

    #[test]
    fn i_02_nul_control_characters_and_length_are_refused() {
        for bad in ["a\0b", "a\nb", "\u{7f}", ""] {
            assert!(Text::<1, 10>::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Prose::<0, 10>::parse("a\0").is_err());
        assert_eq!(Text::<1, 3>::parse("äöüß"), Err(TextError::TooLong(3)));
        assert!(Text::<1, 4>::parse("äöüß").is_ok());
        assert!(CountryCode::parse("VN\n").is_err());
    }
}
