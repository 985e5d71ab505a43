//! Writing down money that staff took by hand.

use kernel::Money;
use serde_json::json;

use super::minor;
use crate::{
    api::dto::{OrderView, money},
    change::{Change, MoneyMove},
    command::Command,
    error::OrderError,
    event::EventKind,
    order::Order,
    pay::owed,
    status::{OfflineMethod, OrderStatus},
    viewer::Viewer,
};

/// Writes money down.
#[derive(Debug, Clone)]
pub struct RecordPayment {
    /// How much.
    pub amount: Money,
    /// How it came.
    pub method: OfflineMethod,
    /// What the receipt or the bank statement says.
    pub reference: Option<String>,
}

/// Whether money can be written down: something is owed.
///
/// # Errors
/// Why not.
pub fn may_record(order: &Order) -> Result<(), OrderError> {
    match order.status {
        OrderStatus::Cancelled => Err(OrderError::NotPayable("it was cancelled")),
        OrderStatus::Expired => Err(OrderError::NotPayable("it expired; place a new one")),
        _ if owed(order) <= 0 => Err(OrderError::NothingDue),
        _ => Ok(()),
    }
}

impl Command for RecordPayment {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_record(&change.order)?;
        let (amount_minor, left) = (minor(&change.order, self.amount)?, owed(&change.order));
        if amount_minor > left {
            let left = money(left, &change.order.currency);
            return Err(OrderError::PaymentTooLarge { asked: self.amount, left });
        }
        change.order.sums.captured += amount_minor;
        let (method, reference) = (self.method, self.reference.clone());
        change.record(
            EventKind::PaymentRecorded,
            json!({ "amount_minor": amount_minor, "method": method, "reference": reference }),
        );
        change.money.push(MoneyMove::Offline { amount_minor, method, reference });
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
