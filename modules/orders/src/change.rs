//! A change of a locked order, without I/O: what the order becomes, what is told about it, and what it asks of stock,
//! money and mail. `store::carry_out` does what it asks.

use std::collections::BTreeMap;

use catalog::stock::MovementKind;
use chrono::{DateTime, Utc};
use kernel::VariantId;
use payments::{AttemptId, RefundId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    error::OrderError,
    event::{Actor, EventKind, NewEvent},
    jobs::OrderMail,
    order::{Adjustment, Line, Order},
    shipment::Units,
    status::{FulfillmentStatus, OfflineMethod, OrderEvent, OrderStatus},
};

/// The longest label of a charge or a credit; a product's name alone may be as long.
const MAX_LABEL: usize = 200;

/// What happens to units on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StockMove {
    /// They are no longer promised.
    Release,
    /// They are promised (again).
    Reserve,
    /// They leave.
    Ship,
    /// They are back.
    Return,
}

impl StockMove {
    /// Differences of what is there and of what is promised.
    pub fn deltas(self, quantity: i32) -> (i32, i32) {
        MovementKind::from(self).deltas(quantity)
    }
}

impl From<StockMove> for MovementKind {
    fn from(what: StockMove) -> Self {
        match what {
            StockMove::Release => Self::Release,
            StockMove::Reserve => Self::Reserve,
            StockMove::Ship => Self::Ship,
            StockMove::Return => Self::Return,
        }
    }
}

/// What is asked of the payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoneyMove {
    /// Give so much back: of one payment, or of the newest first.
    Refund { amount_minor: i64, payment: Option<AttemptId>, reason: String },
    /// Take so much of what is held: of one payment, or of the oldest first.
    Capture { amount_minor: i64, payment: Option<AttemptId> },
    /// Give up what is held: one payment, or all.
    Void { payment: Option<AttemptId> },
    /// Write down what staff took by hand.
    Offline { amount_minor: i64, method: OfflineMethod, reference: Option<String> },
}

/// A change of a locked order.
#[derive(Debug)]
pub struct Change {
    /// The order as it will be.
    pub order: Order,
    /// The order as it was.
    pub before: Order,
    /// Who changes it.
    pub actor: Actor,
    /// When.
    pub at: DateTime<Utc>,
    /// What is told about it, in order.
    pub events: Vec<NewEvent>,
    /// What it asks of stock: so many units of a variant.
    pub stock: BTreeMap<(VariantId, StockMove), i32>,
    /// What it asks of the payments, in order.
    pub money: Vec<MoneyMove>,
    /// What the buyer is told, and about which parcel or return.
    pub mails: Vec<(OrderMail, Option<Uuid>)>,
}

impl Change {
    /// Begins to change a locked order.
    pub fn of(order: Order, actor: Actor, at: DateTime<Utc>) -> Self {
        Self {
            before: order.clone(),
            order,
            actor,
            at,
            events: vec![],
            stock: BTreeMap::new(),
            money: vec![],
            mails: vec![],
        }
    }

    /// Appends an event to its history.
    pub fn record(&mut self, kind: EventKind, data: Value) {
        self.record_as(kind, self.actor, data);
    }

    /// Appends an event that somebody else than the change's actor caused.
    pub fn record_as(&mut self, kind: EventKind, actor: Actor, data: Value) {
        self.order.last_event += 1;
        self.events.push(NewEvent {
            order_id: self.order.id,
            seq: self.order.last_event,
            kind,
            actor,
            request_id: kernel::request::id(),
            data,
            at: self.at,
        });
    }

    /// Writes to the buyer.
    pub fn mail(&mut self, mail: OrderMail, about: Option<Uuid>) {
        self.mails.push((mail, about));
    }

    /// Moves units on the shelf.
    pub fn move_stock(&mut self, what: StockMove, variant: VariantId, quantity: i32) {
        if quantity > 0 {
            *self.stock.entry((variant, what)).or_insert(0) += quantity;
        }
    }

    /// Moves the commanded status.
    ///
    /// # Errors
    /// The move is not in the table.
    pub fn apply(&mut self, event: OrderEvent) -> Result<(), OrderError> {
        Ok(self.order.apply(event, self.at)?)
    }

    /// Takes everything out of the order and gives up what is held: its total is zero, its stock goes back, its money too.
    pub fn close(&mut self, reason: &str) {
        for (variant, quantity) in self.order.close(self.at) {
            self.move_stock(StockMove::Release, variant, quantity);
        }
        if self.order.sums.authorized > 0 {
            self.money.push(MoneyMove::Void { payment: None });
            self.order.sums.authorized = 0;
        }
        self.refund_excess(i64::MAX, reason);
    }

