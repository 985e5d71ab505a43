//! The composition of `oms`: command line, configuration, HTTP server, API document, telemetry and wiring.
//!
//! There is no business rule here. What a shop does is in the modules; this crate puts them together into one binary.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod jobs;
pub mod mail;
pub mod mailcatcher;
pub mod metrics;
pub mod migrations;
pub mod openapi;
pub mod order_life;
pub mod problems;
pub mod redis_link;
pub mod seed;
pub mod telemetry;
pub mod turnstile;
pub mod wiring;
pub mod worker;

/// The version of this binary.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What it was built from, when whoever built it said so by `OMS_REVISION`.
pub const REVISION: &str = match option_env!("OMS_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
