//! Agreeing to a return, or not.

use serde_json::json;

use super::{find, step, stop_waiting};
use crate::{
    api::parcels_dto::ReturnView,
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    jobs::OrderMail,
    returns::{ReturnEvent, ReturnId},
    viewer::Viewer,
};

/// Agrees to a return, or not: the seller of the goods, or staff.
#[derive(Debug, Clone)]
pub struct DecideReturn {
    /// Which.
    pub id: ReturnId,
    /// Whether the goods may come back.
    pub approve: bool,
    /// What the buyer is told.
    pub decision: Option<String>,
}

impl Command for DecideReturn {
    type View = ReturnView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_sell(find(&change.order, self.id)?.business_id)?;
        let (event, kind, mail) = if self.approve {
            (ReturnEvent::Approve, EventKind::ReturnApproved, OrderMail::ReturnApproved)
        } else {
            (ReturnEvent::Reject, EventKind::ReturnRejected, OrderMail::ReturnRejected)
        };
        let goods = step(change, self.id, event)?;
        goods.decision.clone_from(&self.decision);
        let lines = goods.lines.clone();
        if !self.approve {
            stop_waiting(change, &lines)?;
        }
        change.record(kind, json!({ "return_id": self.id, "decision": self.decision }));
        change.mail(mail, Some(self.id.as_uuid()));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ReturnView, OrderError> {
        ReturnView::after(change, viewer, self.id)
    }
}
