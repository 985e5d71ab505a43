//! Taking money that is held: asked for in the order's transaction, sent by a job, settled by the answer or the webhook,
//! whichever comes first. An authorised attempt is captured once; what is not taken of it, the gateway lets go.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use kernel::{Currency, Money, OrderId, PgConn, job};

use crate::{
    Applied, Attempt, AttemptId, AttemptState, CaptureId, CaptureOutcome, CreateCapture, EventId, Gateway,
    PaymentError, attempt::AttemptEvent, jobs::SendCapture, store,
};

/// Asks for `amount_minor` of the order's authorised money to be taken, oldest payment first or of `payment` alone, and
/// puts the sending jobs into the queue. Every attempt is captured once, for what it holds or for what is left to take.
/// Answers what is promised now: `amount_minor`. The caller holds the order's row. Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::CaptureExceedsAuthorized`], [`PaymentError::AmountNotPositive`]; [`PaymentError::UnknownAttempt`] when
/// `payment` is none of the order's and [`PaymentError::NotAuthorized`] when it holds nothing that can be taken; and what
/// the database said.
pub async fn request_capture(
    conn: &mut PgConn,
    order_id: OrderId,
    amount_minor: i64,
    payment: Option<AttemptId>,
    at: DateTime<Utc>,
) -> Result<i64, PaymentError> {
    if amount_minor <= 0 {
        return Err(PaymentError::AmountNotPositive);
    }
    let mut left = amount_minor;
    let mut shares = Vec::new();
    for attempt in lock_capturable(conn, order_id, payment).await? {
        let share = attempt.capturable_minor().min(left);
        if share > 0 {
            left -= share;
            shares.push((attempt, share));
        }
    }
    if left > 0 {
        let capturable_minor = amount_minor - left;
        return Err(PaymentError::CaptureExceedsAuthorized { asked_minor: amount_minor, capturable_minor });
    }
    let mut jobs = Vec::with_capacity(shares.len());
    for (mut attempt, share) in shares {
        let capture_id = CaptureId::new();
        attempt.capturing_minor = share;
        attempt.capture_id = Some(capture_id);
        attempt.updated_at = at;
        store::save_attempt(conn, &attempt).await?;
        jobs.push(SendCapture { attempt_id: attempt.id, capture_id });
    }
    job::enqueue_many(conn, &jobs).await?;
    Ok(amount_minor)
}

/// The order's attempts that hold money and are neither being captured nor voided, oldest first, locked; of `payment` alone
/// when it is named, and then there is one.
pub(crate) async fn lock_capturable(
    conn: &mut PgConn,
    order_id: OrderId,
    payment: Option<AttemptId>,
) -> Result<Vec<Attempt>, PaymentError> {
    let mut attempts = store::lock_in_state(conn, order_id, AttemptState::Authorized).await?;
    attempts.retain(|attempt| attempt.capturable_minor() > 0 && payment.is_none_or(|id| attempt.id == id));
    match payment {
        Some(id) if attempts.is_empty() => match store::find_attempt(conn, id).await? {
            Some(attempt) if attempt.order_id == order_id => Err(PaymentError::NotAuthorized(id)),
            _ => Err(PaymentError::UnknownAttempt(id)),
        },
        _ => Ok(attempts),
    }
}

/// The attempt as it is now. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn load_attempt(conn: &mut PgConn, id: AttemptId) -> QueryResult<Option<Attempt>> {
    store::find_attempt(conn, id).await
}

/// Asks the gateway for the capture that is under way. No database: never call it inside a transaction. Asking again takes
/// nothing twice.
pub async fn send_capture(gateway: &dyn Gateway, attempt: &Attempt) -> CaptureOutcome {
    let Some(capture_id) = attempt.capture_id.filter(|_| attempt.capturing_minor > 0) else {
        return CaptureOutcome::NotWanted;
    };
    let Some(payment_reference) = attempt.reference.clone() else {
        return CaptureOutcome::Failed { capture_id, reason: "the gateway's payment is not known".to_owned() };
    };
    let amount = Money::new(attempt.capturing_minor, attempt.amount.currency);
    CaptureOutcome::new(capture_id, gateway.capture(&CreateCapture { capture_id, payment_reference, amount }).await)
}

