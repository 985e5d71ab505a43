//! Asking to send goods back.

use serde_json::json;

use crate::{
    api::parcels_dto::ReturnView,
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    fulfil::{seller_of, summed},
    jobs::OrderMail,
    order::Order,
    returns::{Return, ReturnId, ReturnLine, ReturnState},
    shipment::Units,
    viewer::Viewer,
};

/// Asks to send goods of one seller back: the buyer their own, or staff for them.
#[derive(Debug, Clone)]
pub struct RequestReturn {
    /// Which.
    pub lines: Vec<Units>,
    /// Why.
    pub reason: String,
}

/// Whether anything has arrived that could come back.
///
/// # Errors
/// [`OrderError::NothingToReturn`].
pub fn may_request_return(order: &Order) -> Result<(), OrderError> {
    match order.lines.iter().any(|line| line.returnable_quantity() > 0) {
        true => Ok(()),
        false => Err(OrderError::NothingToReturn),
    }
}

impl Command for RequestReturn {
    type View = ReturnView;
    const STATUS: i16 = 201;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_own()?;
        may_request_return(&change.order)?;
        let units = summed(&self.lines);
        let business_id = seller_of(&change.order, &units)?;
        for (&position, &asked) in &units {
            let line = change.order.line_mut(position)?;
            let left = line.returnable_quantity();
            if asked > left {
                return Err(OrderError::TooFewUnits { position, asked, left });
            }
            line.returning_quantity += asked;
        }
        let id = ReturnId::new();
        let told: Vec<_> =
            units.iter().map(|(position, quantity)| json!({ "position": position, "quantity": quantity })).collect();
        change.record(EventKind::ReturnRequested, json!({ "return_id": id, "lines": told, "reason": self.reason }));
        change.order.returns.push(Return {
            id,
            business_id,
            state: ReturnState::Requested,
            reason: self.reason.clone(),
            decision: None,
            requested_by: Some(viewer.caller.user_id),
            requested_at: change.at,
            updated_at: change.at,
            lines: units
                .iter()
                .map(|(&position, &quantity)| ReturnLine {
                    position,
                    quantity,
                    resellable_quantity: 0,
                    damaged_quantity: 0,
                })
                .collect(),
        });
        change.mail(OrderMail::ReturnRequested, Some(id.as_uuid()));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ReturnView, OrderError> {
        let goods = change.order.returns.last().ok_or_else(|| OrderError::Inconsistent("no return".to_owned()))?;
        ReturnView::after(change, viewer, goods.id)
    }
}
