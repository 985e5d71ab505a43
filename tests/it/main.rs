//! The integration tests: one binary, one link.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod audit;
mod dead_jobs;
mod dev;
mod doctor;
mod doors;
mod fire;
mod house;
mod journeys;
mod limits;
mod mail;
mod orders;
mod payments;
mod support;
mod watching;
