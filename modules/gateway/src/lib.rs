//! The mock payment gateway: where a shop's customers pay while nobody wants their real money.
//!
//! It is a program of its own with a book of its own, and behaves like a stranger: it is reached over HTTP only, it
//! knows nothing of orders, and it reports by signed webhooks that arrive when they arrive.
#![forbid(unsafe_code)]

mod api;
mod auth;
mod book;
mod capture;
mod chaos;
mod chaos_api;
mod create;
mod decide;
mod error;
mod jobs;
mod page;
mod payment;
mod problem;
mod refund;
mod report;
mod routes;
#[rustfmt::skip]
mod schema;
mod settings;
mod sign;
mod store;
#[cfg(test)]
mod tests;

pub use chaos::ChaosMode;
pub use jobs::{DeliverWebhook, ExpirePayments, register};
pub use payment::{AUTHORIZATION_LIFETIME, PAYMENT_LIFETIME};
pub use problem::problems;
pub use routes::routes;
pub use settings::Gateway;
pub use sign::{SecretError, WebhookSecret};
