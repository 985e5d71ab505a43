//! What is for sale: products and their variants.

mod create;
mod delete;
mod filter;
mod lock;
mod patch;
mod query;
mod row;
mod variants;

use chrono::{DateTime, Utc};
use kernel::{BusinessId, Currency, MediaId, ProductId, VariantId};

pub use create::{NewProduct, NewVariant, create_product};
pub use delete::delete_product;
pub use filter::{ActiveFilter, ProductFilter, ProductKey, ProductSort};
pub use lock::require_own;
pub(crate) use lock::{lock_product, record};
pub use patch::{ProductPatch, patch_product};
pub(crate) use query::load as load_product;
pub use query::{ProductStamp, get_product, list_products, stamps};
pub use variants::{VariantPatch, add_variant, delete_variant, patch_variant};

use crate::words::{Attribute, CategoryId};

/// At most this many variants of a product.
pub const VARIANTS_MAX: usize = 100;

/// What is described and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Which.
    pub id: ProductId,
    /// Who sells it.
    pub business_id: BusinessId,
    /// Where it is found.
    pub category_id: Option<CategoryId>,
    /// What it is called.
    pub name: String,
    /// What the seller says about it.
    pub description: String,
    /// The currency of its prices.
    pub currency: Currency,
    /// Whether it is on sale.
    pub active: bool,
    /// What is known about it.
    pub attributes: Vec<Attribute>,
    /// The lowest unit price of its variants.
    pub from_price_minor: i64,
    /// Its variants, in the seller's order.
    pub variants: Vec<Variant>,
    /// Its pictures, the first one first.
    pub images: Vec<ProductImage>,
    /// How often it or one of its variants changed.
    pub version: i64,
    /// Since when it is here.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Product {
    /// How many units of all variants can be had from what is there.
    pub fn available(&self) -> i64 {
        self.variants.iter().map(|variant| i64::from(variant.available())).sum()
    }

    /// Whether a buyer can order any of it, back orders included.
    pub fn in_stock(&self) -> bool {
        self.variants.iter().any(Variant::in_stock)
    }
}

/// What is priced, stocked and ordered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Variant {
    /// Which.
    pub id: VariantId,
    /// What the seller calls it in their books.
    pub sku: String,
    /// What tells it from the product's other variants.
    pub name: Option<String>,
    /// The same as a list: colour, size.
    pub options: Vec<Attribute>,
    /// What one costs without the discount.
    pub price_minor: i64,
    /// The discount, in basis points.
    pub discount_basis_points: Option<i32>,
    /// What a buyer pays for one.
    pub unit_price_minor: i64,
    /// What is there.
    pub on_hand: i32,
    /// What is promised to open orders.
    pub reserved: i32,
    /// How much may be promised beyond what is there.
    pub backorder_limit: i32,
}

impl Variant {
    /// How many units can be had from what is there.
    pub fn available(&self) -> i32 {
        self.on_hand.saturating_sub(self.reserved).max(0)
    }

    /// Whether a buyer can order any, back orders included.
    pub fn in_stock(&self) -> bool {
        i64::from(self.on_hand) + i64::from(self.backorder_limit) > i64::from(self.reserved)
    }
}

/// A picture of a product.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct ProductImage {
    /// Which.
    pub id: MediaId,
    /// The name it is stored under.
    pub name: String,
    /// The name that the small one is stored under.
    pub thumbnail: String,
    /// Pixels from left to right.
    pub width: i32,
    /// Pixels from top to bottom.
    pub height: i32,
}
