//! Sending the goods: parcels are packed, leave, and arrive; some are unpacked again, some are lost.

use std::collections::BTreeMap;

use kernel::BusinessId;

mod deliver;
mod lose;
mod pack;
mod ship;
mod unpack;

pub use deliver::Deliver;
pub use lose::Lose;
pub use pack::{Pack, may_pack};
pub use ship::{Ship, Tracking, may_ship};
pub use unpack::Unpack;

use crate::{
    change::Change,
    error::OrderError,
    order::Order,
    shipment::{Shipment, ShipmentEvent, ShipmentId, Units},
    status::OrderStatus,
};

/// Goods leave only for an order that is confirmed, not on hold, and paid for in one way or another.
///
/// # Errors
/// [`OrderError::NotConfirmed`], [`OrderError::OnHold`], [`OrderError::NotCovered`].
pub fn may_be_worked_on(order: &Order) -> Result<(), OrderError> {
    match &order.hold_reason {
        _ if order.status != OrderStatus::Confirmed => Err(OrderError::NotConfirmed(order.status)),
        Some(reason) => Err(OrderError::OnHold(reason.clone())),
        None if !order.is_covered() && order.offline_method.is_none() => Err(OrderError::NotCovered),
        None => Ok(()),
    }
}

/// Sums the quantities of each line.
pub fn summed(units: &[Units]) -> BTreeMap<i16, i32> {
    let mut sums = BTreeMap::new();
    for one in units {
        *sums.entry(one.position).or_insert(0) += one.quantity;
    }
    sums
}

/// The one seller of these lines.
///
/// # Errors
/// [`OrderError::NoSuchLine`], [`OrderError::SeveralSellers`].
pub fn seller_of(order: &Order, units: &BTreeMap<i16, i32>) -> Result<BusinessId, OrderError> {
    let mut seller = None;
    for &position in units.keys() {
        let business = order.line(position)?.business_id;
        if *seller.get_or_insert(business) != business {
            return Err(OrderError::SeveralSellers);
        }
    }
    seller.ok_or(OrderError::NoSuchLine(0))
}

/// The parcel that a command is about.
///
/// # Errors
/// [`OrderError::NotFound`].
pub fn shipment(order: &Order, id: ShipmentId) -> Result<&Shipment, OrderError> {
    order.shipments.iter().find(|shipment| shipment.id == id).ok_or(OrderError::NotFound)
}

/// Moves a parcel's state. Answers what is in it.
fn step(change: &mut Change, id: ShipmentId, event: ShipmentEvent) -> Result<Vec<Units>, OrderError> {
    let at = change.at;
    let found = change.order.shipments.iter_mut().find(|shipment| shipment.id == id).ok_or(OrderError::NotFound)?;
    found.state = found.state.after(event)?;
    found.updated_at = at;
    Ok(found.lines.clone())
}
