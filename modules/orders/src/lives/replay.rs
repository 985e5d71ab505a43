//! An order made of nothing but how it was placed and what its events say.

use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::Value;

use super::world::World;
use crate::{
    event::EventKind,
    order::Order,
    status::{OrderStatus, Sums},
};

fn number(of: &Value, name: &str) -> i64 {
    of.get(name).map_or(0, |number| number.as_i64().unwrap())
}

/// Adds what an event tells.
fn add(order: &mut Order, adjustments: &mut i64, effects: &Value) {
    for told in effects.get("lines").and_then(Value::as_array).into_iter().flatten() {
        let line = order.line_mut(i16::try_from(number(told, "position")).unwrap()).unwrap();
        let units = |name| i32::try_from(number(told, name)).unwrap();
        line.cancelled_quantity += units("cancelled");
        line.packed_quantity += units("packed");
        line.shipped_quantity += units("shipped");
        line.delivered_quantity += units("delivered");
        line.returning_quantity += units("returning");
        line.returned_quantity += units("returned");
        line.refunded_quantity += units("refunded");
    }
    if let Some(money) = effects.get("money") {
        let Sums { authorized, capturing, captured, refunded, refunding, .. } = &mut order.sums;
        *authorized += number(money, "authorized");
        *capturing += number(money, "capturing");
        *captured += number(money, "captured");
        *refunded += number(money, "refunded");
        *refunding += number(money, "refunding");
        order.total_minor += number(money, "total");
        *adjustments += number(money, "adjustments");
    }
    if let Some(voided) = effects.get("voided") {
        order.sums.voided = voided.as_bool().unwrap();
    }
    if let Some(status) = effects.get("status") {
        order.status = *OrderStatus::ALL.iter().find(|one| Some(one.as_str()) == status.as_str()).unwrap();
    }
}

/// What the events add up to is what is stored.
pub fn adds_up(world: &World) -> Result<(), TestCaseError> {
    let mut told = world.placed.clone();
    let mut adjustments: i64 = told.adjustments.iter().map(crate::order::Adjustment::signed).sum();
    let mut status = OrderStatus::Pending;
    for (event, seq) in world.events.iter().zip(2_i32..) {
        prop_assert_eq!(event.seq, seq);
        if let Some(effects) = event.data.get("effects") {
            add(&mut told, &mut adjustments, effects);
        }
        status = match event.kind {
            EventKind::Confirmed | EventKind::Revived => OrderStatus::Confirmed,
            EventKind::Cancelled => OrderStatus::Cancelled,
            EventKind::Expired => OrderStatus::Expired,
            EventKind::Completed => OrderStatus::Completed,
            _ => status,
        };
    }
    let stored = &world.order;
    prop_assert_eq!(i64::from(stored.last_event), i64::try_from(world.events.len()).unwrap() + 1);
    prop_assert_eq!((told.status, status), (stored.status, stored.status));
    prop_assert_eq!(&told.lines, &stored.lines);
    prop_assert_eq!(adjustments, stored.adjustments.iter().map(crate::order::Adjustment::signed).sum::<i64>());
    prop_assert_eq!(told.total_minor, stored.total_minor);
    let sums = |order: &Order| Sums { voided: false, ..order.sums };
    prop_assert_eq!(sums(&told), sums(stored));
    let total = told.total_minor;
    told.adjustments.clone_from(&stored.adjustments);
    told.recompute();
    prop_assert_eq!(told.total_minor, total);
    prop_assert_eq!(told.payment_status, stored.payment_status);
    prop_assert_eq!(told.fulfillment_status, stored.fulfillment_status);
    prop_assert_eq!(told.return_status, stored.return_status);
    Ok(())
}
