//! Parcels and returns on the wire.

use chrono::{DateTime, Utc};
use kernel::{BusinessId, OrderId, wire};
use poem_openapi::Object;
use serde::Serialize;

use super::effects_dto::{OrderEffects, RefusedAction};
use crate::{
    change::Change,
    error::OrderError,
    fulfil, guidance,
    order::Order,
    returning,
    returns::{Return, ReturnEvent, ReturnId, ReturnState},
    shipment::{Shipment, ShipmentEvent, ShipmentId, ShipmentState},
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus},
    viewer::Viewer,
};

/// A parcel of one seller
#[derive(Debug, Clone, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderShipment {
    /// Its identifier
    pub id: ShipmentId,
    /// The seller whose lines are in it
    pub business_id: BusinessId,
    /// Where it stands
    pub state: ShipmentState,
    /// What is in it
    pub lines: Vec<OrderShipmentLine>,
    /// Who carries it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The carrier's name for it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// Where it can be followed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_url: Option<String>,
    /// Why it was cancelled or is lost
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was packed
    #[serde(serialize_with = "wire::time")]
    pub packed_at: DateTime<Utc>,
    /// When it left
    #[serde(serialize_with = "wire::time_if_any", skip_serializing_if = "Option::is_none")]
    pub shipped_at: Option<DateTime<Utc>>,
    /// When it arrived
    #[serde(serialize_with = "wire::time_if_any", skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<DateTime<Utc>>,
    /// What you may do with it now
    pub allowed_actions: Vec<ShipmentEvent>,
    /// What you may not do now, and why
    pub refused_actions: Vec<RefusedAction>,
}

/// What a parcel has of a line
#[derive(Debug, Clone, Object, Serialize)]
pub struct OrderShipmentLine {
    /// The line's place in its order
    pub position: i16,
    /// Stock keeping unit
    pub sku: String,
    /// The name it was sold under
    pub name: String,
    /// How many
    pub quantity: i32,
}

impl OrderShipment {
    /// The parcel as the viewer sees it.
    pub fn of(order: &Order, shipment: &Shipment, viewer: &Viewer) -> Self {
        let guidance = guidance::of_shipment(order, shipment, viewer);
        let lines = shipment.lines.iter().filter_map(|units| Some((units, order.line(units.position).ok()?)));
        Self {
            id: shipment.id,
            business_id: shipment.business_id,
            state: shipment.state,
            lines: lines
                .map(|(units, line)| OrderShipmentLine {
                    position: units.position,
                    sku: line.sku.clone(),
                    name: line.name.clone(),
                    quantity: units.quantity,
                })
                .collect(),
            carrier: shipment.carrier.clone(),
            tracking_number: shipment.tracking_number.clone(),
            tracking_url: shipment.tracking_url.clone(),
            reason: shipment.reason.clone(),
            packed_at: shipment.packed_at,
            shipped_at: shipment.shipped_at,
            delivered_at: shipment.delivered_at,
            allowed_actions: guidance.allowed,
            refused_actions: guidance.refused.into_iter().map(RefusedAction::from).collect(),
        }
    }
}

/// Goods that come back to one seller
#[derive(Debug, Clone, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderReturn {
    /// Its identifier
    pub id: ReturnId,
    /// The seller whose goods they are
    pub business_id: BusinessId,
    /// Where it stands
    pub state: ReturnState,
    /// What comes back
    pub lines: Vec<OrderReturnLine>,
    /// Why
    pub reason: String,
    /// What the buyer was told when it was approved, rejected or closed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// When it was asked for
    #[serde(serialize_with = "wire::time")]
    pub requested_at: DateTime<Utc>,
    /// When it last changed
    #[serde(serialize_with = "wire::time")]
    pub updated_at: DateTime<Utc>,
    /// What you may do with it now
    pub allowed_actions: Vec<ReturnEvent>,
    /// What you may not do now, and why
    pub refused_actions: Vec<RefusedAction>,
}

