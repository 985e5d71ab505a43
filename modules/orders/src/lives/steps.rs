//! What can happen in a life: commands by whoever may or may not give them, with arguments that make sense or do not, and
//! what the gateway, the clock and other buyers do.

use chrono::TimeDelta;
use kernel::{Currency, Money};
use payments::{AttemptId, AttemptState};

use super::{
    dice::Dice,
    world::{World, seller},
};
use crate::{
    cancel::Cancel,
    cancel_lines::{CancelLines, CancelSellerLines},
    complete::Complete,
    error::OrderError,
    fulfil::{Deliver, Lose, Pack, Ship, Tracking, Unpack},
    hold::{Hold, Release},
    order::Line,
    pay::{may_pay, owed},
    paying::{Capture, ConfirmOffline, RecordPayment, Refund, RefundWhat, Void},
    returning::{CancelReturn, CloseReturn, DecideReturn, ReceiveReturn, ReceivedUnits, RequestReturn},
    returns::{Return, ReturnState},
    shipment::{Shipment, ShipmentId, ShipmentState, Units},
    status::{OfflineMethod, OrderStatus},
    viewer::Viewer,
};

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Pay,
    Money,
    Answer,
    /// A refund is made.
    Give,
    Decline,
    Late,
    Confirm,
    Record,
    Capture,
    Void,
    RefundAmount,
    RefundFull,
    RefundLines,
    Goodwill,
    Cancel,
    CancelLines,
    CancelSellerLines,
    Hold,
    Release,
    Complete,
    Pack,
    Ship,
    Deliver,
    Unpack,
    Lose,
    RequestReturn,
    Decide,
    Receive,
    Close,
    CancelReturn,
    Sweep,
    Others,
    /// Whatever comes next in an ordinary life.
    Onward,
}

use Act as A;

/// Everything; about half of the time a life goes on as an ordinary one would.
#[rustfmt::skip]
pub const ALL: &[Act] = &[
    A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward,
    A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward,
    A::Pay, A::Money, A::Answer, A::Answer, A::Decline, A::Late, A::Confirm, A::Record, A::Capture, A::Void,
    A::RefundAmount, A::RefundFull, A::RefundLines, A::RefundLines, A::Goodwill, A::Cancel, A::CancelLines,
    A::CancelSellerLines, A::Hold, A::Release, A::Complete, A::Pack, A::Ship, A::Deliver, A::Unpack, A::Lose,
    A::RequestReturn, A::Decide, A::Receive, A::Close, A::CancelReturn, A::Sweep, A::Others,
];

/// What happens to an order that was paid in full, when money goes back by lines alone.
#[rustfmt::skip]
pub const BY_LINES: &[Act] = &[
    A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward, A::Onward,
    A::Give, A::Give, A::RefundLines, A::RefundLines, A::RefundLines, A::CancelLines, A::CancelSellerLines, A::Unpack,
    A::Lose, A::Receive, A::Close, A::CancelReturn, A::Hold, A::Release, A::Others,
];

pub fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

/// Something happens. `Ok` when it was done, or when there was nothing to do it with.
pub fn step(world: &mut World, acts: &[Act], number: u64) -> (Act, Result<(), OrderError>) {
    let dice = &mut Dice(number);
    let act = *dice.of(acts).unwrap();
    let act = if act == A::Onward { onward(world, dice) } else { act };
    let who = who(world, dice);
    world.now += TimeDelta::seconds(1);
    (act, perform(world, act, &who, dice))
}

/// What an ordinary life would go on with.
fn onward(world: &World, dice: &mut Dice) -> Act {
    let order = &world.order;
    let (parcel, goods) = (
        |state| order.shipments.iter().any(|parcel| parcel.state == state),
        |state| order.returns.iter().any(|goods| goods.state == state),
    );
    let next = [
        (A::Pay, order.status == OrderStatus::Pending && world.ledger.payments.is_empty()),
        (A::Money, world.ledger.payments.iter().any(|paid| paid.state == AttemptState::Pending || paid.capturing > 0)),
        (A::Release, order.hold_reason.is_some()),
        (A::Pack, order.status == OrderStatus::Confirmed && order.lines.iter().any(|line| line.open_quantity() > 0)),
        (A::Ship, parcel(ShipmentState::Packed)),
        (A::Deliver, parcel(ShipmentState::Shipped)),
        (A::RequestReturn, order.lines.iter().any(|line| line.returnable_quantity() > 0)),
        (A::Decide, goods(ReturnState::Requested)),
        (A::Receive, goods(ReturnState::Approved)),
        (A::RefundLines, order.excess() > 0),
    ];
    let next: Vec<Act> = next.into_iter().filter(|(_, is_next)| *is_next).map(|(act, _)| act).collect();
    dice.of(&next).copied().unwrap_or(A::Give)
}

