//! Calling some units off before they are packed: their stock goes back, and the money that was taken for them.

use kernel::BusinessId;
use serde_json::json;

use crate::{
    api::dto::OrderView,
    api::seller_dto::SellerOrder,
    change::{Change, StockMove},
    command::Command,
    error::OrderError,
    event::EventKind,
    fulfil::summed,
    jobs::OrderMail,
    order::{Line, Order},
    shipment::Units,
    status::{OrderEvent, OrderStatus},
    viewer::Viewer,
};

/// Calls units off: the buyer's own until something ships, or anybody's for staff.
#[derive(Debug, Clone)]
pub struct CancelLines {
    /// Which.
    pub lines: Vec<Units>,
    /// Why.
    pub reason: String,
}

/// Calls units of a seller's own lines off.
#[derive(Debug, Clone)]
pub struct CancelSellerLines {
    /// The seller.
    pub business_id: BusinessId,
    /// What and why.
    pub cancel: CancelLines,
}

/// Whether there is anything to call off, of these lines.
///
/// # Errors
/// Why not.
pub fn may_cancel_lines(order: &Order, of: impl Fn(&Line) -> bool) -> Result<(), OrderError> {
    if !matches!(order.status, OrderStatus::Pending | OrderStatus::Confirmed) {
        order.status.after(OrderEvent::Cancel)?;
    }
    match order.lines.iter().any(|line| of(line) && line.open_quantity() > 0) {
        true => Ok(()),
        false => Err(OrderError::NothingToCancel),
    }
}

/// A buyer may call units off until something ships.
///
/// # Errors
/// [`OrderError::Shipped`].
pub fn buyer_may_cancel_lines(order: &Order) -> Result<(), OrderError> {
    if order.lines.iter().any(|line| line.shipped_quantity > 0) { Err(OrderError::Shipped) } else { Ok(()) }
}

impl CancelLines {
    fn carry_out(&self, change: &mut Change, of: impl Fn(&Line) -> bool) -> Result<(), OrderError> {
        may_cancel_lines(&change.order, &of)?;
        let units = summed(&self.lines);
        let told: Vec<_> =
            units.iter().map(|(position, quantity)| json!({ "position": position, "quantity": quantity })).collect();
        change.record(EventKind::LinesCancelled, json!({ "lines": told, "reason": self.reason }));
        let mut value = 0;
        for (&position, &asked) in &units {
            let line = change.order.lines.iter().find(|line| line.position == position && of(line));
            let line = line.ok_or(OrderError::NoSuchLine(position))?;
            let (variant, left) = (line.variant_id, line.open_quantity());
            if asked > left {
                return Err(OrderError::TooFewUnits { position, asked, left });
            }
            change.move_stock(StockMove::Release, variant, asked);
            value += change.take_out(Units { position, quantity: asked })?;
        }
        change.refund_excess(value, &self.reason);
        change.close_if_empty(&self.reason)?;
        // Of an order of which nothing is left the buyer is told once.
        if change.order.status != OrderStatus::Cancelled {
            change.mail(OrderMail::LinesCancelled, None);
        }
        Ok(())
    }
}

impl Command for CancelLines {
    type View = OrderView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_own()?;
        if !viewer.is_staff() {
            buyer_may_cancel_lines(&change.order)?;
        }
        self.carry_out(change, |_| true)
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<OrderView, OrderError> {
        Ok(OrderView::after(change, viewer))
    }
}

impl Command for CancelSellerLines {
    type View = SellerOrder;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_sell(self.business_id)?;
        self.cancel.carry_out(change, |line| line.business_id == self.business_id)
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<SellerOrder, OrderError> {
        Ok(SellerOrder::after(change, viewer, self.business_id))
    }
}
