//! The guarantees under fire: real processes that are killed, frozen, flooded and lied to. Each test takes minutes and the
//! whole machine, so they are `#[ignore]`d: `make fire` runs them, and so does the CI.

mod chaos;
mod clicks;
mod crowds;
mod gateway;
mod overload;
mod permutations;
mod postgres;
mod races;
mod redis;
mod restarts;
mod servers;
mod webhooks;
mod workers;