    /// Takes units out of the order for good. Answers what they cost, but for those whose price was given back before.
    ///
    /// # Errors
    /// [`OrderError::NoSuchLine`].
    pub fn take_out(&mut self, units: Units) -> Result<i64, OrderError> {
        let line = self.order.line_mut(units.position)?;
        line.cancelled_quantity += units.quantity;
        let refunded_before = (line.refunded_quantity - (line.quantity - line.cancelled_quantity)).max(0);
        line.refunded_quantity -= refunded_before;
        let line = line.clone();
        self.settle_refunded_before(&line, refunded_before);
        Ok(line.value_minor(units.quantity - refunded_before))
    }

    /// An order of which nothing is left is cancelled.
    ///
    /// # Errors
    /// None that could happen: an order with units to take out can be cancelled.
    pub fn close_if_empty(&mut self, reason: &str) -> Result<(), OrderError> {
        let is_empty = self.order.lines.iter().all(|line| line.quantity == line.cancelled_quantity);
        if is_empty && matches!(self.order.status, OrderStatus::Pending | OrderStatus::Confirmed) {
            self.apply(OrderEvent::Cancel)?;
            self.close(reason);
            self.record_as(EventKind::Cancelled, Actor::SYSTEM, json!({ "reason": reason }));
            self.mail(OrderMail::Cancelled, None);
        }
        Ok(())
    }

    /// Gives back what is kept beyond the total and is not on its way back already, but no more than `at_most`.
    pub fn refund_excess(&mut self, at_most: i64, reason: &str) {
        let excess = self.order.excess().min(at_most);
        if excess > 0 {
            self.ask_refund(excess, None, reason);
            self.record_as(
                EventKind::RefundRequested,
                Actor::SYSTEM,
                json!({ "amount_minor": excess, "reason": reason }),
            );
        }
    }

    /// Asks for money to go back.
    pub fn ask_refund(&mut self, amount_minor: i64, payment: Option<AttemptId>, reason: &str) {
        self.order.sums.refunding += amount_minor;
        self.money.push(MoneyMove::Refund { amount_minor, payment, reason: reason.to_owned() });
    }

    /// Notes which refunds came of a request for the price of units, so that those of a declined one are found again.
    pub fn name_refunds(&mut self, refunds: &[RefundId]) {
        let asked = self.events.iter_mut().filter(|event| event.kind == EventKind::RefundRequested);
        if let Some(Value::Object(told)) = asked.map(|event| &mut event.data).find(|told| told.get("lines").is_some()) {
            told.insert("refund_ids".to_owned(), json!(refunds));
        }
    }

    /// The price of these units was to go back, and the gateway declined: as if nobody had asked. Units that were called off
    /// or came back since then are paid for in another way.
    pub fn refund_declined(&mut self, units: &[Units]) {
        for one in units {
            let Ok(line) = self.order.line_mut(one.position) else { continue };
            let before = line.refunded_active_quantity();
            line.refunded_quantity -= one.quantity.min(line.refunded_quantity);
            let undone = before - line.refunded_active_quantity();
            let (label, amount) = (format!("Refund declined: {undone} × {}", line.name), line.value_minor(undone));
            self.adjust(true, "refund_declined", &label, amount);
        }
    }

    /// Takes what is held, as far as the order owes it; what is held beyond that is given up.
    pub fn capture_due(&mut self) {
        let (held, due) = (self.order.sums.authorized, self.order.computed_total() - self.order.sums.kept());
        let wanted = held.min(due - self.order.sums.capturing);
        if wanted > 0 {
            self.money.push(MoneyMove::Capture { amount_minor: wanted, payment: None });
            self.order.sums.authorized -= wanted;
            self.order.sums.capturing += wanted;
            self.record_as(EventKind::CaptureRequested, Actor::SYSTEM, json!({ "amount_minor": wanted }));
        }
        if self.order.sums.authorized > 0 {
            self.money.push(MoneyMove::Void { payment: None });
            self.order.sums.authorized = 0;
        }
    }

    /// Lowers (credit) or raises (charge) the total.
    pub fn adjust(&mut self, is_charge: bool, kind: &str, label: &str, amount_minor: i64) {
        if amount_minor > 0 {
            let (kind, label) = (kind.to_owned(), label.chars().take(MAX_LABEL).collect());
            self.order.adjustments.push(Adjustment { is_charge, kind, label, amount_minor, created_at: self.at });
        }
    }

