//! Opening a payment, once for each idempotency key.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{Money, PgConn, request};

use crate::{
    error::GatewayError,
    payment::{CaptureMethod, PAYMENT_LIFETIME, Payment, PaymentId, PaymentStatus, random_token},
    store,
};

/// What the merchant asks for.
#[derive(Debug, Clone)]
pub(crate) struct NewPayment {
    pub idempotency_key: String,
    pub amount: Money,
    pub capture_method: CaptureMethod,
    pub reference: String,
    pub description: String,
    pub webhook_url: String,
    pub return_url: Option<String>,
}

impl NewPayment {
    /// Whether this is the request that opened `payment`.
    fn opened(&self, payment: &Payment) -> bool {
        self.amount == payment.amount()
            && self.capture_method == payment.capture_method
            && self.reference == payment.reference
            && self.description == payment.description
            && self.webhook_url == payment.webhook_url
            && self.return_url == payment.return_url
    }
}

/// Opens a payment, or answers the one that was opened with the same key.
pub(crate) async fn create(conn: &mut PgConn, new: &NewPayment, at: DateTime<Utc>) -> Result<Payment, GatewayError> {
    conn.transaction(async |conn| {
        let payment = Payment {
            id: PaymentId::new(),
            idempotency_key: new.idempotency_key.clone(),
            token: random_token(),
            amount_minor: new.amount.minor,
            currency: new.amount.currency,
            reference: new.reference.clone(),
            description: new.description.clone(),
            webhook_url: new.webhook_url.clone(),
            return_url: new.return_url.clone(),
            capture_method: new.capture_method,
            status: PaymentStatus::Pending,
            captured_minor: 0,
            refunded_minor: 0,
            charged_currency: None,
            created_at: at,
            authorized_at: None,
            expires_at: at + PAYMENT_LIFETIME,
            updated_at: at,
            origin: request::current(),
        };
        if store::insert_payment(conn, &payment).await? {
            return Ok(payment);
        }
        let known =
            store::find_payment_by_key(conn, &new.idempotency_key).await?.ok_or(GatewayError::UnknownPayment)?;
        if new.opened(&known) { Ok(known) } else { Err(GatewayError::KeyReused) }
    })
    .await
}
