//! A parcel arrives.

use serde_json::json;

use super::{shipment, step};
use crate::{
    api::parcels_dto::ShipmentView,
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    jobs::OrderMail,
    shipment::{ShipmentEvent, ShipmentId},
    viewer::Viewer,
};

/// Says that a parcel has arrived.
#[derive(Debug, Clone)]
pub struct Deliver {
    /// Which one.
    pub id: ShipmentId,
}

impl Command for Deliver {
    type View = ShipmentView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_sell(shipment(&change.order, self.id)?.business_id)?;
        let at = change.at;
        for units in step(change, self.id, ShipmentEvent::Deliver)? {
            change.order.line_mut(units.position)?.delivered_quantity += units.quantity;
        }
        if let Some(parcel) = change.order.shipments.iter_mut().find(|parcel| parcel.id == self.id) {
            parcel.delivered_at = Some(at);
        }
        change.record(EventKind::ShipmentDelivered, json!({ "shipment_id": self.id }));
        change.mail(OrderMail::Delivered, Some(self.id.as_uuid()));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ShipmentView, OrderError> {
        ShipmentView::after(change, viewer, self.id)
    }
}
