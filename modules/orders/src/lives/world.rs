//! An order with its shelf, its payments and its people; and what `store::carry_out` does, without a database.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use kernel::{BusinessId, Caller, OrderId, ProductId, Role, UserId, VariantId, uuid::Uuid};
use payments::Applied;
use serde_json::json;

use super::{
    dice::Dice,
    ledger::Ledger,
    shelf::{Counters, Shelf},
};
use crate::{
    address::Address,
    change::{Change, StockMove},
    command::Command,
    error::OrderError,
    event::{Actor, EventKind, NewEvent},
    expire::{is_due, run_out},
    order::{Adjustment, Closed, Line, Order},
    settle::news,
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus, Sums},
    store::closed_by,
    viewer::Viewer,
};

/// Everything that there is.
#[derive(Debug, Clone)]
pub struct World {
    pub order: Order,
    /// The order as it was placed.
    pub placed: Order,
    pub events: Vec<NewEvent>,
    pub shelf: Shelf,
    /// The shelf before anything happened.
    pub stocked: Shelf,
    pub ledger: Ledger,
    pub now: DateTime<Utc>,
    /// The lines as they were before the order expired.
    pub unexpired: Vec<Line>,
}

/// What a command did, before it is kept.
pub struct Done {
    pub change: Change,
    pub shelf: Shelf,
    pub ledger: Ledger,
}

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((kind << 64) + u128::try_from(number).unwrap() + 1)
}

/// The sellers of the world.
pub fn seller(index: usize) -> BusinessId {
    BusinessId::from_uuid(id(1, index))
}

/// The one who bought.
pub fn buyer() -> UserId {
    UserId::from_uuid(id(2, 0))
}

impl World {
    /// An order of one to four lines of one or two sellers is placed.
    pub fn place(seeds: &[u64; 5], with_adjustments: bool) -> Self {
        let dice = &mut Dice(seeds[0]);
        let (lines, sellers) = (dice.below(4) + 1, dice.below(2) + 1);
        let lines: Vec<Line> =
            (0..lines).map(|index| line(index, seller(dice.below(sellers)), &mut Dice(seeds[index + 1]))).collect();
        let at = DateTime::UNIX_EPOCH;
        let mut adjustments = vec![];
        if with_adjustments && dice.one_in(3) {
            for _ in 0..=dice.below(2) {
                let (is_charge, amount_minor) = (dice.one_in(2), dice.amount(400) + 1);
                let (kind, label) = ("shipping".to_owned(), "Shipping".to_owned());
                adjustments.push(Adjustment { is_charge, kind, label, amount_minor, created_at: at });
            }
        }
        let mut shelf = Shelf::default();
        for line in &lines {
            let on_hand = line.quantity + dice.small(4);
            shelf
                .counters
                .insert(line.variant_id, Counters { on_hand, reserved: line.quantity, ..Counters::default() });
        }
        let mut order = Order {
            id: OrderId::from_uuid(id(3, 0)),
            number: "0000-0000".to_owned(),
            customer_id: buyer(),
            status: OrderStatus::Pending,
            payment_status: PaymentStatus::Unpaid,
            fulfillment_status: FulfillmentStatus::Unfulfilled,
            return_status: ReturnStatus::None,
            hold_reason: None,
            offline_method: None,
            currency: "USD".to_owned(),
            total_minor: 0,
            original_total_minor: 0,
            sums: Sums::default(),
            ship_to: Address::sample(),
            note: None,
            placed_at: at,
            expires_at: Some(at + TimeDelta::minutes(30)),
            confirmed_at: None,
            closed_at: None,
            updated_at: at,
            last_event: 1,
            lines,
            tags: vec![],
            adjustments,
            shipments: vec![],
            returns: vec![],
        };
        order.recompute();
        order.original_total_minor = order.total_minor;
        Self {
            placed: order.clone(),
            order,
            events: vec![],
            stocked: shelf.clone(),
            shelf,
            ledger: Ledger::default(),
            now: at,
            unexpired: vec![],
        }
    }

    /// The buyer.
    pub fn buyer(&self) -> Viewer {
        Viewer::buyer(buyer())
    }

    /// An operator.
    pub fn staff(&self) -> Viewer {
        let caller = Caller::new(UserId::from_uuid(id(2, 1)), Role::Operator);
        Viewer::of(&self.order, caller, &[]).unwrap()
    }

    /// Somebody of a business, if it has a part in the order.
    pub fn member(&self, index: usize) -> Option<Viewer> {
        let caller = Caller::new(UserId::from_uuid(id(2, 2 + index)), Role::Customer);
        Viewer::of(&self.order, caller, &[seller(index)]).ok()
    }

