//! The queue engine against a real PostgreSQL.

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
