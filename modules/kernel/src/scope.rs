//! What a program may do that comes with an API key: less than its owner.

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

/// One thing that an API key may be good for
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Enum)]
pub enum Scope {
    /// See orders, parcels, returns and exports
    #[oai(rename = "orders:read")]
    #[serde(rename = "orders:read")]
    OrdersRead,
    /// Place orders and work them
    #[oai(rename = "orders:write")]
    #[serde(rename = "orders:write")]
    OrdersWrite,
    /// See businesses, categories and products that are not for everybody
    #[oai(rename = "catalog:read")]
    #[serde(rename = "catalog:read")]
    CatalogRead,
    /// Change businesses, categories, products and pictures
    #[oai(rename = "catalog:write")]
    #[serde(rename = "catalog:write")]
    CatalogWrite,
    /// See stock and its movements
    #[oai(rename = "stock:read")]
    #[serde(rename = "stock:read")]
    StockRead,
    /// Receive and count stock
    #[oai(rename = "stock:write")]
    #[serde(rename = "stock:write")]
    StockWrite,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::OrdersRead, Self::OrdersWrite, Self::CatalogRead, Self::CatalogWrite, Self::StockRead, Self::StockWrite];

    /// The name on the wire and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrdersRead => "orders:read",
            Self::OrdersWrite => "orders:write",
            Self::CatalogRead => "catalog:read",
            Self::CatalogWrite => "catalog:write",
            Self::StockRead => "stock:read",
            Self::StockWrite => "stock:write",
        }
    }

    /// The scope of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// What whoever comes with a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// Whatever their role may: somebody who logged in.
    All,
    /// Only this: an API key.
    Only(Vec<Scope>),
}

/// The scope that the operation needs which is being called, as it travels with a request. Without one no API key may call
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededScope(pub Option<Scope>);
