//! Tests that need a database.

mod audit;
mod book;
mod refunds;
mod settling;
mod support;
mod webhooks;