/// What comes back of a line
#[derive(Debug, Clone, Object, Serialize)]
pub struct OrderReturnLine {
    /// The line's place in its order
    pub position: i16,
    /// Stock keeping unit
    pub sku: String,
    /// The name it was sold under
    pub name: String,
    /// How many are to come back
    pub quantity: i32,
    /// How many came back and can be sold again
    pub resellable_quantity: i32,
    /// How many came back and cannot
    pub damaged_quantity: i32,
}

impl OrderReturn {
    /// The return as the viewer sees it.
    pub fn of(order: &Order, goods: &Return, viewer: &Viewer) -> Self {
        let guidance = guidance::of_return(goods, viewer);
        let lines = goods.lines.iter().filter_map(|units| Some((units, order.line(units.position).ok()?)));
        Self {
            id: goods.id,
            business_id: goods.business_id,
            state: goods.state,
            lines: lines
                .map(|(units, line)| OrderReturnLine {
                    position: units.position,
                    sku: line.sku.clone(),
                    name: line.name.clone(),
                    quantity: units.quantity,
                    resellable_quantity: units.resellable_quantity,
                    damaged_quantity: units.damaged_quantity,
                })
                .collect(),
            reason: goods.reason.clone(),
            decision: goods.decision.clone(),
            requested_at: goods.requested_at,
            updated_at: goods.updated_at,
            allowed_actions: guidance.allowed,
            refused_actions: guidance.refused.into_iter().map(RefusedAction::from).collect(),
        }
    }
}

/// Where the order of a parcel or a return stands
#[derive(Debug, Clone, Object)]
pub struct OrderStanding {
    /// Its identifier
    pub id: OrderId,
    /// The number people use
    pub number: String,
    /// Where it stands
    pub status: OrderStatus,
    /// What the ledger of money says
    pub payment_status: PaymentStatus,
    /// What has been sent
    pub fulfillment_status: FulfillmentStatus,
    /// What has come back
    pub return_status: ReturnStatus,
}

impl From<&Order> for OrderStanding {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id,
            number: order.number.clone(),
            status: order.status,
            payment_status: order.payment_status,
            fulfillment_status: order.fulfillment_status,
            return_status: order.return_status,
        }
    }
}

/// A parcel, and where its order stands
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ShipmentView {
    /// The parcel
    pub shipment: OrderShipment,
    /// Its order
    pub order: OrderStanding,
    /// What the command did to stock and money, or would do; only in answers of commands
    pub effects: Option<OrderEffects>,
}

impl ShipmentView {
    /// The parcel as it is.
    ///
    /// # Errors
    /// [`OrderError::NotFound`].
    pub fn of(order: &Order, viewer: &Viewer, id: ShipmentId) -> Result<Self, OrderError> {
        let shipment = OrderShipment::of(order, fulfil::shipment(order, id)?, viewer);
        Ok(Self { shipment, order: OrderStanding::from(order), effects: None })
    }

    /// The parcel after a command.
    ///
    /// # Errors
    /// [`OrderError::NotFound`].
    pub fn after(change: &Change, viewer: &Viewer, id: ShipmentId) -> Result<Self, OrderError> {
        Ok(Self { effects: Some(OrderEffects::of(change, viewer)), ..Self::of(&change.order, viewer, id)? })
    }
}

/// A return, and where its order stands
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ReturnView {
    /// The return
    #[oai(rename = "return")]
    pub goods: OrderReturn,
    /// Its order
    pub order: OrderStanding,
    /// What the command did to stock and money, or would do; only in answers of commands
    pub effects: Option<OrderEffects>,
}

impl ReturnView {
    /// The return as it is.
    ///
    /// # Errors
    /// [`OrderError::NotFound`].
    pub fn of(order: &Order, viewer: &Viewer, id: ReturnId) -> Result<Self, OrderError> {
        let goods = OrderReturn::of(order, returning::find(order, id)?, viewer);
        Ok(Self { goods, order: OrderStanding::from(order), effects: None })
    }

    /// The return after a command.
    ///
    /// # Errors
    /// [`OrderError::NotFound`].
    pub fn after(change: &Change, viewer: &Viewer, id: ReturnId) -> Result<Self, OrderError> {
        Ok(Self { effects: Some(OrderEffects::of(change, viewer)), ..Self::of(&change.order, viewer, id)? })
    }
}
