//! Starting a payment: the intent first, then the gateway (outside of any transaction), then its answer.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use kernel::{Money, OrderId, PgConn};

use crate::{
    Attempt, AttemptId, AttemptState, CaptureMethod, CreatePayment, Gateway, GatewayError, Opened, PaymentError,
    attempt::AttemptEvent, store,
};

/// Writes down that `amount` is to be collected for the order, or held for it until it is captured. An attempt of the
/// same gateway, amount and method that is still open (created, pending, or without an answer) is given instead of a second one, so that asking twice never opens two
/// payments. The caller holds the order's row. Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::AmountNotPositive`], and what the database said.
pub async fn start(
    conn: &mut PgConn,
    order_id: OrderId,
    gateway: &str,
    amount: Money,
    capture_method: CaptureMethod,
    at: DateTime<Utc>,
) -> Result<Attempt, PaymentError> {
    if amount.minor <= 0 {
        return Err(PaymentError::AmountNotPositive);
    }
    let known = store::attempts_of(conn, order_id).await?.into_iter().rev().find(|attempt| {
        attempt.gateway == gateway
            && attempt.amount == amount
            && attempt.capture_method == capture_method
            && matches!(attempt.state, AttemptState::Created | AttemptState::Pending | AttemptState::Unknown)
    });
    if let Some(attempt) = known {
        return Ok(asked_again(conn, attempt, at).await?);
    }
    let attempt = Attempt {
        id: AttemptId::new(),
        order_id,
        gateway: gateway.to_owned(),
        amount,
        capture_method,
        state: AttemptState::Created,
        reference: None,
        pay_url: None,
        captured_minor: 0,
        captured_currency: None,
        refunded_minor: 0,
        refunding_minor: 0,
        capturing_minor: 0,
        capture_id: None,
        voiding: false,
        created_at: at,
        updated_at: at,
    };
    store::insert_attempt(conn, &attempt).await?;
    Ok(attempt)
}

/// The attempt of a request that is repeated because it got no answer, to be asked for again with [`open_at_gateway`]
/// whatever became of it meanwhile. `None`: the gateway never opened it, and the request begins anew. The caller holds the
/// order's row. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn resume(conn: &mut PgConn, id: AttemptId, at: DateTime<Utc>) -> Result<Option<Attempt>, PaymentError> {
    let Some(attempt) = store::lock_attempt(conn, id).await? else { return Ok(None) };
    if attempt.state == AttemptState::Failed && attempt.reference.is_none() {
        return Ok(None);
    }
    Ok(Some(asked_again(conn, attempt, at).await?))
}

/// It is asked for again, now: nobody may conclude from an old call that it never arrived.
async fn asked_again(conn: &mut PgConn, mut attempt: Attempt, at: DateTime<Utc>) -> QueryResult<Attempt> {
    if matches!(attempt.state, AttemptState::Created | AttemptState::Unknown) {
        attempt.updated_at = at;
        store::save_attempt(conn, &attempt).await?;
    }
    Ok(attempt)
}

/// Opens the attempt at its gateway. No database: never call it inside a transaction. Calling it again for the same
/// attempt opens no second payment; one that is open is not asked for again.
///
/// # Errors
/// What became of the call: record it with [`refused`] or [`unanswered`].
pub async fn open_at_gateway(
    gateway: &dyn Gateway,
    attempt: &Attempt,
    description: &str,
    webhook_url: &str,
    return_url: Option<&str>,
) -> Result<Opened, GatewayError> {
    if let (AttemptState::Pending, Some(reference), Some(pay_url)) =
        (attempt.state, &attempt.reference, &attempt.pay_url)
    {
        return Ok(Opened { reference: reference.clone(), pay_url: pay_url.clone() });
    }
    gateway
        .create_payment(&CreatePayment {
            attempt_id: attempt.id,
            amount: attempt.amount,
            capture: attempt.capture_method,
            description: description.to_owned(),
            webhook_url: webhook_url.to_owned(),
            return_url: return_url.map(str::to_owned),
        })
        .await
}

/// Records the gateway's answer. An attempt that a webhook has moved on in the meantime keeps its state; one that was given up
/// because the gateway knew nothing of it, while the call was on its way for longer than anybody expects, is open after all.
/// Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownAttempt`], and what the database said.
pub async fn opened(
    conn: &mut PgConn,
    id: AttemptId,
    answer: &Opened,
    at: DateTime<Utc>,
) -> Result<Attempt, PaymentError> {
    let mut attempt = store::lock_attempt(conn, id).await?.ok_or(PaymentError::UnknownAttempt(id))?;
    // Or refused to a sibling that asked at the same time: whatever else ends an attempt names the gateway's payment.
    let was_given_up = attempt.state == AttemptState::Failed && attempt.reference.is_none();
    let event = if was_given_up { AttemptEvent::OpenLate } else { AttemptEvent::Open };
    let next = attempt.state.after(event);
    if next.is_none() && attempt.reference.is_some() && attempt.pay_url.is_some() {
        return Ok(attempt);
    }
    attempt.state = next.unwrap_or(attempt.state);
    attempt.reference.get_or_insert_with(|| answer.reference.clone());
    attempt.pay_url.get_or_insert_with(|| answer.pay_url.clone());
    attempt.updated_at = at;
    store::save_attempt(conn, &attempt).await?;
    Ok(attempt)
}

/// Records that the gateway will not take it; `None` when the attempt is over already. Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownAttempt`], and what the database said.
pub async fn refused(
    conn: &mut PgConn,
    id: AttemptId,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<Option<Attempt>, PaymentError> {
    let mut attempt = store::lock_attempt(conn, id).await?.ok_or(PaymentError::UnknownAttempt(id))?;
    let Some(next) = attempt.state.after(AttemptEvent::Refuse) else { return Ok(None) };
    attempt.state = next;
    attempt.updated_at = at;
    store::save_attempt(conn, &attempt).await?;
    store::record(
        conn,
        &store::NewTransaction {
            attempt_id: id,
            refund_id: None,
            kind: "failure",
            amount_minor: attempt.amount.minor,
            currency: attempt.amount.currency.code(),
            reference: None,
            event_id: None,
            detail: Some(reason),
            recorded_at: at,
        },
    )
    .await?;
    Ok(Some(attempt))
}

/// Records that the gateway did not answer: a webhook, or asking again, will tell. Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownAttempt`], and what the database said.
pub async fn unanswered(conn: &mut PgConn, id: AttemptId, at: DateTime<Utc>) -> Result<Attempt, PaymentError> {
    let mut attempt = store::lock_attempt(conn, id).await?.ok_or(PaymentError::UnknownAttempt(id))?;
    if let Some(next) = attempt.state.after(AttemptEvent::LoseAnswer) {
        attempt.state = next;
        attempt.updated_at = at;
        store::save_attempt(conn, &attempt).await?;
    }
    Ok(attempt)
}
