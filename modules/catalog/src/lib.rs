//! What is for sale, who sells it, and how much of it is there.
//!
//! Businesses and their members; categories; products with variants, prices and pictures; stock with its ledger.
//! Owns the schema `catalog`. Orders ask it through [`stock`] inside their own transactions.
#![forbid(unsafe_code)]

pub mod business;
mod error;
mod page;
pub mod price;
pub mod product;
mod schema;
pub mod stock;
mod version;
pub mod words;

pub use business::{businesses_of, is_member};
pub use error::CatalogError;
