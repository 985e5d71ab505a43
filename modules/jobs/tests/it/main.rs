//! The queue engine against a real PostgreSQL.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod admin;
mod crash;
mod failing;
mod once;
mod outage;
mod periodic;
mod process;
mod starving;
mod stopping;
mod support;
mod waking;
