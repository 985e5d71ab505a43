//! The guarantees under fire: real processes that are killed, frozen, flooded and lied to. Each test takes minutes and the
//! whole machine, so they are `#[ignore]`d: `make fire` runs them, and so does the CI.

mod chaos;
mod gateway;
mod postgres;
mod webhooks;