/// Mostly somebody who may do anything.
fn who(world: &World, dice: &mut Dice) -> Viewer {
    let viewer = match dice.below(16) {
        0 => Some(world.buyer()),
        1 => world.member(0),
        2 => world.member(1),
        _ => None,
    };
    viewer.unwrap_or_else(|| world.staff())
}

fn perform(world: &mut World, act: Act, who: &Viewer, dice: &mut Dice) -> Result<(), OrderError> {
    let reason = || "a reason".to_owned();
    match act {
        A::Pay => pay(world, dice),
        A::Money | A::Late => {
            let late = act == A::Late;
            let open = |state| {
                matches!(state, AttemptState::Pending | AttemptState::Authorized)
                    || (late && state != AttemptState::Captured)
            };
            let off = if late && dice.one_in(4) { dice.amount(40) - 20 } else { 0 };
            // What is held is taken when we ask for it; it comes unasked only by mistake.
            let fits = |paid: &super::ledger::Paid| {
                open(paid.state) && (late || paid.state != AttemptState::Authorized || paid.capturing > 0)
            };
            match attempt(world, dice, fits) {
                Some(index) => world.hear(|ledger| ledger.money(index, off)),
                None => Ok(()),
            }
        }
        A::Decline => match attempt(world, dice, |_| true) {
            Some(index) if dice.one_in(2) => world.hear(|ledger| ledger.voided(index)),
            Some(index) => world.hear(|ledger| ledger.decline(index)),
            None => Ok(()),
        },
        A::Answer => answer(world, dice, true),
        A::Give => answer(world, dice, false),
        A::Confirm => world.run(&ConfirmOffline { method: OfflineMethod::BankTransfer }, who),
        A::Record => {
            let amount = usd(dice.amount(owed(&world.order) + 2));
            world.run(&RecordPayment { amount, method: OfflineMethod::Other, reference: None }, who)
        }
        A::Capture => {
            let amount = if dice.one_in(2) { None } else { Some(usd(dice.amount(world.order.sums.authorized + 2))) };
            let payment = payment(world, dice);
            let over = world.ledger.payments.iter().find(|paid| paid.id == payment).map(|paid| paid.amount);
            world.run(&Capture { payment, amount, over }, who)
        }
        A::Void => world.run(&Void { payment: payment(world, dice), reason: reason() }, who),
        A::RefundAmount | A::Goodwill | A::RefundFull | A::RefundLines => refund(world, act, who, dice),
        A::Cancel if dice.one_in(3) => world.run(&Cancel { reason: reason() }, who),
        A::Cancel => Ok(()),
        A::CancelLines => {
            world.run(&CancelLines { lines: units(world, dice, Line::open_quantity), reason: reason() }, who)
        }
        A::CancelSellerLines => {
            let business_id = seller(dice.below(2));
            let cancel = CancelLines { lines: units(world, dice, Line::open_quantity), reason: reason() };
            world.run(&CancelSellerLines { business_id, cancel }, who)
        }
        A::Hold => world.run(&Hold { reason: reason() }, who),
        A::Release => world.run(&Release, who),
        A::Complete => world.run(&Complete { reason: reason() }, who),
        A::Pack => world.run(&Pack { lines: units(world, dice, Line::open_quantity) }, who),
        A::Ship => {
            let Some(id) = parcel(world, dice, ShipmentState::Packed) else { return Ok(()) };
            world.run(&Ship { id, tracking: Tracking::default() }, who)
        }
        A::Deliver => {
            let Some(id) = parcel(world, dice, ShipmentState::Shipped) else { return Ok(()) };
            world.run(&Deliver { id }, who)
        }
        A::Unpack => {
            let Some(id) = parcel(world, dice, ShipmentState::Packed) else { return Ok(()) };
            world.run(&Unpack { id, reason: reason() }, who)
        }
        A::Lose => {
            let Some(id) = parcel(world, dice, ShipmentState::Shipped) else { return Ok(()) };
            world.run(&Lose { id, reason: reason(), resend: dice.one_in(2) }, who)
        }
        A::RequestReturn => {
            let lines = units(world, dice, Line::returnable_quantity);
            world.run(&RequestReturn { lines, reason: reason() }, who)
        }
        A::Decide | A::Receive | A::Close | A::CancelReturn => returning(world, act, who, dice),
        A::Sweep => {
            if dice.one_in(2) {
                world.now += TimeDelta::minutes(31);
            }
            world.sweep()
        }
        A::Onward => Ok(()),
        A::Others => {
            let variant = dice.of(&world.order.lines).unwrap().variant_id;
            let (received, promised) = (dice.small(3), dice.small(9) - 3);
            world.shelf.others(variant, received, promised);
            Ok(())
        }
    }
}

fn pay(world: &mut World, dice: &mut Dice) -> Result<(), OrderError> {
    may_pay(&world.order, world.now)?;
    let (owed, manual) = (owed(&world.order), dice.one_in(2));
    let amount = if dice.one_in(3) { dice.amount(owed) + 1 } else { owed };
    world.start_payment(amount, manual)
}

