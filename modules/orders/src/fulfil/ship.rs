//! A parcel leaves: its units leave the shelf and the books, and what is held for the order is taken.

use serde_json::json;

use super::{may_be_worked_on, shipment, step};
use crate::{
    api::parcels_dto::ShipmentView,
    change::{Change, StockMove},
    command::Command,
    error::OrderError,
    event::EventKind,
    jobs::OrderMail,
    order::Order,
    shipment::{Shipment, ShipmentEvent, ShipmentId},
    viewer::Viewer,
};

/// How the buyer can follow a parcel.
#[derive(Debug, Clone, Default)]
pub struct Tracking {
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's name for it.
    pub number: Option<String>,
    /// Where to look.
    pub url: Option<String>,
}

/// Sends a parcel.
#[derive(Debug, Clone)]
pub struct Ship {
    /// Which one.
    pub id: ShipmentId,
    /// How to follow it.
    pub tracking: Tracking,
}

/// Whether the parcel may leave.
///
/// # Errors
/// Why not.
pub fn may_ship(order: &Order, shipment: &Shipment) -> Result<(), OrderError> {
    shipment.state.after(ShipmentEvent::Ship)?;
    may_be_worked_on(order)
}

impl Command for Ship {
    type View = ShipmentView;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        let parcel = shipment(&change.order, self.id)?;
        viewer.must_sell(parcel.business_id)?;
        may_ship(&change.order, parcel)?;
        let (at, tracking) = (change.at, self.tracking.clone());
        for units in step(change, self.id, ShipmentEvent::Ship)? {
            let line = change.order.line_mut(units.position)?;
            line.packed_quantity -= units.quantity;
            line.shipped_quantity += units.quantity;
            let variant = line.variant_id;
            change.move_stock(StockMove::Ship, variant, units.quantity);
        }
        change.record(
            EventKind::ShipmentShipped,
            json!({ "shipment_id": self.id, "carrier": tracking.carrier, "tracking_number": tracking.number }),
        );
        if let Some(parcel) = change.order.shipments.iter_mut().find(|parcel| parcel.id == self.id) {
            parcel.shipped_at = Some(at);
            parcel.carrier = tracking.carrier;
            parcel.tracking_number = tracking.number;
            parcel.tracking_url = tracking.url;
        }
        change.capture_due();
        change.mail(OrderMail::Shipped, Some(self.id.as_uuid()));
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ShipmentView, OrderError> {
        ShipmentView::after(change, viewer, self.id)
    }
}
