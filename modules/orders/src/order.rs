//! An order and its rules, without I/O.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{BusinessId, OrderId, ProductId, UserId, VariantId};

use crate::{
    address::Address,
    error::OrderError,
    returns::Return,
    shipment::Shipment,
    status::{
        FulfillmentStatus, InvalidTransition, OfflineMethod, OrderEvent, OrderStatus, PaymentStatus, ReturnStatus,
        Sums, payment_status,
    },
};

/// An order, with everything its rules need.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its identifier.
    pub id: OrderId,
    /// The number people use.
    pub number: String,
    /// Who bought.
    pub customer_id: UserId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Computed from the sums.
    pub payment_status: PaymentStatus,
    /// Computed from the lines.
    pub fulfillment_status: FulfillmentStatus,
    /// Computed from the lines.
    pub return_status: ReturnStatus,
    /// Held back by staff, and why.
    pub hold_reason: Option<String>,
    /// How it is paid when no gateway is part of it.
    pub offline_method: Option<OfflineMethod>,
    /// The currency of everything in it.
    pub currency: String,
    /// Active lines + charges − credits.
    pub total_minor: i64,
    /// The total when it was placed.
    pub original_total_minor: i64,
    /// The money ledger.
    pub sums: Sums,
    /// Where it goes.
    pub ship_to: Address,
    /// A word from the buyer.
    pub note: Option<String>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When it expires unless it is paid.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was confirmed.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it was cancelled, expired or completed.
    pub closed_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The sequence of its last event.
    pub last_event: i32,
    /// Its lines, by position.
    pub lines: Vec<Line>,
    /// The words that staff sort it by.
    pub tags: Vec<String>,
    /// Its charges and credits, oldest first.
    pub adjustments: Vec<Adjustment>,
    /// Its parcels, oldest first.
    pub shipments: Vec<Shipment>,
    /// What its buyer sends back, oldest first.
    pub returns: Vec<Return>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place, from 1.
    pub position: i16,
    /// Its variant.
    pub variant_id: VariantId,
    /// The variant's product.
    pub product_id: ProductId,
    /// The seller.
    pub business_id: BusinessId,
    /// Stock keeping unit.
    pub sku: String,
    /// The name it was sold under.
    pub name: String,
    /// How many were ordered.
    pub quantity: i32,
    /// How many of them were called off.
    pub cancelled_quantity: i32,
    /// How many of them are in parcels that have not left yet.
    pub packed_quantity: i32,
    /// How many of them were sent.
    pub shipped_quantity: i32,
    /// How many of those arrived.
    pub delivered_quantity: i32,
    /// How many of those are in returns that are still open.
    pub returning_quantity: i32,
    /// How many of those came back.
    pub returned_quantity: i32,
    /// Of how many that were not cancelled the price was given back, line by line.
    pub refunded_quantity: i32,
    /// Price of one before discount.
    pub list_price_minor: i64,
    /// Price of one, as sold.
    pub unit_price_minor: i64,
    /// Quantity times unit price.
    pub total_minor: i64,
}

impl Line {
    /// What counts towards the total: ordered − cancelled − returned.
    pub const fn active_quantity(&self) -> i32 {
        self.quantity - self.cancelled_quantity - self.returned_quantity
    }

    /// What can still be packed or called off.
    pub const fn open_quantity(&self) -> i32 {
        self.quantity - self.cancelled_quantity - self.packed_quantity - self.shipped_quantity
    }

    /// What can still be sent back.
    pub const fn returnable_quantity(&self) -> i32 {
        self.delivered_quantity - self.returned_quantity - self.returning_quantity
    }

    /// What can still be refunded line by line.
    pub const fn refundable_quantity(&self) -> i32 {
        self.quantity - self.cancelled_quantity - self.refunded_quantity
    }

    /// Of how many that the buyer still has, or is to get, the price was given back.
    pub fn refunded_active_quantity(&self) -> i32 {
        (self.refunded_quantity - self.returned_quantity).max(0)
    }

    /// What is still promised on the shelf, in an order that holds stock.
    pub const fn reserved_quantity(&self) -> i32 {
        self.quantity - self.cancelled_quantity - self.shipped_quantity
    }

    /// The value of the active units.
    pub fn active_minor(&self) -> i64 {
        self.value_minor(self.active_quantity())
    }

    /// What so many of its units cost.
    pub fn value_minor(&self, quantity: i32) -> i64 {
        self.unit_price_minor.saturating_mul(i64::from(quantity))
    }
}

