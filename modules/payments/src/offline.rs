//! Money that changes hands without a machine: cash at the door, a bank transfer. Staff take it and give it back; here it
//! is written down.

use chrono::{DateTime, Utc};
use kernel::{Money, OrderId, PgConn};

use crate::{
    Attempt, AttemptId, AttemptState, BookPage, CaptureMethod, Captured, CreateCapture, CreatePayment, CreateRefund,
    Gateway, GatewayError, Opened, PaymentError, Refunded, Standing, Voided, store,
};

/// The name that attempts of money taken by hand carry.
const OFFLINE: &str = "offline";

/// Writes down money that staff took by hand, by `method` (`cash_on_delivery`, `bank_transfer`, …) and under `reference`, a
/// receipt's or a transfer's number: an attempt that is captured at once. The caller holds the order's row. Joins the
/// caller's transaction.
///
/// # Errors
/// [`PaymentError::AmountNotPositive`], and what the database said.
pub async fn record_offline(
    conn: &mut PgConn,
    order_id: OrderId,
    amount: Money,
    method: &str,
    reference: Option<&str>,
    at: DateTime<Utc>,
) -> Result<Attempt, PaymentError> {
    if amount.minor <= 0 {
        return Err(PaymentError::AmountNotPositive);
    }
    let id = AttemptId::new();
    let attempt = Attempt {
        id,
        order_id,
        gateway: OFFLINE.to_owned(),
        amount,
        capture_method: CaptureMethod::Automatic,
        state: AttemptState::Captured,
        // Two customers may well bring the same number; ours is our own.
        reference: Some(format!("offline-{id}")),
        pay_url: None,
        captured_minor: amount.minor,
        captured_currency: Some(amount.currency.code().to_owned()),
        refunded_minor: 0,
        refunding_minor: 0,
        capturing_minor: 0,
        capture_id: None,
        voiding: false,
        created_at: at,
        updated_at: at,
    };
    store::insert_attempt(conn, &attempt).await?;
    let reference = reference.map(|reference| store::shorten(reference, 128)).filter(|text| !text.is_empty());
    store::record(
        conn,
        &store::NewTransaction {
            attempt_id: id,
            refund_id: None,
            kind: "capture",
            amount_minor: amount.minor,
            currency: amount.currency.code(),
            reference: reference.as_deref().or(attempt.reference.as_deref()),
            event_id: None,
            detail: Some(method),
            recorded_at: at,
        },
    )
    .await?;
    Ok(attempt)
}

/// The gateway that is no machine: payments cannot be opened at it, and its refunds are handed over by staff. It has no
/// book of its own, so `audit_book` finds nothing to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OfflineGateway;

impl OfflineGateway {
    /// Its name, in every attempt of its.
    pub const NAME: &'static str = OFFLINE;
}

fn refused(why: &str) -> GatewayError {
    GatewayError::Refused(why.to_owned())
}

#[async_trait::async_trait]
impl Gateway for OfflineGateway {
    fn name(&self) -> &str {
        OFFLINE
    }

    async fn create_payment(&self, _payment: &CreatePayment) -> Result<Opened, GatewayError> {
        Err(refused("money taken by hand has no pay page; staff record it when they have it"))
    }

    async fn capture(&self, _capture: &CreateCapture) -> Result<Captured, GatewayError> {
        Err(refused("money taken by hand is never held; it is recorded when it is there"))
    }

    async fn void(&self, _payment_reference: &str) -> Result<Voided, GatewayError> {
        Err(refused("money taken by hand is never held; give it back by a refund"))
    }

    async fn refund(&self, refund: &CreateRefund) -> Result<Refunded, GatewayError> {
        Ok(Refunded { reference: format!("offline-{}", refund.refund_id), failure: None })
    }

    async fn find_payment(&self, _attempt: AttemptId) -> Result<Option<Standing>, GatewayError> {
        Ok(None)
    }

    fn keeps_book(&self) -> bool {
        false
    }

    async fn book_page(&self, _cursor: Option<&str>) -> Result<BookPage, GatewayError> {
        Ok(BookPage { data: Vec::new(), next_cursor: None })
    }
}
