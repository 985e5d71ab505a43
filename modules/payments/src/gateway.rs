//! The port to payment gateways: what we ask of one, whoever it is. Never called while a transaction is open.

use std::sync::Arc;

use kernel::Money;

use crate::{AttemptId, CaptureId, CaptureMethod, RefundId, book::BookPage, reconcile::Standing};

/// A payment to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePayment {
    /// Our attempt: the idempotency key, and the reference in every webhook.
    pub attempt_id: AttemptId,
    /// How much.
    pub amount: Money,
    /// Whether approving takes the money or holds it.
    pub capture: CaptureMethod,
    /// What the customer reads on the pay page.
    pub description: String,
    /// Where the gateway reports to.
    pub webhook_url: String,
    /// Where the customer goes afterwards.
    pub return_url: Option<String>,
}

/// The gateway's answer: the customer can pay now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The gateway's name for the payment.
    pub reference: String,
    /// Where the customer pays.
    pub pay_url: String,
}

/// A refund to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRefund {
    /// Our refund: the idempotency key, and the reference in every webhook.
    pub refund_id: RefundId,
    /// The gateway's name for the payment.
    pub payment_reference: String,
    /// How much.
    pub amount: Money,
}

/// The gateway's answer to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// The gateway's name for the refund.
    pub reference: String,
    /// Why it declined; `None` when the money is on its way.
    pub failure: Option<String>,
}

/// Money that is held, to be taken: once, and the rest is let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateCapture {
    /// Our capture: the idempotency key, and the reference there.
    pub capture_id: CaptureId,
    /// The gateway's name for the payment.
    pub payment_reference: String,
    /// How much.
    pub amount: Money,
}

/// The gateway's answer to a capture: the money is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The gateway's name for the capture.
    pub reference: String,
    /// What it took.
    pub amount: Money,
}

/// The gateway's answer to taking a payment back: nothing is held any more, and nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voided {
    /// The gateway's name for the payment.
    pub reference: String,
}

/// Why a gateway did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It answered, and the answer is no: nothing happened there.
    #[error("the gateway refused: {0}")]
    Refused(String),
    /// It did not answer, or not so that we could understand: it may or may not have happened.
    #[error("the gateway gave no answer")]
    NoAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An error with everything below it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A payment gateway.
#[async_trait::async_trait]
pub trait Gateway: Send + Sync + 'static {
    /// Its name: in the path of its webhooks and in every attempt.
    fn name(&self) -> &str;
    /// Opens a payment. Asking twice for the same attempt opens one payment.
    async fn create_payment(&self, payment: &CreatePayment) -> Result<Opened, GatewayError>;
    /// Takes money that is held. Asking twice for the same capture takes it once.
    async fn capture(&self, capture: &CreateCapture) -> Result<Captured, GatewayError>;
    /// Lets go of a payment before any money moved. One that was let go already is answered alike.
    async fn void(&self, payment_reference: &str) -> Result<Voided, GatewayError>;
    /// Gives money back. Asking twice for the same refund gives it back once.
    async fn refund(&self, refund: &CreateRefund) -> Result<Refunded, GatewayError>;
    /// How the payment of an attempt stands in its book; `None` when it knows nothing of it. For answers that were lost.
    async fn find_payment(&self, attempt: AttemptId) -> Result<Option<Standing>, GatewayError>;
    /// Whether it has a book of its own to compare ours with. One that has none is not audited against it, and not asked.
    fn keeps_book(&self) -> bool {
        true
    }
    /// A page of the gateway's own book, from its beginning or from a cursor of the page before.
    async fn book_page(&self, cursor: Option<&str>) -> Result<BookPage, GatewayError>;
}

/// A gateway that can be handed around.
pub type SharedGateway = Arc<dyn Gateway>;
