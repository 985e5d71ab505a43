//! What the tests of the whole application share.

pub mod acts;
pub mod answer;
pub mod app;
pub mod client;
pub mod cluster;
pub mod lives;
pub mod load;
pub mod logs;
pub mod order;
pub mod outbox;
pub mod processes;
pub mod redis;
pub mod rows;
pub mod shop;
pub mod signals;
