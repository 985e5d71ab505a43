//! Taking what an authorised payment holds: once for each payment, and once for each idempotency key. What is not taken of
//! it is let go.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{Money, PgConn};

use crate::{
    chaos::ChaosMode,
    error::GatewayError,
    payment::{Capture, CaptureId, PaymentId, PaymentStatus},
    report, store,
};

/// What the merchant asks for.
#[derive(Debug, Clone)]
pub(crate) struct NewCapture {
    pub payment_id: PaymentId,
    pub idempotency_key: String,
    pub amount_minor: i64,
    pub reference: String,
}

impl NewCapture {
    /// Whether this is the request that made `capture`.
    fn made(&self, capture: &Capture) -> bool {
        self.payment_id == capture.payment_id
            && self.amount_minor == capture.amount_minor
            && self.reference == capture.reference
    }
}

/// Takes the money, or answers the capture that was made with the same key.
pub(crate) async fn capture(conn: &mut PgConn, new: &NewCapture, at: DateTime<Utc>) -> Result<Capture, GatewayError> {
    conn.transaction(async |conn| {
        // The lock comes first, so that two requests with one key are answered one after the other.
        let mut payment = store::lock_payment(conn, new.payment_id).await?.ok_or(GatewayError::UnknownPayment)?;
        if let Some(known) = store::find_capture_by_key(conn, &new.idempotency_key).await? {
            return if new.made(&known) { Ok(known) } else { Err(GatewayError::KeyReused) };
        }
        match payment.status_at(at) {
            PaymentStatus::Authorized => {}
            status => return Err(GatewayError::NotAuthorized(status)),
        }
        if new.amount_minor > payment.amount_minor {
            let (asked_minor, authorized_minor) = (new.amount_minor, payment.amount_minor);
            return Err(GatewayError::CaptureExceedsAuthorized { asked_minor, authorized_minor });
        }
        let chaos = store::chaos_of(conn, Some(payment.id)).await?;
        if chaos.hits_again(ChaosMode::Decline, &new.idempotency_key) {
            return Err(GatewayError::Declined);
        }
        let (charged_minor, currency) = chaos.charged(&payment, new.amount_minor);
        payment.charged_currency = currency;
        let capture = Capture {
            id: CaptureId::new(),
            payment_id: payment.id,
            idempotency_key: new.idempotency_key.clone(),
            amount_minor: new.amount_minor,
            charged: Money::new(charged_minor, payment.charged_in()),
            reference: new.reference.clone(),
            created_at: at,
        };
        if !store::insert_capture(conn, &capture).await? {
            // Another payment's capture took the key a moment ago.
            return Err(GatewayError::KeyReused);
        }
        payment.status = PaymentStatus::Captured;
        payment.captured_minor = charged_minor;
        payment.updated_at = at;
        store::move_payment(conn, &payment, PaymentStatus::Authorized).await?;
        store::record(conn, payment.id, None, "capture", charged_minor, at).await?;
        report::payment_moved(conn, &payment, at).await?;
        tracing::info!(payment.id = %payment.id, capture.id = %capture.id, "authorised payment captured");
        Ok(capture)
    })
    .await
}
