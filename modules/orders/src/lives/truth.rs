//! What must be true of an order at any moment, said once more and in other words than in the code: by parcels, returns
//! and payments instead of counters.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestCaseError};

use super::world::World;
use crate::{
    order::{Line, Order},
    returns::ReturnState,
    shipment::ShipmentState,
    status::OrderStatus,
};

type Truth = Result<(), TestCaseError>;

/// Units of a line in parcels in one of these states.
fn parcels(order: &Order, position: i16, states: &[ShipmentState]) -> i32 {
    let parcels = order.shipments.iter().filter(|one| states.contains(&one.state));
    parcels.flat_map(|one| &one.lines).filter(|units| units.position == position).map(|units| units.quantity).sum()
}

/// Units of a line in returns: announced and still expected, and back on the shelf or damaged.
fn returns(order: &Order, position: i16) -> (i32, i32, i32) {
    let (mut expected, mut resellable, mut damaged) = (0, 0, 0);
    for goods in &order.returns {
        for line in goods.lines.iter().filter(|line| line.position == position) {
            let open = [ReturnState::Requested, ReturnState::Approved, ReturnState::Received].contains(&goods.state);
            expected += if open { line.quantity - line.resellable_quantity - line.damaged_quantity } else { 0 };
            resellable += line.resellable_quantity;
            damaged += line.damaged_quantity;
        }
    }
    (expected, resellable, damaged)
}

/// The database's CHECKs on a line, and that its counters are what its parcels and returns say.
fn line(order: &Order, line: &Line) -> Truth {
    use ShipmentState as S;
    let counts = [
        line.cancelled_quantity,
        line.packed_quantity,
        line.shipped_quantity,
        line.delivered_quantity,
        line.returning_quantity,
        line.returned_quantity,
        line.refunded_quantity,
    ];
    prop_assert!(counts.iter().all(|count| *count >= 0), "{:?}", line);
    prop_assert!(line.cancelled_quantity + line.packed_quantity + line.shipped_quantity <= line.quantity, "{:?}", line);
    prop_assert!(line.delivered_quantity <= line.shipped_quantity, "{:?}", line);
    prop_assert!(line.returned_quantity + line.returning_quantity <= line.delivered_quantity, "{:?}", line);
    prop_assert!(line.refunded_quantity <= line.quantity - line.cancelled_quantity, "{:?}", line);
    prop_assert_eq!(line.total_minor, line.unit_price_minor * i64::from(line.quantity));
    prop_assert_eq!(line.packed_quantity, parcels(order, line.position, &[S::Packed]));
    prop_assert_eq!(line.shipped_quantity, parcels(order, line.position, &[S::Shipped, S::Delivered]));
    prop_assert_eq!(line.delivered_quantity, parcels(order, line.position, &[S::Delivered]));
    let (expected, resellable, damaged) = returns(order, line.position);
    prop_assert_eq!((line.returning_quantity, line.returned_quantity), (expected, resellable + damaged));
    Ok(())
}

/// Sums of lines and adjustments are the total; the counters obey the database; nothing is in two places.
pub fn sums(world: &World) -> Truth {
    let order = &world.order;
    let mut total = 0;
    for one in &order.lines {
        line(order, one)?;
        total += one.unit_price_minor * i64::from(one.quantity - one.cancelled_quantity - one.returned_quantity);
    }
    for one in &order.adjustments {
        prop_assert!(one.amount_minor > 0 && (1..=200).contains(&one.label.chars().count()));
        total += if one.is_charge { one.amount_minor } else { -one.amount_minor };
    }
    prop_assert_eq!(order.total_minor, total.max(0));
    prop_assert_eq!(order.original_total_minor, world.placed.original_total_minor);
    for parcel in order.shipments.iter() {
        let left = matches!(parcel.state, ShipmentState::Shipped | ShipmentState::Delivered | ShipmentState::Lost);
        prop_assert_eq!(parcel.shipped_at.is_some(), left);
        prop_assert_eq!(parcel.delivered_at.is_some(), parcel.state == ShipmentState::Delivered);
        for units in &parcel.lines {
            prop_assert_eq!(order.line(units.position).unwrap().business_id, parcel.business_id);
            prop_assert!(units.quantity > 0);
        }
    }
    Ok(())
}