fn answer(world: &mut World, dice: &mut Dice, may_fail: bool) -> Result<(), OrderError> {
    let index = dice.below(world.ledger.refunds.len());
    match world.ledger.refunds.is_empty() {
        true => Ok(()),
        false => {
            let succeeded = !(may_fail && dice.one_in(6));
            world.hear(|ledger| ledger.answer(index, succeeded))
        }
    }
}

fn refund(world: &mut World, act: Act, who: &Viewer, dice: &mut Dice) -> Result<(), OrderError> {
    let kept = world.order.sums.kept();
    let amount = usd(dice.amount(kept + 2).max(1));
    let what = match act {
        A::RefundAmount => RefundWhat::Amount(amount),
        A::Goodwill => RefundWhat::Goodwill(amount),
        A::RefundFull => RefundWhat::Full,
        _ => RefundWhat::Lines(units(world, dice, Line::refundable_quantity)),
    };
    let payment = if dice.one_in(6) { Some(payment(world, dice)) } else { None };
    world.run(&Refund { what, reason: "a reason".to_owned(), payment }, who)
}

fn returning(world: &mut World, act: Act, who: &Viewer, dice: &mut Dice) -> Result<(), OrderError> {
    let wanted = match act {
        A::Decide => [ReturnState::Requested, ReturnState::Requested],
        A::CancelReturn => [ReturnState::Requested, ReturnState::Approved],
        _ => [ReturnState::Approved, ReturnState::Received],
    };
    let Some(goods) = goods(world, dice, wanted) else { return Ok(()) };
    let (id, decision) = (goods.id, None);
    match act {
        A::Decide => world.run(&DecideReturn { id, approve: !dice.one_in(6), decision }, who),
        A::Close => world.run(&CloseReturn { id, decision }, who),
        A::CancelReturn => world.run(&CancelReturn { id }, who),
        _ => {
            let mut lines = vec![];
            for line in &goods.lines {
                let came = dice.small(usize::try_from(line.missing_quantity()).unwrap() + 2).min(9);
                let damaged = dice.small(usize::try_from(came).unwrap() + 1);
                lines.push(ReceivedUnits { position: line.position, resellable: came - damaged, damaged });
            }
            if !dice.one_in(9) {
                lines.retain(|line| line.resellable + line.damaged > 0);
            }
            world.run(&ReceiveReturn { id, lines }, who)
        }
    }
}

/// A payment of the order, or, now and then, of nobody.
fn payment(world: &World, dice: &mut Dice) -> AttemptId {
    let held = world.ledger.payments.iter().find(|paid| paid.state == AttemptState::Authorized && !paid.voiding);
    match held {
        Some(paid) if !dice.one_in(4) => paid.id,
        _ => dice
            .of(&world.ledger.payments)
            .map_or_else(|| AttemptId::from_uuid(kernel::uuid::Uuid::nil()), |paid| paid.id),
    }
}

fn attempt(world: &World, dice: &mut Dice, fits: impl Fn(&super::ledger::Paid) -> bool) -> Option<usize> {
    let found: Vec<usize> =
        world.ledger.payments.iter().enumerate().filter(|(_, paid)| fits(paid)).map(|(index, _)| index).collect();
    dice.of(&found).copied()
}

/// A parcel in this state, or now and then in any.
fn parcel(world: &World, dice: &mut Dice, state: ShipmentState) -> Option<ShipmentId> {
    let any = dice.one_in(8);
    let found: Vec<&Shipment> = world.order.shipments.iter().filter(|one| any || one.state == state).collect();
    dice.of(&found).map(|parcel| parcel.id)
}

/// A return in one of these states, or now and then in any.
fn goods(world: &World, dice: &mut Dice, states: [ReturnState; 2]) -> Option<Return> {
    let any = dice.one_in(8);
    let found: Vec<&Return> = world.order.returns.iter().filter(|one| any || states.contains(&one.state)).collect();
    dice.of(&found).map(|&goods| goods.clone())
}

/// Units of which there are some left, mostly of one seller; now and then too many, or of a line that there is not.
fn units(world: &World, dice: &mut Dice, left: impl Fn(&Line) -> i32) -> Vec<Units> {
    if dice.one_in(12) {
        return vec![Units { position: dice.small(6).try_into().unwrap(), quantity: dice.small(4) + 1 }];
    }
    let there: Vec<&Line> = world.order.lines.iter().filter(|line| left(line) > 0).collect();
    let Some(first) = dice.of(&there) else { return vec![Units { position: 1, quantity: 1 }] };
    let mut units = vec![];
    for line in &there {
        let fits = line.business_id == first.business_id || dice.one_in(8);
        if line.position == first.position || (fits && dice.one_in(3)) {
            let most = if dice.one_in(12) { left(line) + 1 } else { left(line) };
            let quantity = dice.small(usize::try_from(most).unwrap()) + 1;
            units.push(Units { position: line.position, quantity });
        }
    }
    units
}
