//! Taking what a gateway holds, by hand: in full or in part. (The first parcel does it by itself.)

use kernel::Money;
use payments::AttemptId;
use serde_json::json;

use super::minor;
use crate::{
    Orders,
    api::dto::{OrderView, money},
    change::{Change, MoneyMove},
    command::Command,
    error::OrderError,
    event::EventKind,
    order::Order,
    viewer::Viewer,
};

/// Takes money that is held. A payment is taken once; what is not taken of it is given up.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Of which payment.
    pub payment: AttemptId,
    /// How much; what is owed when nothing is said.
    pub amount: Option<Money>,
    /// What the payment is over, if it is known: no more is taken when nothing is said.
    pub over: Option<i64>,
}

impl Capture {
    /// To take money of this payment. What a payment is over never changes, so it is read before anything is locked.
    ///
    /// # Errors
    /// What the database said.
    pub async fn of(orders: &Orders, payment: AttemptId, amount: Option<Money>) -> Result<Self, OrderError> {
        let attempt = payments::load_attempt(&mut *orders.pool.get().await?, payment).await?;
        Ok(Self { payment, amount, over: attempt.map(|attempt| attempt.amount.minor) })
    }
}

/// Whether there is anything to take.
///
/// # Errors
/// Why not.
pub fn may_capture(order: &Order) -> Result<(), OrderError> {
    match most(order) {
        _ if order.sums.authorized == 0 => Err(OrderError::NothingHeld),
        0 => Err(OrderError::NothingDue),
        _ => Ok(()),
    }
}

/// No more is taken than is held, and no more than is owed.
fn most(order: &Order) -> i64 {
    let due = order.computed_total() - order.sums.kept() - order.sums.capturing;
    order.sums.authorized.min(due).max(0)
}

impl Command for Capture {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_capture(&change.order)?;
        let most = most(&change.order);
        let amount_minor = match self.amount {
            Some(amount) => minor(&change.order, amount)?,
            None => self.over.map_or(most, |over| over.min(most)),
        };
        if amount_minor > most {
            let currency = &change.order.currency;
            return Err(OrderError::CaptureTooLarge {
                asked: money(amount_minor, currency),
                left: money(most, currency),
            });
        }
        change.order.sums.authorized -= amount_minor;
        change.order.sums.capturing += amount_minor;
        change.record(EventKind::CaptureRequested, json!({ "payment_id": self.payment, "amount_minor": amount_minor }));
        change.money.push(MoneyMove::Capture { amount_minor, payment: Some(self.payment) });
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
