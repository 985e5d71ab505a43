//! Tests over HTTP semantics, with a database.

mod api;
mod authorising;
mod deliveries;
mod pay_page;
mod support;
