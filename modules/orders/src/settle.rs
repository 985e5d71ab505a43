//! What the gateway's word does to an order: captured money confirms it, late money revives it or goes back.

use catalog::{
    CatalogError,
    stock::{MovementKind, OrderMove},
};
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{PgConn, db::retrying, job::JobContext};
use payments::{Applied, AttemptId, CaptureOutcome, EventId, RefundId, RefundOutcome, VoidOutcome};
use serde_json::json;

use crate::{
    Orders,
    change::{Change, MoneyMove},
    error::OrderError,
    event::{Actor, EventKind},
    jobs::OrderMail,
    order::Order,
    status::{OrderEvent, OrderStatus},
    store,
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
    let gateway = gateway(orders, &refund.gateway)?;
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

fn gateway(orders: &Orders, name: &str) -> Result<payments::SharedGateway, OrderError> {
    orders.gateways.get(name).cloned().ok_or_else(|| OrderError::UnknownGateway(name.to_owned()))
}

/// Asks the gateway to take what it holds and writes down its answer. Without an answer the job tries again under the same
/// key.
///
/// # Errors
/// What the database or the gateway said; the job tries again.
pub async fn send_capture(orders: &Orders, id: AttemptId, context: &JobContext) -> Result<(), OrderError> {
    let Some(attempt) = payments::load_attempt(&mut *orders.pool.get().await?, id).await? else { return Ok(()) };
    let gateway = gateway(orders, &attempt.gateway)?;
    let outcome = payments::send_capture(gateway.as_ref(), &attempt).await;
    if let CaptureOutcome::NoAnswer { why } = outcome {
        return Err(OrderError::GatewaySilent(why));
    }
    retrying(|| async {
        let (mut conn, now) = (orders.pool.get().await?, orders.clock.now());
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| {
            let order = store::lock(conn, attempt.order_id).await?;
            let applied = payments::capture_answered(conn, id, outcome.clone(), now).await?;
            if let Some(order) = order {
                money_moved(conn, order, &applied, now).await?;
            }
            context.complete_in(conn).await?;
            Ok::<_, OrderError>(())
        })
        .await
    })
    .await
}

/// Asks the gateway to give up what it holds and writes down its answer. Without an answer the job tries again.
///
/// # Errors
/// What the database or the gateway said; the job tries again.
pub async fn send_void(orders: &Orders, id: AttemptId, context: &JobContext) -> Result<(), OrderError> {
    let Some(attempt) = payments::load_attempt(&mut *orders.pool.get().await?, id).await? else { return Ok(()) };
    let gateway = gateway(orders, &attempt.gateway)?;
    let outcome = payments::send_void(gateway.as_ref(), &attempt).await;
    if let VoidOutcome::NoAnswer { why } = outcome {
        return Err(OrderError::GatewaySilent(why));
    }
    retrying(|| async {
        let (mut conn, now) = (orders.pool.get().await?, orders.clock.now());
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| {
            let order = store::lock(conn, attempt.order_id).await?;
            let applied = payments::void_answered(conn, id, outcome.clone(), now).await?;
            if let Some(order) = order {
                money_moved(conn, order, &applied, now).await?;
            }
            context.complete_in(conn).await?;
            Ok::<_, OrderError>(())
        })
        .await
    })
    .await
}

/// Brings the order in line with its money ledger. Joins the caller's transaction; the order's row is locked.
async fn money_moved(conn: &mut PgConn, order: Order, applied: &Applied, now: DateTime<Utc>) -> Result<(), OrderError> {
    let mut change = Change::of(order, Actor::SYSTEM, now);
    change.order.sums = store::sums(conn, change.order.id).await?;
    let (kind, data) = match applied {
        Applied::AlreadyApplied | Applied::Ignored { .. } => return Ok(()),
        Applied::Authorized { attempt, amount } => {
            (EventKind::PaymentAuthorized, json!({ "payment_id": attempt, "amount_minor": amount.minor }))
        }
        Applied::Captured { attempt, amount } => {
            (EventKind::PaymentCaptured, json!({ "payment_id": attempt, "amount_minor": amount.minor }))
        }
        Applied::CaptureFailed { attempt, reason } => {
            (EventKind::CaptureFailed, json!({ "payment_id": attempt, "reason": reason }))
        }
        Applied::Failed { attempt, reason } => {
            (EventKind::PaymentFailed, json!({ "payment_id": attempt, "reason": reason }))
        }
        Applied::Voided { attempt } => (EventKind::PaymentVoided, json!({ "payment_id": attempt })),
        Applied::VoidFailed { attempt, reason } => {
            (EventKind::VoidFailed, json!({ "payment_id": attempt, "reason": reason }))
        }
        Applied::Mismatch { attempt, detail } => {
            (EventKind::PaymentMismatch, json!({ "payment_id": attempt, "detail": detail }))
        }
        Applied::Refunded { refund, amount } => {
            (EventKind::Refunded, json!({ "refund_id": refund, "amount_minor": amount.minor }))
        }
        Applied::RefundFailed { refund } => (EventKind::RefundFailed, json!({ "refund_id": refund })),
    };
    change.record(kind, data);
    match applied {
        Applied::Authorized { .. } | Applied::Captured { .. } | Applied::Mismatch { .. } => {
            money_came(conn, &mut change, now).await?;
        }
        Applied::Refunded { .. } => change.mail(OrderMail::Refunded, None),
        _ => {}
    }
    store::carry_out(conn, &mut change).await
}

/// Money came in, or is held: revive what gave up waiting, give back what is too much. (What waited for it is confirmed when
/// the change is carried out.)
async fn money_came(conn: &mut PgConn, change: &mut Change, now: DateTime<Utc>) -> Result<(), OrderError> {
    if change.order.status == OrderStatus::Expired {
        revive(conn, change, now).await?;
    }
    if change.order.sums.authorized > 0 && !change.order.status.holds_stock() {
        change.money.push(MoneyMove::Void { payment: None });
    }
    // A partly paid order keeps its money and waits for the rest; every other one keeps no more than it costs.
    let came = change.order.sums.captured - change.before.sums.captured;
    change.refund_excess(came, "more was paid than is due");
    Ok(())
}

/// Late money on an expired order: if its stock can be promised again it is confirmed, otherwise it stays as it is and the
/// money goes back.
async fn revive(conn: &mut PgConn, change: &mut Change, now: DateTime<Utc>) -> Result<(), OrderError> {
    let mut revived = change.order.clone();
    let closed = store::closed_units(conn, &revived).await?;
    let wanted: Vec<OrderMove> = revived
        .reopen(&closed, now)
        .into_iter()
        .map(|(variant_id, reserved)| OrderMove { variant_id, kind: MovementKind::Reserve, on_hand: 0, reserved })
        .collect();
    if !revived.is_covered() {
        return Ok(());
    }
    match catalog::stock::move_for_order(conn, revived.id, &wanted, None, now).await {
        Ok(()) => {}
        Err(CatalogError::NotEnough { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    change.order = Order { last_event: change.order.last_event, ..revived };
    change.apply(OrderEvent::Revive)?;
    change.record(EventKind::Revived, json!({ "because": "it was paid after it expired" }));
    change.mail(OrderMail::Confirmed, None);
    Ok(())
}
