//! Giving money back, once for each idempotency key and never more than came in.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::PgConn;

use crate::{
    chaos::ChaosMode,
    error::GatewayError,
    payment::{Payment, PaymentId, PaymentStatus, Refund, RefundId, RefundStatus},
    report, store,
};

/// What the merchant asks for.
#[derive(Debug, Clone)]
pub(crate) struct NewRefund {
    pub payment_id: PaymentId,
    pub idempotency_key: String,
    pub amount_minor: i64,
    pub reference: String,
}

/// Gives money back, or says why not; the same key gets the same answer. A refund that cannot be made is a `failed` one in
/// the book, like a bank's.
pub(crate) async fn refund(conn: &mut PgConn, new: &NewRefund, at: DateTime<Utc>) -> Result<Refund, GatewayError> {
    conn.transaction(async |conn| {
        // The lock comes first, so that two requests with one key are answered one after the other.
        let payment = store::lock_payment(conn, new.payment_id).await?.ok_or(GatewayError::UnknownPayment)?;
        let chaos = store::chaos_of(conn, Some(payment.id)).await?;
        let declined = chaos.hits_again(ChaosMode::Decline, &new.idempotency_key);
        let reason = reason_against(&payment, new.amount_minor)
            .or_else(|| declined.then(|| "The bank declined, on purpose.".to_owned()));
        let refund = Refund {
            id: RefundId::new(),
            payment_id: payment.id,
            idempotency_key: new.idempotency_key.clone(),
            amount_minor: new.amount_minor,
            reference: new.reference.clone(),
            status: if reason.is_none() { RefundStatus::Succeeded } else { RefundStatus::Failed },
            reason,
            created_at: at,
        };
        if !store::insert_refund(conn, &refund).await? {
            let known =
                store::find_refund_by_key(conn, &new.idempotency_key).await?.ok_or(GatewayError::KeyReused)?;
            let same = known.payment_id == new.payment_id
                && known.amount_minor == new.amount_minor
                && known.reference == new.reference;
            return if same { Ok(known) } else { Err(GatewayError::KeyReused) };
        }
        if refund.status == RefundStatus::Succeeded {
            store::add_refunded(conn, payment.id, refund.amount_minor, at).await?;
            store::record(conn, payment.id, Some(refund.id), "refund", refund.amount_minor, at).await?;
        }
        report::refund_ended(conn, &payment, &refund, at).await?;
        tracing::info!(payment.id = %payment.id, refund.id = %refund.id, refund.status = refund.status.as_str(), "refund answered");
        Ok(refund)
    })
    .await
}

/// Why this much cannot be given back, if it cannot.
fn reason_against(payment: &Payment, amount_minor: i64) -> Option<String> {
    if payment.status != PaymentStatus::Captured {
        return Some(format!("The payment is {}; nothing was captured.", payment.status.as_str()));
    }
    let left = payment.captured_minor - payment.refunded_minor;
    (amount_minor > left).then(|| format!("{left} is left to refund, in minor units; {amount_minor} is more."))
}
