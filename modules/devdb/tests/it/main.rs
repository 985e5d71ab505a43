//! Private clusters against the real PostgreSQL of this machine.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod cluster;
mod shared;
mod support;
