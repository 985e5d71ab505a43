//! Packing a parcel: units are set aside for it and can no longer be called off one by one.

use std::collections::BTreeMap;

use kernel::BusinessId;
use serde_json::json;

use super::{may_be_worked_on, seller_of, summed};
use crate::{
    api::parcels_dto::ShipmentView,
    change::Change,
    command::Command,
    error::OrderError,
    event::EventKind,
    order::{Line, Order},
    shipment::{Shipment, ShipmentId, ShipmentState, Units},
    viewer::Viewer,
};

/// Packs a parcel of one seller's lines.
#[derive(Debug, Clone)]
pub struct Pack {
    /// What goes into it.
    pub lines: Vec<Units>,
}

/// Whether there is anything to pack, of these lines.
///
/// # Errors
/// Why not.
pub fn may_pack(order: &Order, of: impl Fn(&Line) -> bool) -> Result<(), OrderError> {
    may_be_worked_on(order)?;
    match order.lines.iter().any(|line| of(line) && line.open_quantity() > 0) {
        true => Ok(()),
        false => Err(OrderError::NothingToPack),
    }
}

impl Command for Pack {
    type View = ShipmentView;
    const STATUS: i16 = 201;

    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError> {
        let units = summed(&self.lines);
        let business_id = seller(&change.order, viewer, &units)?;
        may_pack(&change.order, |line| line.business_id == business_id)?;
        for (&position, &asked) in &units {
            let line = change.order.line_mut(position)?;
            let left = line.open_quantity();
            if asked > left {
                return Err(OrderError::TooFewUnits { position, asked, left });
            }
            line.packed_quantity += asked;
        }
        let id = ShipmentId::new();
        let lines: Vec<Units> = units.iter().map(|(&position, &quantity)| Units { position, quantity }).collect();
        change.record(EventKind::ShipmentPacked, json!({ "shipment_id": id, "lines": told(&lines) }));
        change.order.shipments.push(Shipment {
            id,
            business_id,
            state: ShipmentState::Packed,
            carrier: None,
            tracking_number: None,
            tracking_url: None,
            reason: None,
            packed_at: change.at,
            shipped_at: None,
            delivered_at: None,
            updated_at: change.at,
            lines,
        });
        Ok(())
    }

    fn view(&self, change: &Change, viewer: &Viewer) -> Result<ShipmentView, OrderError> {
        let packed = change.order.shipments.last().ok_or_else(|| OrderError::Inconsistent("no parcel".to_owned()))?;
        ShipmentView::after(change, viewer, packed.id)
    }
}

/// Whose lines these are, for who may pack them. A seller finds their own: somebody else's are like none.
fn seller(order: &Order, viewer: &Viewer, units: &BTreeMap<i16, i32>) -> Result<BusinessId, OrderError> {
    if !viewer.is_staff() && order.lines.iter().any(|line| viewer.sells(line.business_id)) {
        let is_theirs = |position| order.line(position).is_ok_and(|line| viewer.sells(line.business_id));
        if let Some(&foreign) = units.keys().find(|position| !is_theirs(**position)) {
            return Err(OrderError::NoSuchLine(foreign));
        }
    }
    let business_id = seller_of(order, units)?;
    viewer.must_sell(business_id)?;
    Ok(business_id)
}

/// Units as the history tells them.
pub(super) fn told(lines: &[Units]) -> Vec<serde_json::Value> {
    lines.iter().map(|line| json!({ "position": line.position, "quantity": line.quantity })).collect()
}
