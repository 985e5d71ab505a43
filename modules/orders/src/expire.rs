//! Orders that are not paid in time give their stock back.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use kernel::{OrderId, PgConn, db::retrying};
use payments::AttemptState;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Orders,
    change::Change,
    error::OrderError,
    event::{Actor, EventKind},
    jobs::OrderMail,
    order::Order,
    status::{OrderEvent, OrderStatus},
    store,
};

/// How many due orders are read at once.
const PAGE: i64 = 500;
/// How long a payment that was asked for and not answered keeps an order alive. Longer than the gateway's deadline.
const IN_FLIGHT: TimeDelta = TimeDelta::seconds(60);

/// Expires every order that is past its time; each in a transaction of its own. Answers how many.
///
/// # Errors
/// What the database said; what was expired before stays expired.
pub async fn expire_due(orders: &Orders) -> Result<usize, OrderError> {
    let now = orders.clock.now();
    let mut after = (DateTime::UNIX_EPOCH, Uuid::nil());
    let (mut expired, mut failed) = (0, None);
    loop {
        let due = store::due(&mut *orders.pool.get().await?, now, after, PAGE).await?;
        for (id, _) in &due {
            let done = retrying(|| async {
                let mut conn = orders.pool.get().await?;
                expire(&mut conn, *id, now).await
            })
            .await;
            match done {
                Ok(done) => expired += usize::from(done),
                Err(OrderError::Db(error)) if error.is_unavailable() => return Err(error.into()),
                // One order that cannot be expired must not hold up the others; the sweep fails, and is seen to.
                Err(error) => {
                    tracing::error!(order.id = %id, error = %error, "an order cannot be expired");
                    failed = Some(error);
                }
            }
        }
        match due.last() {
            Some((id, at)) => after = (*at, id.as_uuid()),
            None => return failed.map_or(Ok(expired), Err),
        }
    }
}

/// Expires one order if it is still due: whatever happened since it was listed wins.
async fn expire(conn: &mut PgConn, id: OrderId, now: DateTime<Utc>) -> Result<bool, OrderError> {
    conn.transaction(async |conn| {
        let Some(order) = store::lock(conn, id).await? else { return Ok(false) };
        if !is_due(&order, now) || is_paying(conn, id, now).await? {
            return Ok(false);
        }
        let mut change = Change::of(order, Actor::SYSTEM, now);
        run_out(&mut change)?;
        store::carry_out(conn, &mut change).await?;
        Ok(true)
    })
    .await
}

/// Whether an order's time to be paid is over. Only a hold keeps one that is paid for from being confirmed; that one waits
/// to be released.
pub fn is_due(order: &Order, now: DateTime<Utc>) -> bool {
    order.status == OrderStatus::Pending && order.expires_at.is_some_and(|at| at <= now) && !order.is_covered()
}

/// The rule: the order is over.
///
/// # Errors
/// It is not pending.
pub fn run_out(change: &mut Change) -> Result<(), OrderError> {
    change.apply(OrderEvent::Expire)?;
    change.record(EventKind::Expired, json!({ "expires_at": change.order.expires_at }));
    // A part may have been paid, or be held.
    change.close("order expired");
    change.mail(OrderMail::Expired, None);
    Ok(())
}

/// Whether money may be on its way: asked for a moment ago without an answer, or being taken of what is held. An open pay
/// page does not count; money that comes through it later is late money.
async fn is_paying(conn: &mut PgConn, id: OrderId, now: DateTime<Utc>) -> Result<bool, OrderError> {
    Ok(payments::list(conn, id).await?.iter().any(|attempt| match attempt.state {
        AttemptState::Authorized => attempt.capturing_minor > 0,
        AttemptState::Created | AttemptState::Unknown => attempt.updated_at > now - IN_FLIGHT,
        _ => false,
    }))
}
