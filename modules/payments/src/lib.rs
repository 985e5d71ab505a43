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
mod capture;
mod capturing;
mod error;
mod event;
mod gateway;
mod http_gateway;
pub mod jobs;
mod offline;
mod open;
mod query;
mod receive;
mod reconcile;
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
mod voiding;

pub use api::dto::{PaymentView, RefundView};
pub use api::{Api, WebhookGateway, problem::problems};
pub use apply::{Applied, apply, order_of_event};
pub use attempt::{Attempt, AttemptId, AttemptState, CaptureId, CaptureMethod, attempt_moves};
pub use audit::audit;
pub use audit_book::{audit_book, audit_book_at};
pub use book::{BookEntry, BookPage, BookRefund};
pub use capture::{CaptureOutcome, VoidOutcome};
pub use capturing::{capture_answered, load_attempt, request_capture, send_capture};
pub use error::PaymentError;
pub use event::EventId;
pub use gateway::{
    Captured, CreateCapture, CreatePayment, CreateRefund, Gateway, GatewayError, Opened, Refunded, SharedGateway,
    Voided,
};
pub use http_gateway::{HttpGateway, HttpGatewaySettings};
pub use offline::{OfflineGateway, record_offline};
pub use open::{open_at_gateway, opened, refused, resume, start, unanswered};
pub use query::{Sums, list, list_refunds, sums, sums_of};
pub use reconcile::{Due, Standing, Unsettled, longest_wait, note_asked, open_refunds, reconcile, unsettled};
pub use refund::{Refund, RefundId, RefundOutcome, RefundState};
pub use refunding::{load_refund, refund_answered, request_refund, request_refund_of, send_refund};
pub use signature::{SecretError, SigningSecret, SigningSecrets};
pub use voiding::{request_void, send_void, void_answered};
