//! Tests that need a database.

mod audit;
mod book;
mod holding;
mod machines;
mod offline;
mod reconciling;
mod refunds;
mod settling;
mod support;
mod webhooks;