/// The order's money is what its payments say, and nothing goes back that did not come.
pub fn money(world: &World) -> Truth {
    let (order, sums) = (&world.order, world.order.sums);
    let ledger = world.ledger.sums();
    let amounts =
        |sums: crate::status::Sums| (sums.authorized, sums.capturing, sums.captured, sums.refunded, sums.refunding);
    prop_assert_eq!(amounts(sums), amounts(ledger));
    prop_assert!(sums.refunded >= 0 && sums.refunding >= 0 && sums.refunded + sums.refunding <= sums.captured);
    for paid in &world.ledger.payments {
        prop_assert!(paid.refunded + paid.refunding <= paid.captured && paid.capturing <= paid.amount, "{:?}", paid);
    }
    if matches!(order.status, OrderStatus::Cancelled | OrderStatus::Expired) {
        prop_assert_eq!(order.total_minor, 0);
    }
    Ok(())
}

/// The shelf is what the order's units say, and the sum of its moves.
pub fn stock(world: &World) -> Truth {
    let mut moved: BTreeMap<_, (i32, i32)> = BTreeMap::new();
    for (variant, on_hand, reserved) in &world.shelf.moves {
        let sums = moved.entry(*variant).or_default();
        *sums = (sums.0 + on_hand, sums.1 + reserved);
    }
    for one in &world.order.lines {
        let (before, now) = (world.stocked.counters[&one.variant_id], world.shelf.counters[&one.variant_id]);
        let sums = moved.get(&one.variant_id).copied().unwrap_or_default();
        prop_assert_eq!((now.on_hand, now.reserved), (before.on_hand + sums.0, before.reserved + sums.1));
        let waiting = one.quantity - one.cancelled_quantity - one.shipped_quantity;
        prop_assert_eq!(now.reserved - now.others, waiting, "{:?}", one);
        use ShipmentState as S;
        let gone = parcels(&world.order, one.position, &[S::Shipped, S::Delivered, S::Lost]);
        let (_, resellable, _) = returns(&world.order, one.position);
        prop_assert_eq!(now.on_hand, before.on_hand + now.received - gone + resellable);
        if !world.order.status.holds_stock() {
            prop_assert_eq!(waiting, 0, "{:?}", world.order.status);
        }
    }
    Ok(())
}

/// The payment status in the words of design.md §4.3.
fn payment(world: &World) -> &'static str {
    let (sums, total) = (world.ledger.sums(), world.order.total_minor);
    let (held, net) = (sums.authorized + sums.capturing, sums.captured - sums.refunded);
    match () {
        () if sums.captured == 0 && held == 0 && sums.voided => "voided",
        () if sums.captured == 0 && held == 0 => "unpaid",
        () if sums.captured == 0 && held < total => "partially_authorized",
        () if sums.captured == 0 => "authorized",
        () if net == 0 => "refunded",
        () if net > total => "overpaid",
        () if sums.refunded > 0 => "partially_refunded",
        () if net < total => "partially_paid",
        () => "paid",
    }
}

/// The three computed statuses are functions of payments, parcels and returns.
pub fn statuses(world: &World) -> Truth {
    use ShipmentState as S;
    let order = &world.order;
    prop_assert_eq!(order.payment_status.as_str(), payment(world), "{:?}", world.ledger);
    let sum = |of: &dyn Fn(&Line) -> i32| order.lines.iter().map(of).sum::<i32>();
    let sent = sum(&|line| parcels(order, line.position, &[S::Shipped, S::Delivered]));
    let arrived = sum(&|line| parcels(order, line.position, &[S::Delivered]));
    let active = sum(&|line| line.quantity - line.cancelled_quantity);
    let fulfilled = match () {
        () if sent == 0 => "unfulfilled",
        () if sent < active => "partially_fulfilled",
        () if arrived < active => "fulfilled",
        () => "delivered",
    };
    prop_assert_eq!(order.fulfillment_status.as_str(), fulfilled);
    let expected = sum(&|line| returns(order, line.position).0);
    let back = sum(&|line| returns(order, line.position).1 + returns(order, line.position).2);
    let returned = match () {
        () if back == 0 && expected == 0 => "none",
        () if back == 0 => "requested",
        () if back < sent => "partially_returned",
        () => "returned",
    };
    prop_assert_eq!(order.return_status.as_str(), returned);
    prop_assert_eq!(order.status == OrderStatus::Pending, order.confirmed_at.is_none() && order.closed_at.is_none());
    prop_assert!(order.status != OrderStatus::Confirmed || order.expires_at.is_none());
    // Nothing waits that could go on by itself.
    if order.hold_reason.is_none() {
        let kept = order.sums.captured - order.sums.refunded - order.sums.refunding;
        let is_covered = kept + order.sums.authorized + order.sums.capturing >= order.total_minor;
        prop_assert!(order.status != OrderStatus::Pending || world.events.is_empty() || !is_covered);
    }
    Ok(())
}