    /// Charges what was given back for units before they were called off or came back, now that the total falls by them:
    /// nothing is given back twice.
    pub fn settle_refunded_before(&mut self, line: &Line, units: i32) {
        let amount = line.value_minor(units);
        self.adjust(true, "refunded_before", &format!("Refunded before: {units} × {}", line.name), amount);
    }

    /// What an order does by itself: it is confirmed when the money for it is there or held, and completed when everything
    /// has arrived and nothing is owed either way.
    ///
    /// # Errors
    /// None that could happen: both moves are in the table.
    pub fn follow_up(&mut self) -> Result<(), OrderError> {
        if self.order.hold_reason.is_some() {
            return Ok(());
        }
        if self.order.status == OrderStatus::Pending && self.order.is_covered() {
            self.apply(OrderEvent::Confirm)?;
            self.record_as(EventKind::Confirmed, Actor::SYSTEM, json!({}));
            self.mail(OrderMail::Confirmed, None);
        }
        self.order.recompute();
        let sums = self.order.sums;
        let is_settled = self.order.balance_due() == 0 && sums.held() == 0 && sums.refunding == 0;
        if self.order.status == OrderStatus::Confirmed
            && self.order.fulfillment_status == FulfillmentStatus::Delivered
            && is_settled
        {
            self.apply(OrderEvent::Complete)?;
            self.record_as(EventKind::Completed, Actor::SYSTEM, json!({}));
        }
        Ok(())
    }

    /// Brings everything computed up to date and writes the differences into the first event, so that the events added up
    /// give what is stored.
    pub fn seal(&mut self) {
        self.order.recompute();
        self.order.updated_at = self.at;
        let effects = self.differences();
        if let (Some(event), false) = (self.events.first_mut(), effects.is_empty())
            && let Value::Object(data) = &mut event.data
        {
            data.insert("effects".to_owned(), Value::Object(effects));
        }
    }

    fn differences(&self) -> serde_json::Map<String, Value> {
        let (was, is) = (&self.before, &self.order);
        let mut effects = serde_json::Map::new();
        if was.status != is.status {
            effects.insert("status".to_owned(), json!(is.status));
        }
        let lines: Vec<Value> =
            was.lines.iter().zip(&is.lines).filter_map(|(was, is)| line_differences(was, is)).collect();
        if !lines.is_empty() {
            effects.insert("lines".to_owned(), Value::Array(lines));
        }
        let adjustments = |order: &Order| order.adjustments.iter().map(Adjustment::signed).sum::<i64>();
        let money = nonzero([
            ("total", is.total_minor - was.total_minor),
            ("adjustments", adjustments(is) - adjustments(was)),
            ("authorized", is.sums.authorized - was.sums.authorized),
            ("capturing", is.sums.capturing - was.sums.capturing),
            ("captured", is.sums.captured - was.sums.captured),
            ("refunding", is.sums.refunding - was.sums.refunding),
            ("refunded", is.sums.refunded - was.sums.refunded),
        ]);
        if !money.is_empty() {
            effects.insert("money".to_owned(), Value::Object(money));
        }
        if was.sums.voided != is.sums.voided {
            effects.insert("voided".to_owned(), json!(is.sums.voided));
        }
        effects
    }
}

fn line_differences(was: &Line, is: &Line) -> Option<Value> {
    let mut counts = nonzero([
        ("cancelled", i64::from(is.cancelled_quantity - was.cancelled_quantity)),
        ("packed", i64::from(is.packed_quantity - was.packed_quantity)),
        ("shipped", i64::from(is.shipped_quantity - was.shipped_quantity)),
        ("delivered", i64::from(is.delivered_quantity - was.delivered_quantity)),
        ("returning", i64::from(is.returning_quantity - was.returning_quantity)),
        ("returned", i64::from(is.returned_quantity - was.returned_quantity)),
        ("refunded", i64::from(is.refunded_quantity - was.refunded_quantity)),
    ]);
    (!counts.is_empty()).then(|| {
        counts.insert("position".to_owned(), json!(is.position));
        Value::Object(counts)
    })
}

fn nonzero<const N: usize>(numbers: [(&str, i64); N]) -> serde_json::Map<String, Value> {
    numbers.into_iter().filter(|(_, n)| *n != 0).map(|(name, n)| (name.to_owned(), json!(n))).collect()
}
