//! What news of money means for an order, without I/O.

use std::collections::BTreeMap;

use kernel::VariantId;
use payments::Applied;
use serde_json::{Value, json};

use crate::{
    change::{Change, MoneyMove},
    error::OrderError,
    event::EventKind,
    jobs::OrderMail,
    order::{Closed, Order},
    status::{OrderEvent, OrderStatus},
};

/// Writes the news into the order's history. `false`: it is no news.
pub fn tell(change: &mut Change, applied: &Applied) -> bool {
    let (kind, data) = match applied {
        // That it can be paid was told when the payment was begun.
        Applied::AlreadyApplied | Applied::Ignored { .. } | Applied::Opened { .. } => return false,
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
    true
}

/// Adds to the history that the news did not come by itself: the gateway was asked.
pub fn was_reconciled(change: &mut Change) {
    if let Some(Value::Object(data)) = change.events.last_mut().map(|event| &mut event.data) {
        data.insert("reconciled".to_owned(), json!(true));
    }
}

/// Whether money came in, or is held.
pub const fn brings_money(applied: &Applied) -> bool {
    matches!(applied, Applied::Authorized { .. } | Applied::Captured { .. } | Applied::Mismatch { .. })
}

/// An expired order as it was before that took out `closed`, if the late money covers it and nobody holds it back; and
/// what has to be promised again.
pub fn revived(change: &Change, closed: &BTreeMap<i16, Closed>) -> Option<(Order, Vec<(VariantId, i32)>)> {
    let mut order = change.order.clone();
    if order.status != OrderStatus::Expired || order.hold_reason.is_some() {
        return None;
    }
    let wanted = order.reopen(closed, change.at);
    (order.is_covered() && !wanted.is_empty()).then_some((order, wanted))
}

/// Late money revives the order: its stock is promised again.
///
/// # Errors
/// None that could happen: an expired order can be revived.
pub fn revive(change: &mut Change, revived: Order) -> Result<(), OrderError> {
    change.order = Order { last_event: change.order.last_event, ..revived };
    change.apply(OrderEvent::Revive)?;
    change.record(EventKind::Revived, json!({ "because": "it was paid after it expired" }));
    change.mail(OrderMail::Confirmed, None);
    Ok(())
}

/// What the news asks for: what is held for an order that is over is given up, what is too much goes back. (What waited for
/// money is confirmed when the change is carried out.)
pub fn follow(change: &mut Change, applied: &Applied) {
    match applied {
        Applied::Authorized { .. } | Applied::Captured { .. } | Applied::Mismatch { .. } => {
            let_go(change);
            // No first parcel is left to take it.
            if !is_over(change.order.status) && change.order.lines.iter().any(|line| line.shipped_quantity > 0) {
                change.capture_due();
            }
            // A partly paid order keeps its money and waits for the rest; every other one keeps no more than it costs.
            let came = change.order.sums.captured - change.before.sums.captured;
            change.refund_excess(came, "more was paid than is due");
        }
        Applied::CaptureFailed { .. } => let_go(change),
        Applied::Refunded { .. } => change.mail(OrderMail::Refunded, None),
        _ => {}
    }
}

/// Whether nothing is owed any more. A completed order may still owe something.
pub const fn is_over(status: OrderStatus) -> bool {
    matches!(status, OrderStatus::Cancelled | OrderStatus::Expired)
}

/// Nothing is held for an order that is over.
fn let_go(change: &mut Change) {
    if change.order.sums.authorized > 0 && is_over(change.order.status) {
        change.money.push(MoneyMove::Void { payment: None });
    }
}
