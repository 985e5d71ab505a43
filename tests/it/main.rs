//! The integration tests: one binary, one link.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod audit;
mod dev;
mod house;
mod mail;
mod orders;
mod support;
