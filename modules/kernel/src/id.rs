//! Typed identifiers: a UUIDv7 (RFC 9562) that cannot be mistaken for another thing's.

/// Declares an identifier type: `typed_id!(/** An order. */ OrderId);`
///
/// The type is a UUIDv7 in a private field. `new` is the only mint. It is a `uuid` to PostgreSQL, a
/// string of format `uuid` to JSON and to the API document.
#[macro_export]
macro_rules! typed_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            ::serde::Serialize, ::serde::Deserialize,
            ::diesel::expression::AsExpression, ::diesel::deserialize::FromSqlRow,
        )]
        #[serde(transparent)]
        #[diesel(sql_type = ::diesel::sql_types::Uuid)]
        pub struct $name($crate::uuid::Uuid);

        impl $name {
            /// A new identifier; later ones sort after earlier ones.
            #[expect(clippy::new_without_default, reason = "minting is an act, not a default")]
            #[expect(clippy::disallowed_methods, reason = "the mint")]
            pub fn new() -> Self {
                Self($crate::uuid::Uuid::now_v7())
            }

            /// The identifier that is already known by this value.
            pub const fn from_uuid(value: $crate::uuid::Uuid) -> Self {
                Self(value)
            }

            /// The bare value, for a boundary that knows no types.
            pub const fn as_uuid(&self) -> $crate::uuid::Uuid {
                self.0
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl ::std::str::FromStr for $name {
            type Err = $crate::uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
        impl ::diesel::serialize::ToSql<::diesel::sql_types::Uuid, ::diesel::pg::Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut ::diesel::serialize::Output<'b, '_, ::diesel::pg::Pg>) -> ::diesel::serialize::Result {
                <$crate::uuid::Uuid as ::diesel::serialize::ToSql<::diesel::sql_types::Uuid, ::diesel::pg::Pg>>::to_sql(&self.0, out)
            }
        }
        impl ::diesel::deserialize::FromSql<::diesel::sql_types::Uuid, ::diesel::pg::Pg> for $name {
            fn from_sql(bytes: ::diesel::pg::PgValue<'_>) -> ::diesel::deserialize::Result<Self> {
                <$crate::uuid::Uuid as ::diesel::deserialize::FromSql<::diesel::sql_types::Uuid, ::diesel::pg::Pg>>::from_sql(bytes).map(Self)
            }
        }
        impl ::poem_openapi::types::Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;
            fn name() -> ::std::borrow::Cow<'static, str> {
                "string_uuid".into()
            }
            fn schema_ref() -> ::poem_openapi::registry::MetaSchemaRef {
                ::poem_openapi::registry::MetaSchemaRef::Inline(Box::new(
                    ::poem_openapi::registry::MetaSchema::new_with_format("string", "uuid"),
                ))
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }
        impl ::poem_openapi::types::ParseFromJSON for $name {
            fn parse_from_json(value: Option<$crate::serde_json::Value>) -> ::poem_openapi::types::ParseResult<Self> {
                <$crate::uuid::Uuid as ::poem_openapi::types::ParseFromJSON>::parse_from_json(value)
                    .map(Self)
                    .map_err(::poem_openapi::types::ParseError::propagate)
            }
        }
        impl ::poem_openapi::types::ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ::poem_openapi::types::ParseResult<Self> {
                Ok(Self(value.parse()?))
            }
        }
        impl ::poem_openapi::types::ToJSON for $name {
            fn to_json(&self) -> Option<$crate::serde_json::Value> {
                Some($crate::serde_json::Value::String(self.0.to_string()))
            }
        }
    };
}

typed_id!(
    /// A person with an account.
    UserId
);
typed_id!(
    /// A seller.
    BusinessId
);
typed_id!(
    /// A product: what is described and shown.
    ProductId
);
typed_id!(
    /// A variant: what is priced, stocked and ordered.
    VariantId
);
typed_id!(
    /// A stored picture.
    MediaId
);
typed_id!(
    /// An order.
    OrderId
);
typed_id!(
    /// A key that a program comes with.
    ApiKeyId
);
