//! A parcel is lost: its units are promised again, to be sent once more, or taken out of the order with their money.

use serde_json::json;

use super::{may_be_worked_on, shipment, step};
use crate::{
    api::parcels_dto::ShipmentView,
    change::{Change, StockMove},
    command::Command,
    error::OrderError,
    event::EventKind,
    jobs::OrderMail,
    shipment::{ShipmentEvent, ShipmentId},
    viewer::Viewer,
};

/// Gives a parcel up.
#[derive(Debug, Clone)]
pub struct Lose {
    /// Which one.
    pub id: ShipmentId,
    /// What happened.
    pub reason: String,
    /// Whether its units are to be sent again.
    pub resend: bool,
}

impl Command for Lose {
    type View = ShipmentView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_sell(shipment(&change.order, self.id)?.business_id)?;
        let lost = step(change, self.id, ShipmentEvent::Lose)?;
        if self.resend {
            may_be_worked_on(&change.order)?;
        }
        if let Some(parcel) = change.order.shipments.iter_mut().find(|parcel| parcel.id == self.id) {
            parcel.reason = Some(self.reason.clone());
        }
        change.record(
            EventKind::ShipmentLost,
            json!({ "shipment_id": self.id, "reason": self.reason, "resend": self.resend }),
        );
        let mut value = 0;
        for units in lost {
            let line = change.order.line_mut(units.position)?;
            line.shipped_quantity -= units.quantity;
            let variant = line.variant_id;
            if self.resend {
                change.move_stock(StockMove::Reserve, variant, units.quantity);
            } else {
                value += change.take_out(units)?;
            }
        }
        change.refund_excess(value, "parcel lost");
        change.close_if_empty("parcel lost")?;
        let mail = if self.resend { OrderMail::LostAndResent } else { OrderMail::Lost };
        change.mail(mail, Some(self.id.as_uuid()));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ShipmentView, OrderError> {
        ShipmentView::after(change, viewer, self.id)
    }
}
