//! Settling: what a webhook says becomes what the ledger says. Duplicates change nothing, and any order of arrival ends
//! in the same state.

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use kernel::{Money, OrderId, PgConn};

use crate::{
    Attempt, AttemptId, AttemptState, EventId, PaymentError, RefundId, RefundOutcome,
    attempt::AttemptEvent,
    capturing::{self, Taken},
    event::{News, Notice},
    refunding, store,
};

/// What a piece of news changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The customer can pay: an answer that was lost is found.
    Opened {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The money is held, until it is captured.
    Authorized {
        /// The attempt.
        attempt: AttemptId,
        /// What is held: exactly what was asked for.
        amount: Money,
    },
    /// The money is in.
    Captured {
        /// The attempt.
        attempt: AttemptId,
        /// What came in: exactly what was asked for.
        amount: Money,
    },
    /// A capture was declined; the money is still held.
    CaptureFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        reason: String,
    },
    /// The attempt is over without money.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// How: `failed`, `expired`.
        reason: String,
    },
    /// The attempt was taken back before any money moved.
    Voided {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Taking the attempt back was declined; the money is still held.
    VoidFailed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        reason: String,
    },
    /// Money went back.
    Refunded {
        /// The refund.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
    /// A refund was declined.
    RefundFailed {
        /// The refund.
        refund: RefundId,
    },
    /// Another amount or currency than was asked for; recorded as what it is.
    Mismatch {
        /// The attempt.
        attempt: AttemptId,
        /// What was expected and what came.
        detail: String,
    },
    /// Old news: it is all there.
    AlreadyApplied,
    /// No news for us.
    Ignored {
        /// Why not.
        why: String,
    },
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { attempt } => write!(f, "attempt {attempt} can be paid"),
            Self::Authorized { attempt, amount } => write!(f, "holding {amount} for attempt {attempt}"),
            Self::Captured { attempt, amount } => write!(f, "captured {amount} for attempt {attempt}"),
            Self::CaptureFailed { attempt, reason } => write!(f, "capture of attempt {attempt} was declined: {reason}"),
            Self::Failed { attempt, reason } => write!(f, "attempt {attempt} ended: {reason}"),
            Self::Voided { attempt } => write!(f, "attempt {attempt} ended: voided"),
            Self::VoidFailed { attempt, reason } => write!(f, "void of attempt {attempt} was declined: {reason}"),
            Self::Refunded { refund, amount } => write!(f, "refunded {amount} by refund {refund}"),
            Self::RefundFailed { refund } => write!(f, "refund {refund} was declined"),
            Self::Mismatch { attempt, detail } => write!(f, "mismatch at attempt {attempt}: {detail}"),
            Self::AlreadyApplied => f.write_str("already applied"),
            Self::Ignored { why } => write!(f, "ignored: {why}"),
        }
    }
}

fn ignored(why: impl Into<String>) -> Applied {
    Applied::Ignored { why: why.into() }
}

/// The order that an event is about, so that its row can be locked before the event is applied; `None` when it is about
/// no attempt of ours. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn order_of_event(conn: &mut PgConn, id: EventId) -> QueryResult<Option<OrderId>> {
    let Some(event) = store::find_event(conn, id).await? else { return Ok(None) };
    match Notice::parse(&event.body) {
        Ok(notice) => store::order_of_attempt(conn, notice.attempt_id, &event.gateway).await,
        Err(_why) => Ok(None),
    }
}

/// Applies an event of the inbox, once. The caller holds the row of the order that [`order_of_event`] named. Joins the
/// caller's transaction.
///
/// # Errors
/// [`PaymentError::UnknownEvent`], and what the database said.
pub async fn apply(conn: &mut PgConn, id: EventId, at: DateTime<Utc>) -> Result<Applied, PaymentError> {
    let event = store::lock_event(conn, id).await?.ok_or(PaymentError::UnknownEvent(id))?;
    if event.processed_at.is_some() {
        return Ok(Applied::AlreadyApplied);
    }
    let applied = match Notice::parse(&event.body) {
        Err(why) => ignored(why),
        Ok(notice) => match store::lock_attempt(conn, notice.attempt_id).await? {
            None => ignored(format!("there is no attempt {}", notice.attempt_id)),
            Some(attempt) if attempt.gateway != event.gateway => {
                ignored(format!("attempt {} belongs to the gateway {}", attempt.id, attempt.gateway))
            }
            Some(attempt) if store::is_taken(conn, &attempt, &notice.payment_id).await? => {
                ignored(format!("the gateway's payment {} belongs to another attempt", notice.payment_id))
            }
            Some(attempt) => settle(conn, attempt, notice, Some(id), at).await?,
        },
    };
    store::finish_event(conn, id, &applied.to_string(), at).await?;
    match &applied {
        Applied::Mismatch { .. } | Applied::Ignored { .. } => {
            tracing::warn!(event.id = %id, gateway = event.gateway, outcome = %applied, "webhook settled with a doubt");
        }
        _ => tracing::info!(event.id = %id, gateway = event.gateway, outcome = %applied, "webhook settled"),
    }
    Ok(applied)
}

