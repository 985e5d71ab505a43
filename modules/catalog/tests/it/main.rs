//! The catalog over HTTP, on a real database.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and mint ids of people they do not have"
)]

mod audit;
mod businesses;
mod categories;
mod document;
mod hostile_files;
mod images;
mod listing;
mod products;
mod stock;
mod stock_face;
mod support;
