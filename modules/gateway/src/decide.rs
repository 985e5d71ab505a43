//! Ending a payment: paid, declined, taken back, or too late. Once: the row is locked, and an end stays an end.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::PgConn;

use crate::{
    error::GatewayError,
    payment::{Decision, Payment, PaymentId, PaymentStatus},
    report, store,
};

/// Ends the payment as `decision` says, unless it has ended before; answers it as it is afterwards. A customer's decision
/// after the payment's time finds it expired.
pub(crate) async fn decide(
    conn: &mut PgConn,
    id: PaymentId,
    decision: Decision,
    at: DateTime<Utc>,
) -> Result<Payment, GatewayError> {
    conn.transaction(async |conn| {
        let mut payment = store::lock_payment(conn, id).await?.ok_or(GatewayError::UnknownPayment)?;
        if payment.status != PaymentStatus::Pending {
            return Ok(payment);
        }
        let decision = match payment.status_at(at) {
            PaymentStatus::Expired => Decision::Expire,
            // Asked to expire what still has time: somebody's clock was ahead of ours.
            _ if decision == Decision::Expire => return Ok(payment),
            _ => decision,
        };
        let (status, kind) = decision.ends_in();
        payment.status = status;
        payment.updated_at = at;
        if decision == Decision::Approve {
            payment.captured_minor = payment.amount_minor;
        }
        store::end_payment(conn, &payment).await?;
        store::record(conn, id, None, kind, payment.amount_minor, at).await?;
        report::payment_ended(conn, &payment, at).await?;
        tracing::info!(payment.id = %id, payment.status = status.as_str(), "payment ended");
        Ok(payment)
    })
    .await
}

/// Takes a pending payment back on the merchant's behalf.
pub(crate) async fn void(conn: &mut PgConn, id: PaymentId, at: DateTime<Utc>) -> Result<Payment, GatewayError> {
    let payment = decide(conn, id, Decision::Void, at).await?;
    match payment.status {
        PaymentStatus::Voided => Ok(payment),
        status => Err(GatewayError::NotPending(status)),
    }
}
