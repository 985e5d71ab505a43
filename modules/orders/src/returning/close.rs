//! Closing a return: what has not come back is no longer waited for.

use serde_json::json;

use super::{find, step, stop_waiting};
use crate::{
    api::parcels_dto::ReturnView,
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    returns::{ReturnEvent, ReturnId},
    viewer::Viewer,
};

/// Closes a return: the seller of the goods, or staff.
#[derive(Debug, Clone)]
pub struct CloseReturn {
    /// Which.
    pub id: ReturnId,
    /// What the buyer is told.
    pub decision: Option<String>,
}

impl Command for CloseReturn {
    type View = ReturnView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_sell(find(&change.order, self.id)?.business_id)?;
        let goods = step(change, self.id, ReturnEvent::Close)?;
        if self.decision.is_some() {
            goods.decision.clone_from(&self.decision);
        }
        let lines = goods.lines.clone();
        stop_waiting(change, &lines)?;
        change.record(EventKind::ReturnClosed, json!({ "return_id": self.id, "decision": self.decision }));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ReturnView, OrderError> {
        ReturnView::after(change, viewer, self.id)
    }
}
