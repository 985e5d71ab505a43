//! Goods are back: what can be sold again goes to the shelf, the rest does not; the order's total falls by both.

use serde_json::json;

use super::{find, step};
use crate::{
    api::parcels_dto::ReturnView,
    change::{Change, StockMove},
    command::Command,
    error::OrderError,
    event::EventKind,
    jobs::OrderMail,
    returns::{Return, ReturnEvent, ReturnId},
    viewer::Viewer,
};

/// What came back of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedUnits {
    /// The line's place in its order.
    pub position: i16,
    /// How many can be sold again.
    pub resellable: i32,
    /// How many cannot.
    pub damaged: i32,
}

/// Takes goods back, in one go or in several.
#[derive(Debug, Clone)]
pub struct ReceiveReturn {
    /// Which return.
    pub id: ReturnId,
    /// What came back.
    pub lines: Vec<ReceivedUnits>,
}

/// Whether goods of this return can be received: some have not come back yet.
///
/// # Errors
/// Why not.
pub fn may_receive(goods: &Return) -> Result<(), OrderError> {
    goods.state.after(ReturnEvent::Receive)?;
    match goods.lines.iter().any(|line| line.missing_quantity() > 0) {
        true => Ok(()),
        false => Err(OrderError::NothingToReceive),
    }
}

impl Command for ReceiveReturn {
    type View = ReturnView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        let goods = find(&change.order, self.id)?;
        viewer.must_sell(goods.business_id)?;
        may_receive(goods)?;
        let mut told = vec![];
        for &ReceivedUnits { position, resellable, damaged } in &self.lines {
            let goods = step(change, self.id, ReturnEvent::Receive)?;
            let expected = goods.lines.iter_mut().find(|line| line.position == position);
            let expected = expected.ok_or(OrderError::NotInIt(position))?;
            let (asked, left) = (resellable + damaged, expected.missing_quantity());
            if asked == 0 {
                return Err(OrderError::NothingReceived(position));
            }
            if asked > left {
                return Err(OrderError::TooFewUnits { position, asked, left });
            }
            expected.resellable_quantity += resellable;
            expected.damaged_quantity += damaged;
            let line = change.order.line_mut(position)?;
            let refunded_before = (line.refunded_quantity - line.returned_quantity).clamp(0, asked);
            line.returning_quantity -= asked;
            line.returned_quantity += asked;
            let line = line.clone();
            change.settle_refunded_before(&line, refunded_before);
            change.move_stock(StockMove::Return, line.variant_id, resellable);
            told.push(json!({ "position": position, "resellable": resellable, "damaged": damaged }));
        }
        change.record(EventKind::ReturnReceived, json!({ "return_id": self.id, "lines": told }));
        change.mail(OrderMail::ReturnReceived, Some(self.id.as_uuid()));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ReturnView, OrderError> {
        ReturnView::after(change, viewer, self.id)
    }
}
