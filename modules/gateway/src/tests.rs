//! Tests over HTTP semantics, with a database.

mod api;
mod authorising;
mod chaos;
mod deliveries;
mod pay_page;
mod support;
