//! Guidance is true: what it allows can be done, with the smallest arguments that make sense, and what it refuses is
//! refused for the reason that it gives.

use kernel::Problem;
use payments::{AttemptId, AttemptState};
use proptest::{prelude::*, test_runner::TestCaseError};

use super::{
    steps::usd,
    world::{World, seller},
};
use crate::{
    cancel::Cancel,
    cancel_lines::{CancelLines, CancelSellerLines},
    command::Command,
    complete::Complete,
    error::OrderError,
    fulfil::{Deliver, Lose, Pack, Ship, Tracking, Unpack},
    guidance::{self, Guidance, OrderAction},
    hold::{Hold, Release},
    order::Line,
    pay::{may_pay, owed},
    paying::{Capture, ConfirmOffline, RecordPayment, Refund, RefundWhat, Void},
    returning::{CancelReturn, CloseReturn, DecideReturn, ReceiveReturn, ReceivedUnits, RequestReturn},
    returns::{Return, ReturnEvent},
    shipment::{Shipment, ShipmentEvent, Units},
    status::OfflineMethod,
    viewer::Viewer,
};

type Tried = Result<(), OrderError>;

fn code(error: OrderError) -> String {
    Problem::from(error).code
}

/// Asks and tries.
fn check<A: Copy + std::fmt::Debug>(
    world: &World,
    who: &str,
    guidance: Guidance<A>,
    attempt: impl Fn(A) -> Tried,
) -> Result<(), TestCaseError> {
    for action in guidance.allowed {
        let tried = attempt(action);
        prop_assert!(tried.is_ok(), "{} may {:?}: {:?} {:#?}", who, action, tried, world.order);
    }
    for (action, why) in guidance.refused {
        let (told, tried) = (code(why), attempt(action).map_err(code));
        prop_assert_eq!(tried, Err(told), "{} may not {:?}: {:#?}", who, action, &world.order);
    }
    Ok(())
}

fn probe<C: Command>(world: &World, command: &C, viewer: &Viewer) -> Tried {
    let done = world.try_out(command, viewer)?;
    command.view(&done.change, viewer).map(drop)
}

/// Everybody's guidance.
pub fn is_true(world: &World) -> Result<(), TestCaseError> {
    let order = &world.order;
    let (buyer, staff) = (world.buyer(), world.staff());
    let sellers = [0, 1].map(|index| world.member(index).map(|viewer| (seller(index), viewer)));
    for (who, viewer) in [("the buyer", &buyer), ("staff", &staff)] {
        check(world, who, guidance::of_order(order, viewer, world.now), |action| on_order(world, viewer, action))?;
    }
    for (business_id, viewer) in sellers.iter().flatten() {
        check(world, "a seller", guidance::of_seller(order, *business_id), |action| {
            let line = some_line(world, |line| i32::from(line.business_id == *business_id) * line.open_quantity())
                .or_else(|| some_line(world, |line| i32::from(line.business_id == *business_id)));
            let lines = vec![Units { position: line.unwrap(), quantity: 1 }];
            let cancel = CancelLines { lines: lines.clone(), reason: "why".to_owned() };
            match action {
                OrderAction::CreateShipment => probe(world, &Pack { lines }, viewer),
                OrderAction::CancelLines => {
                    probe(world, &CancelSellerLines { business_id: *business_id, cancel }, viewer)
                }
                _ => panic!("{action:?} is not for sellers"),
            }
        })?;
    }
    let viewers = [&buyer, &staff].into_iter().chain(sellers.iter().flatten().map(|(_, viewer)| viewer));
    for viewer in viewers {
        for parcel in &order.shipments {
            let told = guidance::of_shipment(order, parcel, viewer);
            check(world, "somebody", told, |event| on_parcel(world, viewer, parcel, event))?;
        }
        for goods in &order.returns {
            let told = guidance::of_return(goods, viewer);
            check(world, "somebody", told, |event| on_return(world, viewer, goods, event))?;
        }
    }
    Ok(())
}

fn some_line(world: &World, left: impl Fn(&Line) -> i32) -> Option<i16> {
    world.order.lines.iter().find(|line| left(line) > 0).map(|line| line.position)
}