/// A charge or a credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Whether it raises the total.
    pub is_charge: bool,
    /// `shipping`, `tax`, `discount`, `goodwill`, …
    pub kind: String,
    /// What the buyer reads.
    pub label: String,
    /// How much; above zero.
    pub amount_minor: i64,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

impl Adjustment {
    /// What it adds to the total.
    pub const fn signed(&self) -> i64 {
        if self.is_charge { self.amount_minor } else { -self.amount_minor }
    }
}

/// What closing an order took out of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed {
    /// Units that were called off by it.
    pub cancelled: i32,
    /// Units whose price had been given back.
    pub refunded: i32,
}

/// The kind of the adjustment that brings an order without lines to zero, or back.
const BALANCE: &str = "balance";

impl Order {
    /// The total as the lines and adjustments say: never below zero.
    pub fn computed_total(&self) -> i64 {
        let lines: i64 = self.lines.iter().map(Line::active_minor).sum();
        (lines + self.open_adjustments()).max(0)
    }

    /// What is still owed; negative when money is to go back.
    pub const fn balance_due(&self) -> i64 {
        self.total_minor - (self.sums.captured - self.sums.refunded)
    }

    /// What is kept beyond the total and is not on its way back already; zero when nothing is.
    pub fn excess(&self) -> i64 {
        (self.sums.kept() - self.computed_total()).max(0)
    }

    /// Whether the money that is there, or held for us, is enough.
    pub fn is_covered(&self) -> bool {
        self.sums.kept() + self.sums.held() >= self.computed_total()
    }

    /// The line at a position.
    ///
    /// # Errors
    /// [`OrderError::NoSuchLine`].
    pub fn line(&self, position: i16) -> Result<&Line, OrderError> {
        self.lines.iter().find(|line| line.position == position).ok_or(OrderError::NoSuchLine(position))
    }

    /// The line at a position, to be changed.
    ///
    /// # Errors
    /// [`OrderError::NoSuchLine`].
    pub fn line_mut(&mut self, position: i16) -> Result<&mut Line, OrderError> {
        self.lines.iter_mut().find(|line| line.position == position).ok_or(OrderError::NoSuchLine(position))
    }

    /// Moves the commanded status.
    ///
    /// # Errors
    /// The move is not in the table.
    pub fn apply(&mut self, event: OrderEvent, at: DateTime<Utc>) -> Result<(), InvalidTransition> {
        self.status = self.status.after(event)?;
        match self.status {
            OrderStatus::Confirmed => {
                self.confirmed_at = Some(at);
                self.closed_at = None;
                self.expires_at = None;
            }
            OrderStatus::Cancelled => {
                self.closed_at = Some(at);
                // There is nothing left to hold back.
                self.hold_reason = None;
            }
            OrderStatus::Expired | OrderStatus::Completed => self.closed_at = Some(at),
            OrderStatus::Pending => {}
        }
        Ok(())
    }

    /// Takes every unshipped unit out of the order. Answers what goes back to the shelf.
    fn cancel_unshipped(&mut self) -> Vec<(VariantId, i32)> {
        let released = self.reserved();
        for line in &mut self.lines {
            line.packed_quantity = 0;
            line.cancelled_quantity = line.quantity - line.shipped_quantity;
            line.refunded_quantity = line.refunded_quantity.min(line.shipped_quantity);
        }
        released
    }

    /// Takes everything out of the order, so that its total is zero. Answers what goes back to the shelf.
    ///
    /// Charges and credits are never taken away: what is left of them is balanced by one more.
    pub fn close(&mut self, at: DateTime<Utc>) -> Vec<(VariantId, i32)> {
        let released = self.cancel_unshipped();
        self.balance(self.open_adjustments(), at);
        released
    }

    /// The opposite of [`Order::close`], which took out `closed` of each line. Answers what has to be promised again.
    pub fn reopen(&mut self, closed: &BTreeMap<i16, Closed>, at: DateTime<Utc>) -> Vec<(VariantId, i32)> {
        for line in &mut self.lines {
            let closed = closed.get(&line.position).copied().unwrap_or_default();
            line.cancelled_quantity -= closed.cancelled.min(line.cancelled_quantity);
            line.refunded_quantity += closed.refunded.min(line.refundable_quantity());
        }
        let balanced: i64 = self.adjustments.iter().filter(|one| one.kind == BALANCE).map(Adjustment::signed).sum();
        self.balance(balanced, at);
        self.reserved()
    }

    /// Charges − credits.
    fn open_adjustments(&self) -> i64 {
        self.adjustments.iter().map(Adjustment::signed).sum()
    }

