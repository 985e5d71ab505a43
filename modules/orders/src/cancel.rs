//! Calling an order off: its stock goes back to the shelf and its money to the buyer, in one transaction.

use serde_json::json;

use crate::{
    api::dto::OrderView, change::Change, command::Command, error::OrderError, event::EventKind, fulfil::Unpack,
    jobs::OrderMail, order::Order, shipment::ShipmentState, status::OrderEvent, viewer::Viewer,
};

/// Cancels an order: the buyer's own, or anybody's for staff. The refund of what was paid is sent by a job.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Why.
    pub reason: String,
}

/// Whether the order can be cancelled as a whole.
///
/// # Errors
/// [`OrderError::Shipped`]; [`OrderError::Transition`] from where it cannot be cancelled.
pub fn may_cancel(order: &Order) -> Result<(), OrderError> {
    order.status.after(OrderEvent::Cancel)?;
    if order.lines.iter().any(|line| line.shipped_quantity > 0) { Err(OrderError::Shipped) } else { Ok(()) }
}

impl Command for Cancel {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_own()?;
        may_cancel(&change.order)?;
        let packed: Vec<_> =
            change.order.shipments.iter().filter(|one| one.state == ShipmentState::Packed).map(|one| one.id).collect();
        for id in packed {
            Unpack { id, reason: self.reason.clone() }.carry_out(change)?;
        }
        change.apply(OrderEvent::Cancel)?;
        change.record(EventKind::Cancelled, json!({ "reason": self.reason }));
        change.close("order cancelled");
        change.mail(OrderMail::Cancelled, None);
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
