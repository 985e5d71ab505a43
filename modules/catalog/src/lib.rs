//! What is for sale, who sells it, and how much of it is there.
//!
//! Businesses and their members; categories; products with variants, prices and pictures; stock with its ledger.
//! Owns the schema `catalog`. Orders ask it through [`stock`] inside their own transactions.
#![forbid(unsafe_code)]

mod api;
mod audit;
pub mod business;
pub mod category;
mod error;
mod jobs;
pub mod media;
mod page;
pub mod price;
pub mod product;
mod schema;
pub mod stock;
mod version;
pub mod words;

use diesel::QueryResult;
use futures_util::future::BoxFuture;
use kernel::{PgConn, Pool, SharedClock, UserId};

pub use api::{
    Api, BusinessesApi, CategoriesApi, ImagesApi, MediaApi, ProductsApi, StockApi, VariantsApi, api, problems,
};
pub use audit::audit;
pub use business::{businesses_of, is_member};
pub use error::CatalogError;
pub use jobs::register;

/// Tells whether somebody has an account: the catalog knows people by their ids alone, and asks before it lets one of
/// them in. Asked inside the caller's transaction.
pub type HasAccount = for<'a> fn(&'a mut PgConn, UserId) -> BoxFuture<'a, QueryResult<bool>>;

/// What the catalog works with.
#[derive(Clone)]
pub struct Catalog {
    /// The database.
    pub pool: Pool,
    /// The time.
    pub clock: SharedClock,
    /// Where pictures are kept.
    pub media: media::MediaStore,
    /// Where pictures are made.
    pub workshop: media::Workshop,
    /// The address that everybody finds us under, for the addresses of pictures: `https://shop.example`.
    pub public_url: String,
    /// Who exists.
    pub has_account: HasAccount,
}
