//! Incoming strings that must not be printed.

/// Declares a bounded text type whose `Debug` shows nothing.
macro_rules! secret_text {
    ($(#[$meta:meta])* pub struct $name:ident { min: $min:expr, max: $max:expr, pattern: $pattern:expr, say: $say:expr, example: $example:expr $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);
        kernel::impl_text!([] $name, $min, $max, $pattern, $say, Some($example));
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(text).map_err(::serde::de::Error::custom)
            }
        }
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}
pub(crate) use secret_text;
