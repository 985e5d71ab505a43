//! How customers pay and get their money back: payment attempts, refunds, gateways and the webhook inbox.
//!
//! The money side of an order is decided here; what it means for the order is decided by `orders`, which calls
//! the joining functions of this face inside its own transactions, after it has locked the order's row.
#![forbid(unsafe_code)]

mod api;
mod apply;
mod attempt;
mod audit;
mod audit_book;
mod book;
mod error;
mod event;
mod gateway;
mod http_gateway;
pub mod jobs;
mod open;
mod query;
mod receive;
mod refund;
mod refunding;
#[rustfmt::skip]
mod schema;
mod signature;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod text_enum;

pub use api::dto::{PaymentView, RefundView};
pub use api::{Api, WebhookGateway, problem::problems};
pub use apply::{Applied, apply, order_of_event};
pub use attempt::{Attempt, AttemptId, AttemptState};
pub use audit::audit;
pub use audit_book::{audit_book, audit_book_at};
pub use book::{BookEntry, BookPage, BookRefund};
pub use error::PaymentError;
pub use event::EventId;
pub use gateway::{CreatePayment, CreateRefund, Gateway, GatewayError, Opened, Refunded, SharedGateway};
pub use http_gateway::{HttpGateway, HttpGatewaySettings};
pub use open::{open_at_gateway, opened, refused, start, unanswered};
pub use query::{Sums, list, list_refunds, sums, sums_of};
pub use refund::{Refund, RefundId, RefundOutcome, RefundState};
pub use refunding::{load_refund, refund_answered, request_refund, request_refund_of, send_refund};
pub use signature::{SecretError, SigningSecret, SigningSecrets};
