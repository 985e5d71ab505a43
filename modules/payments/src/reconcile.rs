//! Asking the gateway's book about what we lost sight of: answers that did not come, webhooks that were never sent. What it
//! says is applied like a webhook, so that whoever speaks first, the end is the same.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{OrderId, PgConn, cached_sql};
use serde::Deserialize;

use crate::{
    Applied, Attempt, AttemptId, AttemptState, BookRefund, Opened, PaymentError, Refund, RefundId, apply,
    event::{News, Notice},
    open, store,
};

/// Longer than a call of ours is usually on its way: until then, that the gateway knows nothing of it means nothing. Should one
/// take longer all the same, [`open::opened`] says so.
const ON_ITS_WAY: TimeDelta = TimeDelta::seconds(15);

/// A payment as it stands at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// The gateway's name for it.
    pub id: String,
    /// Where it stands there.
    pub status: String,
    /// What was asked for.
    pub amount: i64,
    /// Its currency: of what was charged, when something was.
    pub currency: String,
    /// What came in.
    pub captured: i64,
    /// Where the customer pays.
    pub pay_url: String,
    /// Its refunds.
    pub refunds: Vec<BookRefund>,
}

/// An attempt to ask the gateway about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// The attempt.
    pub id: AttemptId,
    /// The order it pays for.
    pub order_id: OrderId,
    /// At which gateway.
    pub gateway: String,
    /// When it last changed. What the gateway does not know counts only if it did not change since.
    pub updated_at: DateTime<Utc>,
}

/// Which attempts are asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// At these gateways.
    pub gateways: Vec<String>,
    /// Those that did not change, and were not asked about, for so long; all of them when nothing is said.
    pub grace: Option<TimeDelta>,
    /// When all are asked about: after this one.
    pub after: Option<AttemptId>,
    /// So many at most.
    pub limit: i64,
}

cached_sql! {
    // Nobody may decide about a payment for half an hour, and money may be held for days: they are asked about ever less often.
    // What was never answered is asked about however often its buyer tries again.
    UnsettledAfter(
        gateways: st::Array<st::Text> = Vec<String>, after: st::Uuid = AttemptId, now: st::Timestamptz = DateTime<Utc>,
        since: st::Timestamptz = DateTime<Utc>, all: st::Bool = bool, limit: st::BigInt = i64,
    ) -> (st::Uuid, st::Uuid, st::Text, st::Timestamptz),
    "SELECT id, order_id, gateway, updated_at FROM payments.attempts \
     WHERE (state IN ('created', 'pending', 'unknown', 'authorized') OR refunding_minor > 0) \
         AND gateway = ANY($1) AND id > $2 \
         AND ($5 OR ((updated_at <= $4 OR (state IN ('created', 'unknown') AND created_at <= $4)) AND (checked_at IS NULL OR checked_at <= \
             CASE WHEN state IN ('pending', 'authorized') AND capturing_minor = 0 AND NOT voiding THEN $4 - ($3 - updated_at) / 16 ELSE $4 END))) \
     ORDER BY CASE WHEN $5 THEN NULL ELSE checked_at END NULLS FIRST, id LIMIT $6"
}

cached_sql! {
    Checked(id: st::Uuid = AttemptId, at: st::Timestamptz = DateTime<Utc>) -> st::Untyped,
    "UPDATE payments.attempts SET checked_at = $2 WHERE id = $1"
}

/// The attempts to ask about: when all are, by id; otherwise those first that wait longest. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn unsettled(conn: &mut PgConn, due: &Due, now: DateTime<Utc>) -> QueryResult<Vec<Unsettled>> {
    let after = due.after.unwrap_or_else(|| AttemptId::from_uuid(kernel::uuid::Uuid::nil()));
    let since = due.grace.map_or(now, |grace| now - grace);
    let rows: Vec<(AttemptId, OrderId, String, DateTime<Utc>)> = UnsettledAfter {
        gateways: &due.gateways,
        after: &after,
        now: &now,
        since: &since,
        all: &due.grace.is_none(),
        limit: &due.limit,
    }
    .load(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, order_id, gateway, updated_at)| Unsettled { id, order_id, gateway, updated_at })
        .collect())
}

cached_sql! {
    // The first line is the index's; nobody's word is missing while a buyer has not decided, or while money is held for us.
    WaitingSince() -> st::Nullable<st::Timestamptz>,
    "SELECT min(CASE WHEN state IN ('created', 'unknown') THEN created_at ELSE updated_at END) FROM payments.attempts \
     WHERE (state IN ('created', 'pending', 'unknown', 'authorized') OR refunding_minor > 0) \
         AND (state IN ('created', 'unknown') OR capturing_minor > 0 OR voiding OR refunding_minor > 0)"
}