/// Applies what a gateway told, by the webhook `event` or when it was asked.
pub(crate) async fn settle(
    conn: &mut PgConn,
    attempt: Attempt,
    notice: Notice,
    event: Option<EventId>,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    match notice.news.clone() {
        News::Authorized => authorize(conn, attempt, &notice, event, at).await,
        News::Captured => {
            let taken = Taken {
                amount_minor: notice.amount_minor,
                currency: &notice.currency,
                payment: &notice.payment_id,
                reference: &notice.payment_id,
                event_id: event,
            };
            capturing::settle(conn, attempt, &taken, at).await
        }
        News::Failed { status } => fail(conn, attempt, &notice, &status, event, at).await,
        News::Refunded { refund_id, reference } => {
            if let Some(doubt) = refund_doubt(conn, &attempt, refund_id, &notice).await? {
                return Ok(doubt);
            }
            let outcome = RefundOutcome::Succeeded { reference };
            refunding::settle(conn, attempt, refund_id, outcome, event, at).await
        }
        News::RefundFailed { refund_id, reference } => {
            if let Some(doubt) = refund_doubt(conn, &attempt, refund_id, &notice).await? {
                return Ok(doubt);
            }
            let outcome = RefundOutcome::Failed { reference, reason: "declined by the gateway".to_owned() };
            refunding::settle(conn, attempt, refund_id, outcome, event, at).await
        }
    }
}

/// Whether a refund's news does not fit the refund that we asked for.
async fn refund_doubt(
    conn: &mut PgConn,
    attempt: &Attempt,
    refund_id: RefundId,
    notice: &Notice,
) -> QueryResult<Option<Applied>> {
    let Some(refund) = store::find_refund(conn, refund_id).await? else {
        return Ok(Some(ignored(format!("there is no refund {refund_id}"))));
    };
    if refund.attempt_id != attempt.id {
        return Ok(Some(ignored(format!("refund {refund_id} belongs to another attempt"))));
    }
    if refund.amount.minor != notice.amount_minor || refund.amount.currency.code() != notice.currency {
        let detail = format!(
            "refund {refund_id} is over {}; the gateway says {} {} (minor units)",
            refund.amount, notice.amount_minor, notice.currency
        );
        return Ok(Some(Applied::Mismatch { attempt: attempt.id, detail }));
    }
    Ok(None)
}

async fn authorize(
    conn: &mut PgConn,
    mut attempt: Attempt,
    notice: &Notice,
    event: Option<EventId>,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    let Some(next) = attempt.state.after(AttemptEvent::Authorize) else { return Ok(Applied::AlreadyApplied) };
    if attempt.amount.minor != notice.amount_minor || attempt.amount.currency.code() != notice.currency {
        // What nobody asked to be held is never taken; the gateway lets go of it by itself.
        let detail = format!(
            "asked to hold {} {}, the gateway holds {} {} (minor units)",
            attempt.amount.minor, attempt.amount.currency, notice.amount_minor, notice.currency
        );
        return Ok(Applied::Mismatch { attempt: attempt.id, detail });
    }
    attempt.enter(next, at);
    // The payment that holds the money is the one to capture.
    attempt.reference = Some(notice.payment_id.clone());
    store::save_attempt(conn, &attempt).await?;
    record(conn, &attempt, "authorization", notice, event, None, at).await?;
    Ok(Applied::Authorized { attempt: attempt.id, amount: attempt.amount })
}

async fn fail(
    conn: &mut PgConn,
    mut attempt: Attempt,
    notice: &Notice,
    status: &str,
    event: Option<EventId>,
    at: DateTime<Utc>,
) -> Result<Applied, PaymentError> {
    let (what, kind) = match status {
        "voided" => (AttemptEvent::Void, "void"),
        "expired" => (AttemptEvent::Expire, "failure"),
        _ => (AttemptEvent::Fail, "failure"),
    };
    let Some(next) = attempt.state.after(what) else {
        return Ok(match attempt.state {
            AttemptState::Captured => ignored(format!("attempt {} is captured already", attempt.id)),
            _ => Applied::AlreadyApplied,
        });
    };
    attempt.enter(next, at);
    attempt.reference.get_or_insert_with(|| notice.payment_id.clone());
    store::save_attempt(conn, &attempt).await?;
    record(conn, &attempt, kind, notice, event, Some(status), at).await?;
    Ok(match what {
        AttemptEvent::Void => Applied::Voided { attempt: attempt.id },
        _ => Applied::Failed { attempt: attempt.id, reason: status.to_owned() },
    })
}

async fn record(
    conn: &mut PgConn,
    attempt: &Attempt,
    kind: &'static str,
    notice: &Notice,
    event: Option<EventId>,
    detail: Option<&str>,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    store::record(
        conn,
        &store::NewTransaction {
            attempt_id: attempt.id,
            refund_id: None,
            kind,
            amount_minor: notice.amount_minor,
            currency: &notice.currency,
            reference: Some(&notice.payment_id),
            event_id: event,
            detail,
            recorded_at: at,
        },
    )
    .await
}
