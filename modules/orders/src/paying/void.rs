//! Giving up what a gateway holds.

use payments::AttemptId;
use serde_json::json;

use crate::{
    api::dto::OrderView,
    change::{Change, MoneyMove},
    command::Command,
    error::OrderError,
    event::EventKind,
    order::Order,
    viewer::Viewer,
};

/// Gives a held payment up.
#[derive(Debug, Clone)]
pub struct Void {
    /// Which.
    pub payment: AttemptId,
    /// Why.
    pub reason: String,
}

/// Whether anything is held.
///
/// # Errors
/// [`OrderError::NothingHeld`].
pub fn may_void(order: &Order) -> Result<(), OrderError> {
    if order.sums.authorized > 0 { Ok(()) } else { Err(OrderError::NothingHeld) }
}

impl Command for Void {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_void(&change.order)?;
        change.record(EventKind::VoidRequested, json!({ "payment_id": self.payment, "reason": self.reason }));
        change.money.push(MoneyMove::Void { payment: Some(self.payment) });
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
