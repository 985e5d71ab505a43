//! What the gateway's word does to an order: captured money confirms it, late money revives it or goes back.

use catalog::{
    CatalogError,
    stock::{MovementKind, OrderMove},
};
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{OrderId, PgConn, db::retrying, job::JobContext};
use payments::{Applied, AttemptId, CaptureOutcome, EventId, RefundId, RefundOutcome, VoidOutcome};

use crate::{
    Orders, change::Change, error::OrderError, event::Actor, metrics, order::Order, status::OrderStatus, store,
};

pub mod news;

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
                money_moved(conn, order, &applied, Heard::AsItHappened, now).await?;
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
    let silence = match &outcome {
        RefundOutcome::NoAnswer { why } => Some(why.clone()),
        _ => None,
    };
    // That there was no answer is written down too: the refund may have been made.
    write_down(orders, refund.order_id, &GatewaySays::Refund(refund_id, outcome), Some(context)).await?;
    silence.map_or(Ok(()), |why| Err(OrderError::GatewaySilent(why)))
}

/// What a gateway answered to a request of ours.
pub enum GatewaySays {
    Refund(RefundId, RefundOutcome),
    Capture(AttemptId, CaptureOutcome),
    Void(AttemptId, VoidOutcome),
}

/// Writes a gateway's answer down and tells what that changed. The answer, the order and the end of the job that asked, if
/// one did, commit together; without an answer the job goes on.
pub async fn write_down(
    orders: &Orders,
    order_id: OrderId,
    answer: &GatewaySays,
    context: Option<&JobContext>,
) -> Result<Applied, OrderError> {
    retrying(|| async {
        let (mut conn, now) = (orders.pool.get().await?, orders.clock.now());
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| {
            let order = store::lock(conn, order_id).await?;
            let applied = match answer {
                GatewaySays::Refund(id, outcome) => payments::refund_answered(conn, *id, outcome.clone(), now).await?,
                GatewaySays::Capture(id, outcome) => {
                    payments::capture_answered(conn, *id, outcome.clone(), now).await?
                }
                GatewaySays::Void(id, outcome) => payments::void_answered(conn, *id, outcome.clone(), now).await?,
            };
            if let Some(order) = order {
                let heard = if context.is_some() { Heard::AsItHappened } else { Heard::ByAsking };
                money_moved(conn, order, &applied, heard, now).await?;
            }
            if let Some(context) = context
                && !matches!(answer, GatewaySays::Refund(_, RefundOutcome::NoAnswer { .. }))
            {
                context.complete_in(conn).await?;
            }
            Ok::<_, OrderError>(applied)
        })
        .await
    })
    .await
}

pub fn gateway(orders: &Orders, name: &str) -> Result<payments::SharedGateway, OrderError> {
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
    write_down(orders, attempt.order_id, &GatewaySays::Capture(id, outcome), Some(context)).await.map(drop)
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
    write_down(orders, attempt.order_id, &GatewaySays::Void(id, outcome), Some(context)).await.map(drop)
}

/// How we heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A webhook, or the answer to a call.
    AsItHappened,
    /// The gateway was asked later on, because neither came.
    ByAsking,
}

/// Whether anything changed.
pub const fn is_change(applied: &Applied) -> bool {
    !matches!(applied, Applied::AlreadyApplied | Applied::Ignored { .. })
}

/// Brings the order in line with its money ledger. Joins the caller's transaction; the order's row is locked.
pub async fn money_moved(
    conn: &mut PgConn,
    order: Order,
    applied: &Applied,
    heard: Heard,
    now: DateTime<Utc>,
) -> Result<(), OrderError> {
    metrics::applied(applied);
    let mut change = Change::of(order, Actor::SYSTEM, now);
    change.order.sums = store::sums(conn, change.order.id).await?;
    if !news::tell(&mut change, applied) {
        return Ok(());
    }
    if heard == Heard::ByAsking {
        news::was_reconciled(&mut change);
    }
    if news::brings_money(applied) {
        revive(conn, &mut change).await?;
    }
    if let Applied::RefundFailed { refund } = applied
        && !news::is_over(change.order.status)
    {
        change.refund_declined(&store::declined_units(conn, change.order.id, *refund).await?);
    }
    news::follow(&mut change, applied);
    store::carry_out(conn, &mut change).await
}

/// Late money on an expired order: if its stock can be promised again it is confirmed, otherwise it stays as it is and the
/// money goes back.
async fn revive(conn: &mut PgConn, change: &mut Change) -> Result<(), OrderError> {
    if change.order.status != OrderStatus::Expired {
        return Ok(());
    }
    let closed = store::closed_units(conn, &change.order).await?;
    let Some((order, wanted)) = news::revived(change, &closed) else { return Ok(()) };
    let wanted: Vec<OrderMove> = wanted
        .into_iter()
        .map(|(variant_id, quantity)| OrderMove { variant_id, kind: MovementKind::Reserve, quantity })
        .collect();
    match catalog::stock::move_for_order(conn, order.id, &wanted, None, change.at).await {
        Ok(()) => news::revive(change, order),
        Err(CatalogError::NotEnough { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