/// How long the payment, capture, release or refund has been waiting whose outcome nobody has known for longest; zero when
/// there is none. Cheap enough to be asked all the time.
///
/// # Errors
/// What the database said.
pub async fn longest_wait(conn: &mut PgConn, now: DateTime<Utc>) -> QueryResult<Duration> {
    let since: Option<DateTime<Utc>> = WaitingSince.get_result(conn).await?;
    Ok(since.and_then(|since| (now - since).to_std().ok()).unwrap_or_default())
}

/// Notes that the gateway was asked about an attempt, whatever became of it: the others come first now. Joins the caller's
/// transaction.
///
/// # Errors
/// What the database said.
pub async fn note_asked(conn: &mut PgConn, id: AttemptId, at: DateTime<Utc>) -> QueryResult<()> {
    Checked { id: &id, at: &at }.execute(conn).await.map(drop)
}

/// Applies what the gateway says of an attempt; `None`: it knows nothing of it. Answers what that changed, in order. The
/// caller holds the order's row. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn reconcile(
    conn: &mut PgConn,
    asked: &Unsettled,
    found: Option<&Standing>,
    at: DateTime<Utc>,
) -> Result<Vec<Applied>, PaymentError> {
    let Some(attempt) = store::lock_attempt(conn, asked.id).await? else { return Ok(Vec::new()) };
    note_asked(conn, asked.id, at).await?;
    let Some(found) = found else { return never_opened(conn, attempt, asked.updated_at, at).await };
    if store::is_taken(conn, &attempt, &found.id).await? {
        tracing::warn!(attempt.id = %attempt.id, payment.id = found.id, "the gateway's payment belongs to another attempt");
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    if found.status == "pending" && matches!(attempt.state, AttemptState::Created | AttemptState::Unknown) {
        let answer = Opened { reference: found.id.clone(), pay_url: found.pay_url.clone() };
        open::opened(conn, attempt.id, &answer, at).await?;
        changes.push(Applied::Opened { attempt: attempt.id });
    }
    for notice in notices(attempt.id, found) {
        // Read again each time: the notice before may have moved it.
        let attempt = store::lock_attempt(conn, asked.id).await?.ok_or(PaymentError::UnknownAttempt(asked.id))?;
        match apply::settle(conn, attempt, notice, None, at).await? {
            Applied::AlreadyApplied | Applied::Ignored { .. } => {}
            change => changes.push(change),
        }
    }
    Ok(changes)
}

/// Nobody can pay what the gateway does not know, and whoever tries again begins anew.
async fn never_opened(
    conn: &mut PgConn,
    attempt: Attempt,
    seen: DateTime<Utc>,
    at: DateTime<Utc>,
) -> Result<Vec<Applied>, PaymentError> {
    let is_lost = matches!(attempt.state, AttemptState::Created | AttemptState::Unknown)
        && attempt.updated_at == seen
        && seen <= at - ON_ITS_WAY;
    if !is_lost {
        return Ok(Vec::new());
    }
    let reason = "the gateway knows nothing of it";
    open::refused(conn, attempt.id, reason, at).await?;
    Ok(vec![Applied::Failed { attempt: attempt.id, reason: reason.to_owned() }])
}

/// What the gateway's word amounts to, as the webhooks that would have told it.
fn notices(attempt_id: AttemptId, found: &Standing) -> Vec<Notice> {
    let notice = |news, amount_minor| Notice {
        news,
        attempt_id,
        payment_id: found.id.clone(),
        amount_minor,
        currency: found.currency.clone(),
    };
    let stands = match found.status.as_str() {
        "pending" => None,
        "authorized" => Some(notice(News::Authorized, found.amount)),
        "captured" => Some(notice(News::Captured, found.captured)),
        status @ ("failed" | "voided" | "expired") => {
            Some(notice(News::Failed { status: status.to_owned() }, found.amount))
        }
        status => {
            tracing::warn!(attempt.id = %attempt_id, status, "the gateway knows a status that we do not: nothing is concluded from it");
            None
        }
    };
    let refunds = found.refunds.iter().filter_map(|refund| {
        let refund_id: RefundId = refund.reference.parse().ok()?;
        let reference = Some(refund.id.clone());
        match refund.status.as_str() {
            "succeeded" => Some(notice(News::Refunded { refund_id, reference }, refund.amount)),
            "failed" => Some(notice(News::RefundFailed { refund_id, reference }, refund.amount)),
            _ => None,
        }
    });
    let understood = |notice: Notice| {
        notice
            .checked()
            .map_err(|why| tracing::warn!(attempt.id = %attempt_id, why, "the gateway's book says nonsense"))
            .ok()
    };
    stands.into_iter().chain(refunds).filter_map(understood).collect()
}

/// The attempt's refunds that have no final answer. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn open_refunds(conn: &mut PgConn, attempt: &Attempt) -> QueryResult<Vec<Refund>> {
    let all = store::refunds_of(conn, attempt.order_id).await?;
    Ok(all.into_iter().filter(|refund| refund.attempt_id == attempt.id && !refund.is_final()).collect())
}
