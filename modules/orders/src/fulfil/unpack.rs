//! A parcel is unpacked again before it left.

use serde_json::json;

use super::{shipment, step};
use crate::{
    api::parcels_dto::ShipmentView,
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    shipment::{ShipmentEvent, ShipmentId},
    viewer::Viewer,
};

/// Unpacks a parcel: its units can be packed again, or called off.
#[derive(Debug, Clone)]
pub struct Unpack {
    /// Which one.
    pub id: ShipmentId,
    /// Why.
    pub reason: String,
}

impl Unpack {
    /// Unpacks it, whoever asks.
    ///
    /// # Errors
    /// It has left, or is unpacked already.
    pub fn carry_out(&self, change: &mut Change) -> Result<(), OrderError> {
        for units in step(change, self.id, ShipmentEvent::Cancel)? {
            change.order.line_mut(units.position)?.packed_quantity -= units.quantity;
        }
        if let Some(parcel) = change.order.shipments.iter_mut().find(|parcel| parcel.id == self.id) {
            parcel.reason = Some(self.reason.clone());
        }
        change.record(EventKind::ShipmentCancelled, json!({ "shipment_id": self.id, "reason": self.reason }));
        Ok(())
    }
}

impl Command for Unpack {
    type View = ShipmentView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        viewer.must_sell(shipment(&change.order, self.id)?.business_id)?;
        self.carry_out(change)
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ShipmentView, OrderError> {
        ShipmentView::after(change, viewer, self.id)
    }
}
