//! An order as one of its sellers sees it: their own lines, parcels and returns, and nothing of the others.

use chrono::{DateTime, Utc};
use kernel::{BusinessId, Money};
use poem_openapi::Object;

use super::{
    dto::{OrderLineView, line_view, money},
    effects_dto::{OrderEffects, RefusedAction},
    parcels_dto::{OrderReturn, OrderShipment, OrderStanding},
};
use crate::{
    address::Address,
    change::Change,
    guidance::{self, OrderAction},
    order::{Line, Order},
    status::OrderStatus,
    viewer::Viewer,
};

/// A seller's share of an order, whole
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SellerOrder {
    /// The order
    pub order: OrderStanding,
    /// Why staff hold it back
    pub hold_reason: Option<String>,
    /// The seller's lines
    pub lines: Vec<OrderLineView>,
    /// The sum of what is active of those lines
    pub lines_total: Money,
    /// The seller's parcels, oldest first
    pub shipments: Vec<OrderShipment>,
    /// What comes back to the seller, oldest first
    pub returns: Vec<OrderReturn>,
    /// What you may do with your lines now
    pub allowed_actions: Vec<OrderAction>,
    /// What you may not do now, and why
    pub refused_actions: Vec<RefusedAction>,
    /// What the command did to stock and money, or would do; only in answers of commands
    pub effects: Option<OrderEffects>,
    /// Where it goes; shown once the order is confirmed
    pub ship_to: Option<Address>,
    /// When it was placed
    pub placed_at: DateTime<Utc>,
}

impl SellerOrder {
    /// The share as it is.
    pub fn of(order: &Order, viewer: &Viewer, business: BusinessId) -> Self {
        let own: Vec<&Line> = order.lines.iter().filter(|line| line.business_id == business).collect();
        let guidance = guidance::of_seller(order, business);
        let is_confirmed = matches!(order.status, OrderStatus::Confirmed | OrderStatus::Completed);
        let (shipments, returns) = (order.shipments.iter(), order.returns.iter());
        Self {
            order: OrderStanding::from(order),
            hold_reason: order.hold_reason.clone(),
            lines: own.iter().map(|line| line_view(line, &order.currency)).collect(),
            lines_total: money(own.iter().map(|line| line.active_minor()).sum(), &order.currency),
            shipments: shipments
                .filter(|one| one.business_id == business)
                .map(|one| OrderShipment::of(order, one, viewer))
                .collect(),
            returns: returns
                .filter(|one| one.business_id == business)
                .map(|one| OrderReturn::of(order, one, viewer))
                .collect(),
            allowed_actions: guidance.allowed,
            refused_actions: guidance.refused.into_iter().map(RefusedAction::from).collect(),
            effects: None,
            ship_to: is_confirmed.then(|| order.ship_to.clone()),
            placed_at: order.placed_at,
        }
    }

    /// The share after a command.
    pub fn after(change: &Change, viewer: &Viewer, business: BusinessId) -> Self {
        Self { effects: Some(OrderEffects::of(change, viewer)), ..Self::of(&change.order, viewer, business) }
    }
}