    /// The order as it is read from the database.
    fn read(&self) -> Order {
        let mut order = self.order.clone();
        order.sums.voided = order.payment_status == PaymentStatus::Voided;
        order
    }

    /// What a command would do.
    pub fn try_out<C: Command>(&self, command: &C, viewer: &Viewer) -> Result<Done, OrderError> {
        let mut change = Change::of(self.read(), viewer.actor(), self.now);
        command.apply(&mut change, viewer)?;
        self.carry_out(change, self.ledger.clone(), self.shelf.clone())
    }

    /// Does it.
    pub fn run<C: Command>(&mut self, command: &C, viewer: &Viewer) -> Result<(), OrderError> {
        self.try_out(command, viewer).map(|done| self.keep(done))
    }

    fn keep(&mut self, done: Done) {
        (self.order, self.shelf, self.ledger) = (done.change.order, done.shelf, done.ledger);
        self.events.extend(done.change.events);
    }

    /// What `store::carry_out` and `save` do.
    fn carry_out(&self, mut change: Change, mut ledger: Ledger, mut shelf: Shelf) -> Result<Done, OrderError> {
        for wish in &change.money {
            ledger.ask(wish)?;
        }
        if !change.money.is_empty() {
            change.order.sums = ledger.sums();
        }
        change.follow_up()?;
        for (&(variant, what), &quantity) in &change.stock {
            shelf.step(variant, what, quantity)?;
        }
        change.seal();
        Ok(Done { change, shelf, ledger })
    }

    /// The buyer opens a pay page.
    pub fn start_payment(&mut self, amount: i64, manual: bool) -> Result<(), OrderError> {
        let mut change = Change::of(self.read(), self.buyer().actor(), self.now);
        let mut ledger = self.ledger.clone();
        let attempt = ledger.open(amount, manual);
        change.record(EventKind::PaymentStarted, json!({ "payment_id": attempt }));
        self.carry_out(change, ledger, self.shelf.clone()).map(|done| self.keep(done))
    }

    /// The gateway says something: what `settle::money_moved` does.
    pub fn hear(&mut self, news: impl FnOnce(&mut Ledger) -> Applied) -> Result<(), OrderError> {
        let (mut ledger, mut shelf) = (self.ledger.clone(), self.shelf.clone());
        let applied = news(&mut ledger);
        let mut change = Change::of(self.read(), Actor::SYSTEM, self.now);
        change.order.sums = ledger.sums();
        if !news::tell(&mut change, &applied) {
            return Ok(());
        }
        if let (true, Some((order, wanted))) = (news::brings_money(&applied), news::revived(&change, &self.closed())) {
            let mut tried = shelf.clone();
            let steps = wanted.into_iter().try_for_each(|(variant, n)| tried.step(variant, StockMove::Reserve, n));
            if steps.is_ok() {
                shelf = tried;
                news::revive(&mut change, order)?;
            }
        }
        news::follow(&mut change, &applied);
        self.carry_out(change, ledger, shelf).map(|done| self.keep(done))
    }

    /// What `store::closed_units` reads.
    fn closed(&self) -> BTreeMap<i16, Closed> {
        let told = self.events.iter().rev().find(|event| event.kind == EventKind::Expired);
        told.and_then(|event| closed_by(&event.data)).unwrap_or_default()
    }

    /// The sweep comes past: what `expire::expire` does.
    pub fn sweep(&mut self) -> Result<(), OrderError> {
        if !is_due(&self.order, self.now) || self.ledger.is_capturing() {
            return Ok(());
        }
        self.unexpired.clone_from(&self.order.lines);
        let mut change = Change::of(self.read(), Actor::SYSTEM, self.now);
        run_out(&mut change)?;
        self.carry_out(change, self.ledger.clone(), self.shelf.clone()).map(|done| self.keep(done))
    }
}

fn line(index: usize, business_id: BusinessId, dice: &mut Dice) -> Line {
    let (quantity, price) = (dice.small(5) + 1, if dice.one_in(12) { 0 } else { dice.amount(300) + 1 });
    Line {
        position: i16::try_from(index).unwrap() + 1,
        variant_id: VariantId::from_uuid(id(4, index)),
        product_id: ProductId::from_uuid(id(5, index)),
        business_id,
        sku: "SKU".to_owned(),
        name: "A thing".to_owned(),
        quantity,
        cancelled_quantity: 0,
        packed_quantity: 0,
        shipped_quantity: 0,
        delivered_quantity: 0,
        returning_quantity: 0,
        returned_quantity: 0,
        refunded_quantity: 0,
        list_price_minor: price,
        unit_price_minor: price,
        total_minor: price * i64::from(quantity),
    }
}
