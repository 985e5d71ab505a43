//! What the tests of the whole application share.

pub mod answer;
pub mod app;
pub mod order;
pub mod outbox;
pub mod rows;
pub mod shop;
