//! Giving money back: everything, an amount, the price of units, or a sign of goodwill.
//!
//! What is given back beyond what the order keeps too much is posted as a credit, so that a refund never makes the buyer
//! owe anything. Goodwill is a credit by itself, and so is the price of units that are not back: both leave what is kept
//! too much for other units where it is.

use kernel::Money;
use payments::AttemptId;
use serde_json::json;

use super::minor;
use crate::{
    api::dto::{OrderView, money},
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    fulfil::summed,
    order::Order,
    shipment::Units,
    viewer::Viewer,
};

/// What is given back.
#[derive(Debug, Clone)]
pub enum RefundWhat {
    /// Everything that is there.
    Full,
    /// So much.
    Amount(Money),
    /// The price of units.
    Lines(Vec<Units>),
    /// So much, as a gift.
    Goodwill(Money),
}

impl RefundWhat {
    const fn word(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Amount(_) => "amount",
            Self::Lines(_) => "lines",
            Self::Goodwill(_) => "goodwill",
        }
    }
}

/// Gives money back.
#[derive(Debug, Clone)]
pub struct Refund {
    /// What.
    pub what: RefundWhat,
    /// Why; the buyer reads it.
    pub reason: String,
    /// Through which payment; through the newest first when nothing is said.
    pub payment: Option<AttemptId>,
}

/// Whether anything can be given back.
///
/// # Errors
/// [`OrderError::NothingToRefund`].
pub fn may_refund(order: &Order) -> Result<(), OrderError> {
    if order.sums.kept() > 0 { Ok(()) } else { Err(OrderError::NothingToRefund) }
}

impl Refund {
    /// How much, and how much of it is a credit whatever is kept too much.
    fn amount(&self, order: &mut Order) -> Result<(i64, i64), OrderError> {
        match &self.what {
            RefundWhat::Full => Ok((order.sums.kept(), 0)),
            RefundWhat::Amount(amount) => Ok((minor(order, *amount)?, 0)),
            RefundWhat::Goodwill(amount) => minor(order, *amount).map(|amount| (amount, amount)),
            RefundWhat::Lines(lines) => {
                let (mut value, mut credit) = (0, 0);
                for (position, asked) in summed(lines) {
                    let line = order.line_mut(position)?;
                    let left = line.refundable_quantity();
                    if asked > left {
                        return Err(OrderError::TooFewUnits { position, asked, left });
                    }
                    let before = line.refunded_active_quantity();
                    line.refunded_quantity += asked;
                    value += line.value_minor(asked);
                    credit += line.value_minor(line.refunded_active_quantity() - before);
                }
                Ok((value, credit))
            }
        }
    }
}

impl Command for Refund {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_refund(&change.order)?;
        let (amount, at_least) = self.amount(&mut change.order)?;
        let (kept, currency) = (change.order.sums.kept(), change.order.currency.clone());
        if amount > kept {
            let (asked, left) = (money(amount, &currency), money(kept, &currency));
            return Err(OrderError::RefundTooLarge { asked, left });
        }
        let kind = if matches!(self.what, RefundWhat::Goodwill(_)) { "goodwill" } else { "refund" };
        let credit = (amount - change.order.excess().min(amount)).max(at_least);
        change.adjust(false, kind, &self.reason, credit);
        let mut told = json!({ "what": self.what.word(), "amount_minor": amount, "credit_minor": credit,
                               "reason": self.reason, "payment_id": self.payment });
        if let (RefundWhat::Lines(lines), Some(told)) = (&self.what, told.as_object_mut()) {
            // What is undone should the gateway decline.
            let units = |(position, quantity)| json!({ "position": position, "quantity": quantity });
            told.insert("lines".to_owned(), summed(lines).into_iter().map(units).collect());
        }
        change.record(EventKind::RefundRequested, told);
        if amount > 0 {
            change.ask_refund(amount, self.payment, &self.reason);
        }
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