fn one(world: &World, left: impl Fn(&Line) -> i32) -> Vec<Units> {
    vec![Units { position: some_line(world, left).unwrap_or(1), quantity: 1 }]
}

fn on_order(world: &World, viewer: &Viewer, action: OrderAction) -> Tried {
    use OrderAction as A;
    let reason = "why".to_owned();
    let holds =
        |paid: &&super::ledger::Paid| paid.state == AttemptState::Authorized && paid.capturing == 0 && !paid.voiding;
    let held = world.ledger.payments.iter().find(holds);
    let payment = held.map_or_else(|| AttemptId::from_uuid(kernel::uuid::Uuid::nil()), |paid| paid.id);
    match action {
        A::Pay => may_pay(&world.order, world.now).and_then(|()| match owed(&world.order) {
            owed if owed < 1 => Err(OrderError::NothingDue),
            _ => Ok(()),
        }),
        A::Cancel => probe(world, &Cancel { reason }, viewer),
        A::CancelLines => probe(world, &CancelLines { lines: one(world, Line::open_quantity), reason }, viewer),
        A::RequestReturn => {
            probe(world, &RequestReturn { lines: one(world, Line::returnable_quantity), reason }, viewer)
        }
        A::CreateShipment => probe(world, &Pack { lines: one(world, Line::open_quantity) }, viewer),
        A::Confirm => probe(world, &ConfirmOffline { method: OfflineMethod::Other }, viewer),
        A::RecordPayment => {
            let (amount, method) = (usd(1), OfflineMethod::Other);
            probe(world, &RecordPayment { amount, method, reference: None }, viewer)
        }
        A::Capture => {
            let over = held.map(|paid| paid.amount);
            probe(world, &Capture { payment, amount: Some(usd(1)), over }, viewer)
                .and_then(|()| probe(world, &Capture { payment, amount: None, over }, viewer))
        }
        A::Void => probe(world, &Void { payment, reason }, viewer),
        A::Refund => {
            let what = |what| Refund { what, reason: reason.clone(), payment: None };
            probe(world, &what(RefundWhat::Amount(usd(1))), viewer)
                .and_then(|()| probe(world, &what(RefundWhat::Full), viewer))
                .and_then(|()| probe(world, &what(RefundWhat::Goodwill(usd(1))), viewer))
        }
        A::Hold => probe(world, &Hold { reason }, viewer),
        A::Release => probe(world, &Release, viewer),
        A::Complete => probe(world, &Complete { reason }, viewer),
    }
}

fn on_parcel(world: &World, viewer: &Viewer, parcel: &Shipment, event: ShipmentEvent) -> Tried {
    let (id, reason) = (parcel.id, "why".to_owned());
    match event {
        ShipmentEvent::Ship => probe(world, &Ship { id, tracking: Tracking::default() }, viewer),
        ShipmentEvent::Deliver => probe(world, &Deliver { id }, viewer),
        ShipmentEvent::Cancel => probe(world, &Unpack { id, reason }, viewer),
        ShipmentEvent::Lose => probe(world, &Lose { id, reason, resend: false }, viewer),
    }
}

fn on_return(world: &World, viewer: &Viewer, goods: &Return, event: ReturnEvent) -> Tried {
    let (id, decision) = (goods.id, None);
    match event {
        ReturnEvent::Approve => probe(world, &DecideReturn { id, approve: true, decision }, viewer),
        ReturnEvent::Reject => probe(world, &DecideReturn { id, approve: false, decision }, viewer),
        ReturnEvent::Close => probe(world, &CloseReturn { id, decision }, viewer),
        ReturnEvent::Cancel => probe(world, &CancelReturn { id }, viewer),
        ReturnEvent::Receive => {
            let missing = goods.lines.iter().find(|line| line.missing_quantity() > 0).unwrap_or(&goods.lines[0]);
            let lines = vec![ReceivedUnits { position: missing.position, resellable: 1, damaged: 0 }];
            probe(world, &ReceiveReturn { id, lines }, viewer)
        }
    }
}
