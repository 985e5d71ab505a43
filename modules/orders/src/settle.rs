//! What the gateway's word does to an order: captured money confirms it, late money revives it or goes back.

use catalog::stock;
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{PgConn, db::retrying, job::JobContext};
use payments::{Applied, EventId, RefundId, RefundOutcome};
use serde_json::json;

use crate::{
    Orders,
    cancel::refund_excess,
    error::OrderError,
    event::{Actor, EventKind},
    jobs::{OrderMail, SendOrderMail},
    order::Order,
    status::{OrderEvent, OrderStatus, Sums},
    store::{self, Change},
};

/// Applies a verified webhook event. Event, order, stock and the job's own end commit together: exactly once.
///
/// # Errors
/// What the database said; the job tries again.
pub async fn settle_payment(orders: &Orders, event_id: EventId, context: &JobContext) -> Result<(), OrderError> {
    retrying(|| async {
        let (mut conn, now) = (orders.pool.get().await?, orders.clock.now());
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| {
            let order = match payments::order_of_event(conn, event_id).await? {
                Some(order_id) => store::lock(conn, order_id).await?,
                None => None,
            };
            let applied = payments::apply(conn, event_id, now).await?;
            if let Some(order) = order {
                money_moved(conn, order, &applied, now).await?;
            }
            context.complete_in(conn).await?;
            Ok(())
        })
        .await
    })
    .await
}

/// Sends a refund to the gateway and writes down its answer. Without an answer the job tries again under the same key.
///
/// # Errors
/// What the database or the gateway said; the job tries again.
pub async fn send_refund(orders: &Orders, refund_id: RefundId, context: &JobContext) -> Result<(), OrderError> {
    let refund = payments::load_refund(&mut *orders.pool.get().await?, refund_id).await?;
    let Some(refund) = refund.filter(|refund| !refund.is_final()) else { return Ok(()) };
    let gateway = orders
        .gateways
        .get(&refund.gateway)
        .cloned()
        .ok_or_else(|| OrderError::UnknownGateway(refund.gateway.clone()))?;
    let outcome = payments::send_refund(gateway.as_ref(), &refund).await;
    retrying(|| async {
        let (mut conn, now) = (orders.pool.get().await?, orders.clock.now());
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| {
            let order = store::lock(conn, refund.order_id).await?;
            let applied = payments::refund_answered(conn, refund_id, outcome.clone(), now).await?;
            if let Some(order) = order {
                money_moved(conn, order, &applied, now).await?;
            }
            if !matches!(outcome, RefundOutcome::NoAnswer { .. }) {
                context.complete_in(conn).await?;
            }
            Ok::<_, OrderError>(())
        })
        .await
    })
    .await?;
    match outcome {
        RefundOutcome::NoAnswer { why } => Err(OrderError::GatewaySilent(why)),
        _ => Ok(()),
    }
}

/// Brings the order in line with its money ledger. Joins the caller's transaction; the order's row is locked.
async fn money_moved(conn: &mut PgConn, order: Order, applied: &Applied, now: DateTime<Utc>) -> Result<(), OrderError> {
    let mut change = Change::of(order, now);
    let sums = payments::sums(conn, change.order.id).await?;
    change.order.sums = Sums {
        authorized: sums.authorized_minor,
        captured: sums.captured_minor,
        refunded: sums.refunded_minor,
        voided: sums.voided,
    };
    match applied {
        Applied::AlreadyApplied | Applied::Ignored { .. } => return Ok(()),
        // Held money is in the sums above.
        Applied::Authorized { .. } | Applied::CaptureFailed { .. } | Applied::VoidFailed { .. } => {}
        Applied::Voided { attempt } => {
            change.record(
                EventKind::PaymentFailed,
                Actor::SYSTEM,
                json!({ "payment_id": attempt, "reason": "voided" }),
            );
        }
        Applied::Captured { attempt, amount } => {
            change.record(
                EventKind::PaymentCaptured,
                Actor::SYSTEM,
                json!({ "payment_id": attempt, "amount_minor": amount.minor }),
            );
            captured(conn, &mut change, now).await?;
        }
        Applied::Failed { attempt, reason } => {
            change.record(EventKind::PaymentFailed, Actor::SYSTEM, json!({ "payment_id": attempt, "reason": reason }));
        }
        Applied::Mismatch { attempt, detail } => {
            change.record(
                EventKind::PaymentMismatch,
                Actor::SYSTEM,
                json!({ "payment_id": attempt, "detail": detail }),
            );
            captured(conn, &mut change, now).await?;
        }
        Applied::Refunded { refund, amount } => {
            change.record(
                EventKind::Refunded,
                Actor::SYSTEM,
                json!({ "refund_id": refund, "amount_minor": amount.minor }),
            );
            kernel::enqueue(conn, &SendOrderMail { order_id: change.order.id, mail: OrderMail::Refunded }).await?;
        }
        Applied::RefundFailed { refund } => {
            change.record(EventKind::RefundFailed, Actor::SYSTEM, json!({ "refund_id": refund }));
        }
    }
    store::save(conn, &mut change).await
}

/// Money came in: confirm what waited for it, revive what gave up waiting, give back what is too much.
async fn captured(conn: &mut PgConn, change: &mut Change, now: DateTime<Utc>) -> Result<(), OrderError> {
    let is_covered =
        |order: &Order| order.sums.captured - order.sums.refunded + order.sums.authorized >= order.computed_total();
    match change.order.status {
        OrderStatus::Pending if change.order.hold_reason.is_none() && is_covered(&change.order) => {
            change.order.apply(OrderEvent::Confirm, now)?;
            change.record(EventKind::Confirmed, Actor::SYSTEM, json!({}));
            kernel::enqueue(conn, &SendOrderMail { order_id: change.order.id, mail: OrderMail::Confirmed }).await?;
        }
        OrderStatus::Expired => revive(conn, change, now).await?,
        _ => {}
    }
    // A partly paid order keeps its money and waits for the rest; every other one keeps no more than it costs.
    refund_excess(conn, change, "more was paid than is due", now).await
}

/// Late money on an expired order: if its stock can be promised again it is confirmed, otherwise it stays as it is and the
/// money goes back.
async fn revive(conn: &mut PgConn, change: &mut Change, now: DateTime<Utc>) -> Result<(), OrderError> {
    let mut revived = change.order.clone();
    let wanted = revived.reopen(now);
    let is_covered = revived.sums.captured - revived.sums.refunded >= revived.computed_total();
    if !is_covered || !stock::reserve_again(conn, revived.id, &wanted, now).await? {
        return Ok(());
    }
    revived.apply(OrderEvent::Revive, now)?;
    change.order = revived;
    change.record(EventKind::Revived, Actor::SYSTEM, json!({ "because": "it was paid after it expired" }));
    kernel::enqueue(conn, &SendOrderMail { order_id: change.order.id, mail: OrderMail::Confirmed }).await?;
    Ok(())
}