    fn balance(&mut self, open: i64, at: DateTime<Utc>) {
        if open != 0 {
            self.adjustments.push(Adjustment {
                is_charge: open < 0,
                kind: BALANCE.to_owned(),
                label: "Balance of charges and credits".to_owned(),
                amount_minor: open.saturating_abs(),
                created_at: at,
            });
        }
    }

    /// What the order holds on the shelf, by variant.
    pub fn reserved(&self) -> Vec<(VariantId, i32)> {
        self.lines
            .iter()
            .map(|line| (line.variant_id, line.reserved_quantity()))
            .filter(|(_, quantity)| *quantity > 0)
            .collect()
    }

    /// Rewrites what is computed: total, payment status, fulfilment status, return status.
    pub fn recompute(&mut self) {
        self.total_minor = self.computed_total();
        self.payment_status = payment_status(self.sums, self.total_minor);
        self.fulfillment_status = fulfillment_status(&self.lines);
        self.return_status = return_status(&self.lines);
    }
}

fn units(lines: &[Line], count: impl Fn(&Line) -> i32) -> i64 {
    lines.iter().map(|line| i64::from(count(line))).sum()
}

/// What has been sent, as a function of the lines: over the units that were not called off.
fn fulfillment_status(lines: &[Line]) -> FulfillmentStatus {
    let active = units(lines, |line| line.quantity - line.cancelled_quantity);
    match (units(lines, |line| line.shipped_quantity), units(lines, |line| line.delivered_quantity)) {
        (0, _) => FulfillmentStatus::Unfulfilled,
        (shipped, _) if shipped < active => FulfillmentStatus::PartiallyFulfilled,
        (_, delivered) if delivered < active => FulfillmentStatus::Fulfilled,
        _ => FulfillmentStatus::Delivered,
    }
}

/// What has come back, as a function of the lines.
fn return_status(lines: &[Line]) -> ReturnStatus {
    let shipped = units(lines, |line| line.shipped_quantity);
    match (units(lines, |line| line.returned_quantity), units(lines, |line| line.returning_quantity)) {
        (0, 0) => ReturnStatus::None,
        (0, _) => ReturnStatus::Requested,
        (returned, _) if returned < shipped => ReturnStatus::PartiallyReturned,
        _ => ReturnStatus::Returned,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two lines and a shipping fee.
    pub(crate) fn order() -> Order {
        let line = |position, quantity, unit_price_minor| Line {
            position,
            variant_id: VariantId::new(),
            product_id: ProductId::new(),
            business_id: BusinessId::new(),
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
            list_price_minor: unit_price_minor,
            unit_price_minor,
            total_minor: unit_price_minor * i64::from(quantity),
        };
        Order {
            id: OrderId::new(),
            number: "0000-0000".to_owned(),
            customer_id: UserId::new(),
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
            placed_at: DateTime::UNIX_EPOCH,
            expires_at: None,
            confirmed_at: None,
            closed_at: None,
            updated_at: DateTime::UNIX_EPOCH,
            last_event: 1,
            lines: vec![line(1, 2, 500), line(2, 1, 250)],
            adjustments: vec![Adjustment {
                is_charge: true,
                kind: "shipping".to_owned(),
                label: "Shipping".to_owned(),
                amount_minor: 300,
                created_at: DateTime::UNIX_EPOCH,
            }],
            tags: vec![],
            shipments: vec![],
            returns: vec![],
        }
    }

    fn closed<const N: usize>(lines: [(i16, i32); N]) -> BTreeMap<i16, Closed> {
        lines.into_iter().map(|(position, cancelled)| (position, Closed { cancelled, refunded: 0 })).collect()
    }

    #[test]
    fn a_closed_order_costs_nothing_and_a_reopened_one_what_it_did() {
        let mut order = order();
        assert_eq!(order.computed_total(), 1_550);
        let released = order.close(DateTime::UNIX_EPOCH);
        assert_eq!((order.computed_total(), released.len()), (0, 2));
        assert!(order.reserved().is_empty());
        assert_eq!(order.reopen(&closed([(1, 2), (2, 1)]), DateTime::UNIX_EPOCH), released);
        assert_eq!(order.computed_total(), 1_550);
        order.close(DateTime::UNIX_EPOCH);
        assert_eq!(order.computed_total(), 0);
    }

    #[test]
    fn what_was_called_off_before_it_was_closed_stays_called_off() {
        let mut order = order();
        order.lines[0].cancelled_quantity = 1;
        let before = order.computed_total();
        order.close(DateTime::UNIX_EPOCH);
        order.reopen(&closed([(1, 1), (2, 1)]), DateTime::UNIX_EPOCH);
        assert_eq!((order.computed_total(), order.lines[0].cancelled_quantity), (before, 1));
    }
}
