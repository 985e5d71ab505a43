//! Holding an order back and letting it go on: a held order is neither confirmed nor packed nor sent.

use serde_json::json;

use crate::{
    api::dto::OrderView, change::Change, command::Command, error::OrderError, event::EventKind, order::Order,
    status::OrderEvent, viewer::Viewer,
};

/// Holds an order back.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Why.
    pub reason: String,
}

/// Lets an order go on. If its money came in the meantime, it is confirmed.
#[derive(Debug, Clone)]
pub struct Release;

/// Whether the order can be held back.
///
/// # Errors
/// It is closed, or held already.
pub fn may_hold(order: &Order) -> Result<(), OrderError> {
    match &order.hold_reason {
        Some(reason) => Err(OrderError::OnHold(reason.clone())),
        None => Ok(order.status.after(OrderEvent::Hold).map(drop)?),
    }
}

/// Whether the order can be let go on.
///
/// # Errors
/// [`OrderError::NotOnHold`].
pub fn may_release(order: &Order) -> Result<(), OrderError> {
    if order.hold_reason.is_some() { Ok(()) } else { Err(OrderError::NotOnHold) }
}

impl Command for Hold {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_hold(&change.order)?;
        change.order.hold_reason = Some(self.reason.clone());
        change.record(EventKind::Held, json!({ "reason": self.reason }));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}

impl Command for Release {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_release(&change.order)?;
        change.order.hold_reason = None;
        change.record(EventKind::Released, json!({}));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
