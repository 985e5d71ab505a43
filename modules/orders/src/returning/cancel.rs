//! Calling a return off: the buyer keeps the goods after all.

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

/// Calls a return off before anything came back: the buyer their own, or staff for them.
#[derive(Debug, Clone)]
pub struct CancelReturn {
    /// Which.
    pub id: ReturnId,
}

impl Command for CancelReturn {
    type View = ReturnView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_own()?;
        find(&change.order, self.id)?;
        let lines = step(change, self.id, ReturnEvent::Cancel)?.lines.clone();
        stop_waiting(change, &lines)?;
        change.record(EventKind::ReturnCancelled, json!({ "return_id": self.id }));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ReturnView, OrderError> {
        ReturnView::after(change, viewer, self.id)
    }
}
