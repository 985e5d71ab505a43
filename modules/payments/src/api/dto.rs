//! Payments on the wire.

use chrono::{DateTime, Utc};
use kernel::{Currency, Money, Text};
use poem_openapi::{Enum, Object};

use crate::{Attempt, AttemptId, AttemptState, CaptureMethod, Refund, RefundId, RefundState};

/// A try to collect money for an order
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct PaymentView {
    /// The attempt's id
    pub id: AttemptId,
    /// The gateway that collects
    pub gateway: String,
    /// How much is asked for
    pub amount: Money,
    /// How the money is collected
    pub capture_method: CaptureMethod,
    /// Where it stands
    pub state: AttemptState,
    /// What is held and can still be captured; there while the payment is authorised and nothing else is under way
    pub authorized: Option<Money>,
    /// What the capture under way is to bring; there until the gateway has answered
    pub capturing: Option<Money>,
    /// Whether the payment is being taken back and the gateway has not answered; there when it is
    pub voiding: Option<bool>,
    /// What came in; there when something did
    pub captured: Option<Money>,
    /// What of it went back; there when something did
    pub refunded: Option<Money>,
    /// Where the customer pays; there while the payment is pending
    pub pay_url: Option<String>,
    /// When it was started
    pub created_at: DateTime<Utc>,
}

impl From<&Attempt> for PaymentView {
    fn from(attempt: &Attempt) -> Self {
        let pay_url = match attempt.state {
            AttemptState::Pending => attempt.pay_url.clone(),
            _ => None,
        };
        let asked = |minor: i64| (minor > 0).then(|| Money::new(minor, attempt.amount.currency));
        let came = attempt.captured_currency.as_deref().and_then(|code| Currency::parse(code).ok());
        let came = |minor: i64| came.filter(|_| minor > 0).map(|currency| Money::new(minor, currency));
        Self {
            id: attempt.id,
            gateway: attempt.gateway.clone(),
            amount: attempt.amount,
            capture_method: attempt.capture_method,
            authorized: asked(attempt.capturable_minor()),
            capturing: asked(attempt.capturing_minor),
            voiding: attempt.voiding.then_some(true),
            captured: came(attempt.captured_minor),
            refunded: came(attempt.refunded_minor),
            state: attempt.state,
            pay_url,
            created_at: attempt.created_at,
        }
    }
}

/// Money on its way back to the customer
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct RefundView {
    /// The refund's id
    pub id: RefundId,
    /// The payment that the money came in by
    pub payment_id: AttemptId,
    /// How much
    pub amount: Money,
    /// Where it stands
    pub state: RefundState,
    /// Why
    pub reason: String,
    /// When it was asked for
    pub created_at: DateTime<Utc>,
}

impl From<&Refund> for RefundView {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id,
            payment_id: refund.attempt_id,
            amount: refund.amount,
            state: refund.state,
            reason: refund.reason.clone(),
            created_at: refund.created_at,
        }
    }
}

/// What happened to a payment
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum PaymentNotificationType {
    /// The money is held, until it is captured
    #[oai(rename = "payment.authorized")]
    PaymentAuthorized,
    /// The money is in; of a payment that was held, what was captured of it
    #[oai(rename = "payment.captured")]
    PaymentCaptured,
    /// The payment is over without money; the status says how
    #[oai(rename = "payment.failed")]
    PaymentFailed,
    /// A refund was made
    #[oai(rename = "refund.succeeded")]
    RefundSucceeded,
    /// A refund was declined
    #[oai(rename = "refund.failed")]
    RefundFailed,
}

/// A payment gateway's report
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct PaymentNotification {
    /// What happened
    #[oai(rename = "type")]
    kind: PaymentNotificationType,
    /// When it happened
    timestamp: DateTime<Utc>,
    /// To what
    data: PaymentNotificationData,
}

/// What a payment gateway's report is about
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct PaymentNotificationData {
    /// The gateway's name for the payment
    payment_id: Text<1, 128>,
    /// Our attempt: the reference that the gateway was given
    reference: AttemptId,
    /// The amount in the currency's minor unit: of the payment, or of the refund
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000000000000")))]
    amount: i64,
    /// The currency
    currency: Currency,
    /// Where the payment stands at the gateway
    status: Option<Text<1, 128>>,
    /// The gateway's name for the refund
    refund_id: Option<Text<1, 128>>,
    /// Our refund: the reference that the gateway was given
    refund_reference: Option<RefundId>,
}

impl poem_openapi::types::Example for PaymentNotification {
    fn example() -> Self {
        Self {
            kind: PaymentNotificationType::PaymentCaptured,
            timestamp: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000),
            data: PaymentNotificationData::example(),
        }
    }
}

impl poem_openapi::types::Example for PaymentNotificationData {
    fn example() -> Self {
        Self {
            payment_id: example_text("0199d6a0-4c1e-7b3a-9c0e-3f1d2a6b8c4d"),
            reference: AttemptId::from_uuid(kernel::uuid::uuid!("0199d6a0-4b0f-7d55-8a86-5e0d6c1b2f3a")),
            amount: 129_900,
            currency: Currency::VND,
            status: Some(example_text("captured")),
            refund_id: None,
            refund_reference: None,
        }
    }
}

#[expect(clippy::expect_used, reason = "the literals above are texts; the test of the document runs this")]
fn example_text(text: &str) -> Text<1, 128> {
    Text::parse(text).expect("a text")
}
