//! Confirming an order that is paid without a gateway: on delivery, or by bank transfer.

use serde_json::json;

use crate::{
    api::dto::OrderView,
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    jobs::OrderMail,
    order::Order,
    status::{OfflineMethod, OrderEvent},
    viewer::Viewer,
};

/// Confirms an order before its money is there.
#[derive(Debug, Clone)]
pub struct ConfirmOffline {
    /// How it will be paid.
    pub method: OfflineMethod,
}

/// Whether the order can be confirmed by hand.
///
/// # Errors
/// Why not.
pub fn may_confirm(order: &Order) -> Result<(), OrderError> {
    order.status.after(OrderEvent::Confirm)?;
    order.hold_reason.as_ref().map_or(Ok(()), |reason| Err(OrderError::OnHold(reason.clone())))
}

impl Command for ConfirmOffline {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_be_staff()?;
        may_confirm(&change.order)?;
        change.apply(OrderEvent::Confirm)?;
        change.order.offline_method = Some(self.method);
        change.record(EventKind::Confirmed, json!({ "offline_method": self.method }));
        change.mail(OrderMail::Confirmed, None);
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}
