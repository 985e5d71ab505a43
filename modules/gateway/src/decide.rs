//! What becomes of a payment: paid, held, declined, taken back, or too late. Once: the row is locked, and an end stays an
//! end. Money that is held is no end; `capture` takes it.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{PgConn, request};

use crate::{
    chaos::ChaosMode,
    error::GatewayError,
    payment::{AUTHORIZATION_LIFETIME, Decision, Payment, PaymentId, PaymentStatus},
    report, store,
};

/// Moves the payment as `decision` says, unless it has ended before; answers it as it is afterwards. What is decided after
/// the payment's time finds it expired.
pub(crate) async fn decide(
    conn: &mut PgConn,
    id: PaymentId,
    decision: Decision,
    at: DateTime<Utc>,
) -> Result<Payment, GatewayError> {
    conn.transaction(async |conn| {
        let mut payment = store::lock_payment(conn, id).await?.ok_or(GatewayError::UnknownPayment)?;
        let decision = match payment.status_at(at) {
            PaymentStatus::Expired => Decision::Expire,
            // Asked to expire what still has time: somebody's clock was ahead of ours.
            _ if decision == Decision::Expire => return Ok(payment),
            _ => decision,
        };
        let was = payment.status;
        let Some((status, kind)) = decision.moves(was, payment.capture_method) else { return Ok(payment) };
        payment.status = status;
        payment.updated_at = at;
        match status {
            PaymentStatus::Captured => {
                let chaos = store::chaos_of(conn, Some(id)).await?;
                let (charged_minor, currency) = chaos.charged(&payment, payment.amount_minor);
                payment.captured_minor = charged_minor;
                payment.charged_currency = currency;
            }
            PaymentStatus::Authorized => {
                payment.authorized_at = Some(at);
                payment.expires_at = at + AUTHORIZATION_LIFETIME;
            }
            _ => {}
        }
        store::move_payment(conn, &payment, was).await?;
        let moved_minor = if status == PaymentStatus::Captured { payment.captured_minor } else { payment.amount_minor };
        store::record(conn, id, None, kind, moved_minor, at).await?;
        // What the buyer or the time decides is news to the merchant's request that opened the payment.
        let heard_by = if decision == Decision::Void { request::current() } else { payment.origin.clone() };
        request::scope(heard_by, async {
            report::payment_moved(conn, &payment, at).await?;
            tracing::info!(payment.id = %id, payment.status = status.as_str(), "payment moved");
            Ok::<(), GatewayError>(())
        })
        .await?;
        Ok(payment)
    })
    .await
}

/// Takes a pending or an authorised payment back on the merchant's behalf.
pub(crate) async fn void(conn: &mut PgConn, id: PaymentId, at: DateTime<Utc>) -> Result<Payment, GatewayError> {
    let chaos = store::chaos_of(conn, Some(id)).await?;
    if chaos.hits_again(ChaosMode::Decline, &format!("void-{id}")) {
        return Err(GatewayError::Declined);
    }
    let payment = decide(conn, id, Decision::Void, at).await?;
    match payment.status {
        PaymentStatus::Voided => Ok(payment),
        status => Err(GatewayError::NotPending(status)),
    }
}
