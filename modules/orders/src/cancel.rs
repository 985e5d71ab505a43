//! Calling an order off: its stock goes back to the shelf and its money to the buyer, in one transaction.

use catalog::stock;
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{
    Caller, OrderId, PgConn,
    idempotency::{self, Claim, JsonBytes, StoredAnswer, Ticket},
};
use serde_json::json;

use crate::{
    api::dto::OrderView,
    error::OrderError,
    event::{Actor, EventKind},
    jobs::{OrderMail, SendOrderMail},
    order::Order,
    place::Answer,
    status::OrderEvent,
    store::{self, Change},
};

/// Cancels an order: the buyer's own, or anybody's for staff. The refund of what was paid is sent by a job.
///
/// # Errors
/// [`OrderError::NotFound`] for other people's orders; [`OrderError::Shipped`]; [`OrderError::Transition`] from where it
/// cannot be cancelled.
pub async fn cancel(
    conn: &mut PgConn,
    caller: Caller,
    id: OrderId,
    reason: &str,
    ticket: Option<&Ticket>,
    at: DateTime<Utc>,
) -> Result<Answer, OrderError> {
    let outcome = conn
        .transaction(async |conn| {
            let order = store::lock(conn, id)
                .await?
                .filter(|order| caller.is_staff() || order.customer_id == caller.user_id)
                .ok_or(OrderError::NotFound)?;
            if let Some(ticket) = ticket {
                match idempotency::claim(conn, ticket, at).await? {
                    Claim::Fresh => {}
                    Claim::Stored(answer) => {
                        return Ok(Answer { body: JsonBytes::from_bytes(answer.body), replayed: true });
                    }
                    Claim::InProgress => return Err(OrderError::InProgress),
                    Claim::OtherRequest => return Err(OrderError::KeyReused),
                }
            }
            let order = apply(conn, order, caller.into(), reason, at).await?;
            let Some(ticket) = ticket else { return Err(OrderError::DryRun(Box::new(order))) };
            let body = JsonBytes::of(&OrderView::from(&order));
            idempotency::complete(conn, ticket, &StoredAnswer { status: 200, body: body.bytes().to_vec() }).await?;
            Ok(Answer { body, replayed: false })
        })
        .await;
    match outcome {
        // The dry run's transaction was real, and is rolled back.
        Err(OrderError::DryRun(order)) => {
            Ok(Answer { body: JsonBytes::of(&OrderView::from(order.as_ref())), replayed: false })
        }
        outcome => outcome,
    }
}

async fn apply(
    conn: &mut PgConn,
    order: Order,
    actor: Actor,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<Order, OrderError> {
    if order.lines.iter().any(|line| line.shipped_quantity > 0) {
        return Err(OrderError::Shipped);
    }
    let mut change = Change::of(order, at);
    change.order.apply(OrderEvent::Cancel, at)?;
    let released = change.order.close(at);
    change.record(EventKind::Cancelled, actor, json!({ "reason": reason }));
    refund_excess(conn, &mut change, "order cancelled", at).await?;
    stock::release(conn, change.order.id, &released, actor.id, at).await?;
    store::save(conn, &mut change).await?;
    kernel::enqueue(conn, &SendOrderMail { order_id: change.order.id, mail: OrderMail::Cancelled }).await?;
    Ok(change.order)
}

/// Asks for everything back that was captured beyond the order's total and is not on its way back already.
pub(crate) async fn refund_excess(
    conn: &mut PgConn,
    change: &mut Change,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<(), OrderError> {
    let sums = payments::sums(conn, change.order.id).await?;
    let excess = sums.captured_minor - sums.refunded_minor - sums.refunding_minor - change.order.computed_total();
    if excess > 0 {
        payments::request_refund(conn, change.order.id, excess, None, reason, at).await?;
        change.record(EventKind::RefundRequested, Actor::SYSTEM, json!({ "amount_minor": excess, "reason": reason }));
    }
    Ok(())
}