/// Records what the gateway answered to a capture; old news changes nothing. A declined one gives its promise back, and
/// the money is still held. The caller holds the order's row. Joins the caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownAttempt`], and what the database said.
pub async fn capture_answered(
    conn: &mut PgConn,
    id: AttemptId,
    outcome: CaptureOutcome,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    let mut attempt = store::lock_attempt(conn, id).await?.ok_or(PaymentError::UnknownAttempt(id))?;
    let (capture_id, reason) = match outcome {
        CaptureOutcome::NotWanted => return Ok(Applied::AlreadyApplied),
        CaptureOutcome::NoAnswer { why } => return Ok(Applied::Ignored { why: format!("no answer: {why}") }),
        CaptureOutcome::Succeeded { reference, amount, .. } => {
            let payment = attempt.reference.clone();
            let taken = Taken {
                amount_minor: amount.minor,
                currency: amount.currency.code(),
                payment: payment.as_deref().unwrap_or(&reference),
                reference: &reference,
                event_id: None,
            };
            return settle(conn, attempt, &taken, at).await;
        }
        CaptureOutcome::Failed { capture_id, reason } => (capture_id, reason),
    };
    if attempt.state == AttemptState::Captured {
        return Ok(Applied::Ignored { why: format!("attempt {id} is captured already") });
    }
    if attempt.capturing_minor == 0 || attempt.capture_id != Some(capture_id) {
        return Ok(Applied::AlreadyApplied);
    }
    let asked_minor = attempt.capturing_minor;
    attempt.capturing_minor = 0;
    attempt.capture_id = None;
    attempt.updated_at = at;
    store::save_attempt(conn, &attempt).await?;
    store::record(
        conn,
        &store::NewTransaction {
            attempt_id: id,
            refund_id: None,
            kind: "failure",
            amount_minor: asked_minor,
            currency: attempt.amount.currency.code(),
            reference: attempt.reference.as_deref(),
            event_id: None,
            detail: Some(&format!("capture declined: {reason}")),
            recorded_at: at,
        },
    )
    .await?;
    Ok(Applied::CaptureFailed { attempt: id, reason })
}

/// Money that came in, as the gateway says.
pub(crate) struct Taken<'a> {
    pub amount_minor: i64,
    pub currency: &'a str,
    /// The gateway's name for the payment.
    pub payment: &'a str,
    /// The gateway's name for what is recorded: the payment again, or the capture.
    pub reference: &'a str,
    /// The webhook it came with; none when it is the answer to a call of ours.
    pub event_id: Option<EventId>,
}

/// Records money that came in for the locked `attempt`, as what it is. Expected is what the capture under way asked for, or
/// else the attempt's amount.
pub(crate) async fn settle(
    conn: &mut PgConn,
    mut attempt: Attempt,
    taken: &Taken<'_>,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    let Some(next) = attempt.state.after(AttemptEvent::Capture) else {
        let same = attempt.reference.as_deref() == Some(taken.payment)
            && attempt.captured_minor == taken.amount_minor
            && attempt.captured_currency.as_deref() == Some(taken.currency);
        return Ok(if same {
            Applied::AlreadyApplied
        } else {
            Applied::Ignored {
                why: format!(
                    "attempt {} is captured; the gateway reports another capture under its payment {}",
                    attempt.id, taken.payment
                ),
            }
        });
    };
    let expected_minor = match attempt.capturing_minor {
        0 => attempt.amount.minor,
        asked => asked,
    };
    attempt.enter(next, at);
    attempt.captured_minor = taken.amount_minor;
    attempt.captured_currency = Some(taken.currency.to_owned());
    // The payment that brought the money is the one to refund.
    attempt.reference = Some(taken.payment.to_owned());
    store::save_attempt(conn, &attempt).await?;
    let currency = Currency::parse(taken.currency).ok().filter(|currency| *currency == attempt.amount.currency);
    let exact = currency.filter(|_| expected_minor == taken.amount_minor);
    let detail = exact.is_none().then(|| {
        format!(
            "asked for {expected_minor} {}, received {} {} (minor units)",
            attempt.amount.currency, taken.amount_minor, taken.currency
        )
    });
    store::record(
        conn,
        &store::NewTransaction {
            attempt_id: attempt.id,
            refund_id: None,
            kind: "capture",
            amount_minor: taken.amount_minor,
            currency: taken.currency,
            reference: Some(taken.reference),
            event_id: taken.event_id,
            detail: detail.as_deref(),
            recorded_at: at,
        },
    )
    .await?;
    Ok(match detail {
        None => {
            Applied::Captured { attempt: attempt.id, amount: Money::new(taken.amount_minor, attempt.amount.currency) }
        }
        Some(detail) => Applied::Mismatch { attempt: attempt.id, detail },
    })
}
