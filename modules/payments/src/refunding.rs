//! Giving money back: asked for in the order's transaction, sent by a job, settled by the answer or the webhook,
//! whichever comes first.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use kernel::{Currency, Money, OrderId, PgConn, job};

use crate::{
    Applied, Attempt, AttemptId, AttemptState, CreateRefund, EventId, Gateway, GatewayError, PaymentError, Refund,
    RefundId, RefundOutcome, RefundState, jobs::SendRefund, store,
};

/// Asks for `amount_minor` of the order's captured money to go back, newest payment first or of `payment` alone, and puts the sending jobs
/// into the queue. Money that came in in another currency than was asked for is left alone: see [`request_refund_of`].
/// Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::RefundExceedsCaptured`], [`PaymentError::AmountNotPositive`], [`PaymentError::UnknownAttempt`] when
/// `payment` is none of the order's, and what the database said.
pub async fn request_refund(
    conn: &mut PgConn,
    order_id: OrderId,
    amount_minor: i64,
    payment: Option<AttemptId>,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<Vec<RefundId>, PaymentError> {
    if amount_minor <= 0 {
        return Err(PaymentError::AmountNotPositive);
    }
    if let Some(id) = payment {
        store::find_attempt(conn, id)
            .await?
            .filter(|attempt| attempt.order_id == order_id)
            .ok_or(PaymentError::UnknownAttempt(id))?;
    }
    let attempts: Vec<Attempt> = store::lock_in_state(conn, order_id, AttemptState::Captured)
        .await?
        .into_iter()
        .filter(|attempt| !attempt.is_foreign() && payment.is_none_or(|id| attempt.id == id))
        .collect();
    let mut left = amount_minor;
    let mut shares = Vec::new();
    for attempt in attempts.into_iter().rev() {
        let share = attempt.refundable_minor().min(left);
        if share > 0 {
            left -= share;
            shares.push((attempt, share));
        }
    }
    if left > 0 {
        let refundable_minor = amount_minor - left;
        return Err(PaymentError::RefundExceedsCaptured { asked_minor: amount_minor, refundable_minor });
    }
    promise(conn, shares, reason, at).await
}

/// Asks for everything that is left of one attempt to go back, in the currency that came in: the way out for money that
/// nobody asked for. Nothing left: no refund. Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownAttempt`], and what the database said.
pub async fn request_refund_of(
    conn: &mut PgConn,
    id: AttemptId,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<Option<RefundId>, PaymentError> {
    let attempt = store::lock_attempt(conn, id).await?.ok_or(PaymentError::UnknownAttempt(id))?;
    match attempt.refundable_minor() {
        0 => Ok(None),
        share => Ok(promise(conn, vec![(attempt, share)], reason, at).await?.pop()),
    }
}

async fn promise(
    conn: &mut PgConn,
    shares: Vec<(Attempt, i64)>,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<Vec<RefundId>, PaymentError> {
    let reason = store::shorten(reason, 500);
    let mut refunds = Vec::with_capacity(shares.len());
    for (mut attempt, share) in shares {
        attempt.refunding_minor += share;
        attempt.updated_at = at;
        store::save_attempt(conn, &attempt).await?;
        let code = attempt.captured_currency.as_deref().unwrap_or(attempt.amount.currency.code());
        let currency =
            Currency::parse(code).map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
        refunds.push(Refund {
            id: RefundId::new(),
            attempt_id: attempt.id,
            order_id: attempt.order_id,
            amount: Money::new(share, currency),
            state: RefundState::Pending,
            reason: reason.clone(),
            reference: None,
            gateway: attempt.gateway,
            payment_reference: attempt.reference,
            created_at: at,
            updated_at: at,
        });
    }
    store::insert_refunds(conn, &refunds).await?;
    let ids: Vec<RefundId> = refunds.iter().map(|refund| refund.id).collect();
    let jobs: Vec<SendRefund> = ids.iter().map(|&refund_id| SendRefund { refund_id }).collect();
    job::enqueue_many(conn, &jobs).await?;
    Ok(ids)
}

/// The refund, with its payment's gateway and reference. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn load_refund(conn: &mut PgConn, id: RefundId) -> QueryResult<Option<Refund>> {
    store::find_refund(conn, id).await
}

/// Asks the gateway for the refund. No database: never call it inside a transaction. Asking again gives nothing back
/// twice.
pub async fn send_refund(gateway: &dyn Gateway, refund: &Refund) -> RefundOutcome {
    let Some(payment_reference) = refund.payment_reference.clone() else {
        return RefundOutcome::Failed { reference: None, reason: "the gateway's payment is not known".to_owned() };
    };
    let answer: Result<_, GatewayError> =
        gateway.refund(&CreateRefund { refund_id: refund.id, payment_reference, amount: refund.amount }).await;
    answer.into()
}

/// Records what the gateway answered to a refund; old news changes nothing. The caller holds the order's row. Joins the
/// caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownRefund`], and what the database said.
pub async fn refund_answered(
    conn: &mut PgConn,
    id: RefundId,
    outcome: RefundOutcome,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    let refund = store::find_refund(conn, id).await?.ok_or(PaymentError::UnknownRefund(id))?;
    let attempt =
        store::lock_attempt(conn, refund.attempt_id).await?.ok_or(PaymentError::UnknownAttempt(refund.attempt_id))?;
    settle(conn, attempt, id, outcome, None, at).await
}

/// Moves a refund of the locked `attempt`. A refund that succeeded stays so. One that was declined and then reported as
/// made is believed, as long as there is money left that it can be.
pub(crate) async fn settle(
    conn: &mut PgConn,
    mut attempt: Attempt,
    id: RefundId,
    outcome: RefundOutcome,
    event_id: Option<EventId>,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    // Read after the attempt's row was locked: nobody moves it now.
    let mut refund = store::find_refund(conn, id).await?.ok_or(PaymentError::UnknownRefund(id))?;
    let (was, amount) = (refund.state, refund.amount);
    let promised = matches!(was, RefundState::Pending | RefundState::Unknown);
    let (state, reference, kind, detail) = match outcome {
        RefundOutcome::Succeeded { reference } => {
            if was == RefundState::Succeeded {
                return Ok(Applied::AlreadyApplied);
            }
            if !promised && attempt.refundable_minor() < amount.minor {
                let why = format!("refund {id} was declined before, and nothing is left that it could have given back");
                return Ok(Applied::Ignored { why });
            }
            attempt.refunded_minor += amount.minor;
            (RefundState::Succeeded, reference, "refund", None)
        }
        RefundOutcome::Failed { reference, reason } => match was {
            RefundState::Failed => return Ok(Applied::AlreadyApplied),
            RefundState::Succeeded => {
                return Ok(Applied::Ignored { why: format!("refund {id} has succeeded already") });
            }
            RefundState::Pending | RefundState::Unknown => (RefundState::Failed, reference, "failure", Some(reason)),
        },
        RefundOutcome::NoAnswer { why } => {
            if was == RefundState::Pending {
                refund.state = RefundState::Unknown;
                refund.updated_at = at;
                store::save_refund(conn, &refund, was).await?;
            }
            return Ok(Applied::Ignored { why: format!("no answer: {why}") });
        }
    };
    if promised {
        attempt.refunding_minor -= amount.minor;
    }
    attempt.updated_at = at;
    store::save_attempt(conn, &attempt).await?;
    refund.state = state;
    refund.reference = reference.or(refund.reference);
    refund.updated_at = at;
    store::save_refund(conn, &refund, was).await?;
    store::record(
        conn,
        &store::NewTransaction {
            attempt_id: attempt.id,
            refund_id: Some(id),
            kind,
            amount_minor: amount.minor,
            currency: amount.currency.code(),
            reference: refund.reference.as_deref(),
            event_id,
            detail: detail.as_deref(),
            recorded_at: at,
        },
    )
    .await?;
    Ok(match state {
        RefundState::Succeeded => Applied::Refunded { refund: id, amount },
        RefundState::Failed | RefundState::Pending | RefundState::Unknown => Applied::RefundFailed { refund: id },
    })
}
