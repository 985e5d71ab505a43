//! Completing an order by hand, when the carrier never says that it has arrived or a small sum is left open.

use serde_json::json;

use crate::{
    api::dto::OrderView, change::Change, command::Command, error::OrderError, event::EventKind, order::Order,
    status::OrderEvent, viewer::Viewer,
};

/// Completes an order.
#[derive(Debug, Clone)]
pub struct Complete {
    /// Why by hand.
    pub reason: String,
}

/// Whether the order can be completed by hand: everything that was not called off has been sent.
///
/// # Errors
/// Why not.
pub fn may_complete(order: &Order) -> Result<(), OrderError> {
    order.status.after(OrderEvent::Complete)?;
    if let Some(reason) = &order.hold_reason {
        return Err(OrderError::OnHold(reason.clone()));
    }
    if order.lines.iter().any(|line| line.reserved_quantity() > 0) { Err(OrderError::NotAllSent) } else { Ok(()) }
}

impl Command for Complete {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_complete(&change.order)?;
        change.apply(OrderEvent::Complete)?;
        change.record(EventKind::Completed, json!({ "reason": self.reason }));
        // No parcel is left to take what is held.
        change.capture_due();
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
