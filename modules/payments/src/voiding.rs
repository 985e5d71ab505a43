//! Letting go of money that is held: asked for in the order's transaction, sent by a job, settled by the answer or the
//! webhook, whichever comes first.

use chrono::{DateTime, Utc};
use kernel::{OrderId, PgConn, job};

use crate::{
    Applied, Attempt, AttemptId, AttemptState, Gateway, PaymentError, VoidOutcome, attempt::AttemptEvent, capturing,
    jobs::SendVoid, store,
};

/// Asks for the order's authorised money to be let go: of every payment whose capture is not under way, or of `payment`
/// alone; puts the sending jobs into the queue and answers the attempts. The caller holds the order's row. Joins the
/// caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownAttempt`] when `payment` is none of the order's, [`PaymentError::NotAuthorized`] when it holds
/// nothing that can be let go, and what the database said.
pub async fn request_void(
    conn: &mut PgConn,
    order_id: OrderId,
    payment: Option<AttemptId>,
    at: DateTime<Utc>,
) -> Result<Vec<AttemptId>, PaymentError> {
    let attempts = capturing::lock_capturable(conn, order_id, payment).await?;
    let mut jobs = Vec::with_capacity(attempts.len());
    for mut attempt in attempts {
        attempt.voiding = true;
        attempt.updated_at = at;
        store::save_attempt(conn, &attempt).await?;
        jobs.push(SendVoid { attempt_id: attempt.id });
    }
    job::enqueue_many(conn, &jobs).await?;
    Ok(jobs.into_iter().map(|job| job.attempt_id).collect())
}

/// Asks the gateway to let go of the payment. No database: never call it inside a transaction. Asking again changes
/// nothing.
pub async fn send_void(gateway: &dyn Gateway, attempt: &Attempt) -> VoidOutcome {
    if !attempt.voiding {
        return VoidOutcome::NotWanted;
    }
    match &attempt.reference {
        Some(payment_reference) => gateway.void(payment_reference).await.into(),
        None => VoidOutcome::Failed { reason: "the gateway's payment is not known".to_owned() },
    }
}

/// Records what the gateway answered to a void; old news changes nothing. When it was declined the money is still held,
/// until it is captured or the gateway lets go of it by itself. The caller holds the order's row. Joins the caller's
/// transaction.
///
/// # Errors
/// [`PaymentError::UnknownAttempt`], and what the database said.
pub async fn void_answered(
    conn: &mut PgConn,
    id: AttemptId,
    outcome: VoidOutcome,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    let mut attempt = store::lock_attempt(conn, id).await?.ok_or(PaymentError::UnknownAttempt(id))?;
    let (kind, detail, applied) = match outcome {
        VoidOutcome::NotWanted => return Ok(Applied::AlreadyApplied),
        VoidOutcome::NoAnswer { why } => return Ok(Applied::Ignored { why: format!("no answer: {why}") }),
        VoidOutcome::Succeeded => match attempt.state.after(AttemptEvent::Void) {
            Some(next) => {
                attempt.enter(next, at);
                ("void", "voided".to_owned(), Applied::Voided { attempt: id })
            }
            None if attempt.state == AttemptState::Captured => {
                return Ok(Applied::Ignored { why: format!("attempt {id} is captured already") });
            }
            None => return Ok(Applied::AlreadyApplied),
        },
        VoidOutcome::Failed { reason } => {
            if !attempt.voiding {
                return Ok(Applied::AlreadyApplied);
            }
            attempt.voiding = false;
            attempt.updated_at = at;
            ("failure", format!("void declined: {reason}"), Applied::VoidFailed { attempt: id, reason })
        }
    };
    store::save_attempt(conn, &attempt).await?;
    store::record(
        conn,
        &store::NewTransaction {
            attempt_id: id,
            refund_id: None,
            kind,
            amount_minor: attempt.amount.minor,
            currency: attempt.amount.currency.code(),
            reference: attempt.reference.as_deref(),
            event_id: None,
            detail: Some(&detail),
            recorded_at: at,
        },
    )
    .await?;
    Ok(applied)
}
