//! Orders on the wire.

use chrono::{DateTime, Utc};
use kernel::{BusinessId, CountryCode, Currency, Money, OrderId, ProductId, Prose, Text, UserId, VariantId, wire};
use payments::CaptureMethod;
use poem_openapi::{Enum, Object, types::Example};
use serde::Serialize;

use super::{
    effects_dto::{OrderEffects, RefusedAction},
    parcels_dto::{OrderReturn, OrderShipment},
};
use crate::{
    address::{Address, OrderAddress},
    change::Change,
    event::{ActorKind, EventKind},
    guidance::{self, OrderAction},
    order::{Line, Order},
    query::{EventRow, SellerShare},
    status::{FulfillmentStatus, OfflineMethod, OrderStatus, PaymentStatus, ReturnStatus},
    store::OrderRow,
    viewer::Viewer,
};

/// `minor` units of a currency that came from the database, where only known codes are written.
pub fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, Currency::parse(currency).unwrap_or(Currency::USD))
}

/// An order to be placed
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example, skip_serializing_if_is_none)]
pub struct PlaceOrder {
    /// What is ordered; quantities of one variant are added up
    #[oai(validator(min_items = 1, max_items = 100))]
    pub lines: Vec<PlaceOrderLine>,
    /// Where it goes
    pub ship_to: OrderAddress,
    /// A word to the seller
    pub note: Option<Prose<1, 1000>>,
    /// Refuse the order if its total is another one, because a price changed in the meantime
    pub expected_total: Option<Money>,
}

/// A line of an order to be placed
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct PlaceOrderLine {
    /// The variant
    pub variant_id: VariantId,
    /// How many of it
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub quantity: i32,
}

impl Example for PlaceOrder {
    fn example() -> Self {
        Self {
            lines: vec![PlaceOrderLine {
                variant_id: VariantId::from_uuid(uuid::Uuid::from_u128(0x018f_3c5e_7d2a_7c11_9a0b_5b1f_4c3d_2e1f)),
                quantity: 2,
            }],
            ship_to: OrderAddress {
                name: Text::example("Alice Nguyen"),
                line1: Text::example("12 Hang Bac"),
                line2: None,
                city: Text::example("Hanoi"),
                region: None,
                postal_code: Some(Text::example("100000")),
                country: CountryCode::example("VN"),
                phone: None,
            },
            note: Some(Prose::example("Please ring twice.")),
            expected_total: None,
        }
    }
}

/// Why an order is called off
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct CancelOrder {
    /// The reason, kept in the order's history
    pub reason: Text<1, 500>,
}

impl Example for CancelOrder {
    fn example() -> Self {
        Self { reason: Text::example("Ordered the wrong size") }
    }
}

/// The gateways one can pay through
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum PaymentGateway {
    /// The mock gateway
    Mock,
}

impl PaymentGateway {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
        }
    }
}

/// How an order is to be paid
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example, skip_serializing_if_is_none)]
pub struct StartPayment {
    /// Through which gateway
    pub gateway: PaymentGateway,
    /// How much of what is owed; all of it when nothing is said
    pub amount: Option<Money>,
    /// Whether the money is taken at once, or held until something ships; at once when nothing is said
    pub capture: Option<CaptureMethod>,
}

impl Example for StartPayment {
    fn example() -> Self {
        Self { gateway: PaymentGateway::Mock, amount: None, capture: Some(CaptureMethod::Manual) }
    }
}

/// An order
#[derive(Debug, Clone, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderView {
    /// Its identifier
    pub id: OrderId,
    /// The number people use
    pub number: String,
    /// Who bought
    pub customer_id: UserId,
    /// Where it stands
    pub status: OrderStatus,
    /// What the ledger of money says
    pub payment_status: PaymentStatus,
    /// What has been sent
    pub fulfillment_status: FulfillmentStatus,
    /// What has come back
    pub return_status: ReturnStatus,
    /// Why staff hold it back
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_reason: Option<String>,
    /// How it is paid when no gateway is part of it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_method: Option<OfflineMethod>,
    /// What it costs: active lines plus charges minus credits
    pub total: Money,
    /// What it cost when it was placed
    pub original_total: Money,
    /// What is still owed; below zero when money is to go back
    pub balance_due: Money,
    /// What a gateway holds for us, and we have not taken
    pub authorized: Money,
    /// What was captured
    pub captured: Money,
    /// What was refunded
    pub refunded: Money,
    /// What is on its way back
    pub refunding: Money,
    /// Its lines
    pub lines: Vec<OrderLineView>,
    /// What raises the total: shipping, tax, what was given back for units that left the order later
    pub charges: Vec<OrderAdjustmentView>,
    /// What lowers the total: discounts, goodwill, refunds
    pub credits: Vec<OrderAdjustmentView>,
    /// Its parcels, oldest first
    pub shipments: Vec<OrderShipment>,
    /// What comes back, oldest first
    pub returns: Vec<OrderReturn>,
    /// The words that staff sort it by; shown to staff
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What you may do with it now
    pub allowed_actions: Vec<OrderAction>,
    /// What you may not do now, and why
    pub refused_actions: Vec<RefusedAction>,
    /// What the command did to stock and money, or would do; only in answers of commands
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<OrderEffects>,
    /// Where it goes
    pub ship_to: Address,
    /// A word from the buyer
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was placed
    #[serde(serialize_with = "wire::time")]
    pub placed_at: DateTime<Utc>,
    /// When it expires unless it is paid
    #[serde(serialize_with = "wire::time_if_any", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was confirmed
    #[serde(serialize_with = "wire::time_if_any", skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it was cancelled, expired or completed
    #[serde(serialize_with = "wire::time_if_any", skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
    /// When it last changed
    #[serde(serialize_with = "wire::time")]
    pub updated_at: DateTime<Utc>,
}

/// A line of an order: what the catalog said when it was placed
#[derive(Debug, Clone, Object, Serialize)]
pub struct OrderLineView {
    /// Its place, from 1
    pub position: i16,
    /// The variant
    pub variant_id: VariantId,
    /// The variant's product
    pub product_id: ProductId,
    /// The seller
    pub business_id: BusinessId,
    /// Stock keeping unit
    pub sku: String,
    /// The name it was sold under
    pub name: String,
    /// How many were ordered
    pub quantity: i32,
    /// How many of them were called off
    pub cancelled_quantity: i32,
    /// How many of them are in parcels that have not left yet
    pub packed_quantity: i32,
    /// How many of them were sent
    pub shipped_quantity: i32,
    /// How many of those arrived
    pub delivered_quantity: i32,
    /// How many of those are in returns that are still open
    pub returning_quantity: i32,
    /// How many of those came back
    pub returned_quantity: i32,
    /// Of how many that were not called off the price was given back, line by line
    pub refunded_quantity: i32,
    /// Price of one before discount
    pub list_price: Money,
    /// Price of one, as sold
    pub unit_price: Money,
    /// Quantity times unit price
    pub total: Money,
}

/// A charge or a credit of an order
#[derive(Debug, Clone, Object, Serialize)]
pub struct OrderAdjustmentView {
    /// What it is: shipping, tax, discount, goodwill, refund, refunded_before, balance
    pub kind: String,
    /// What the buyer reads
    pub label: String,
    /// How much
    pub amount: Money,
    /// Since when
    #[serde(serialize_with = "wire::time")]
    pub created_at: DateTime<Utc>,
}

pub(super) fn line_view(line: &Line, currency: &str) -> OrderLineView {
    OrderLineView {
        position: line.position,
        variant_id: line.variant_id,
        product_id: line.product_id,
        business_id: line.business_id,
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        cancelled_quantity: line.cancelled_quantity,
        packed_quantity: line.packed_quantity,
        shipped_quantity: line.shipped_quantity,
        delivered_quantity: line.delivered_quantity,
        returning_quantity: line.returning_quantity,
        returned_quantity: line.returned_quantity,
        refunded_quantity: line.refunded_quantity,
        list_price: money(line.list_price_minor, currency),
        unit_price: money(line.unit_price_minor, currency),
        total: money(line.total_minor, currency),
    }
}

impl OrderView {
    /// The order as its buyer or staff see it after a command.
    pub fn after(change: &Change, viewer: &Viewer) -> Self {
        Self { effects: Some(OrderEffects::of(change, viewer)), ..Self::of(&change.order, viewer, change.at) }
    }

    /// The order as its buyer or staff see it.
    pub fn of(order: &Order, viewer: &Viewer, now: DateTime<Utc>) -> Self {
        let money = |minor| money(minor, &order.currency);
        let adjustments = |is_charge| {
            order
                .adjustments
                .iter()
                .filter(move |adjustment| adjustment.is_charge == is_charge)
                .map(|adjustment| OrderAdjustmentView {
                    kind: adjustment.kind.clone(),
                    label: adjustment.label.clone(),
                    amount: money(adjustment.amount_minor),
                    created_at: adjustment.created_at,
                })
                .collect()
        };
        let guidance = guidance::of_order(order, viewer, now);
        Self {
            id: order.id,
            number: order.number.clone(),
            customer_id: order.customer_id,
            status: order.status,
            payment_status: order.payment_status,
            fulfillment_status: order.fulfillment_status,
            return_status: order.return_status,
            hold_reason: order.hold_reason.clone(),
            offline_method: order.offline_method,
            total: money(order.total_minor),
            original_total: money(order.original_total_minor),
            balance_due: money(order.balance_due()),
            authorized: money(order.sums.authorized),
            captured: money(order.sums.captured),
            refunded: money(order.sums.refunded),
            refunding: money(order.sums.refunding),
            lines: order.lines.iter().map(|line| line_view(line, &order.currency)).collect(),
            charges: adjustments(true),
            credits: adjustments(false),
            shipments: order.shipments.iter().map(|one| OrderShipment::of(order, one, viewer)).collect(),
            returns: order.returns.iter().map(|one| OrderReturn::of(order, one, viewer)).collect(),
            tags: viewer.is_staff().then(|| order.tags.clone()),
            allowed_actions: guidance.allowed,
            refused_actions: guidance.refused.into_iter().map(RefusedAction::from).collect(),
            effects: None,
            ship_to: order.ship_to.clone(),
            note: order.note.clone(),
            placed_at: order.placed_at,
            expires_at: order.expires_at,
            confirmed_at: order.confirmed_at,
            closed_at: order.closed_at,
            updated_at: order.updated_at,
        }
    }
}

/// An order in a list; the whole of it is at `/v1/orders/{id}`
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderSummary {
    /// Its identifier
    pub id: OrderId,
    /// The number people use
    pub number: String,
    /// Who bought
    pub customer_id: UserId,
    /// Where it stands
    pub status: OrderStatus,
    /// What the ledger of money says
    pub payment_status: PaymentStatus,
    /// What has been sent
    pub fulfillment_status: FulfillmentStatus,
    /// What has come back
    pub return_status: ReturnStatus,
    /// Why staff hold it back
    pub hold_reason: Option<String>,
    /// What staff have filed it under; shown to staff
    pub tags: Option<Vec<String>>,
    /// What it costs
    pub total: Money,
    /// What is still owed; below zero when money is to go back
    pub balance_due: Money,
    /// When it was placed
    pub placed_at: DateTime<Utc>,
    /// When it expires unless it is paid
    pub expires_at: Option<DateTime<Utc>>,
}

impl From<OrderRow> for OrderSummary {
    fn from(row: OrderRow) -> Self {
        let money = |minor| money(minor, &row.currency);
        Self {
            id: row.id,
            total: money(row.total_minor),
            balance_due: money(row.total_minor - (row.captured_minor - row.refunded_minor)),
            number: row.number,
            customer_id: row.customer_id,
            status: row.status,
            payment_status: row.payment_status,
            fulfillment_status: row.fulfillment_status,
            return_status: row.return_status,
            hold_reason: row.hold_reason,
            tags: None,
            placed_at: row.placed_at,
            expires_at: row.expires_at,
        }
    }
}

impl OrderSummary {
    /// The order as it is listed for staff.
    pub fn for_staff(mut row: OrderRow) -> Self {
        let tags = std::mem::take(&mut row.tags).into_iter().flatten().collect();
        Self { tags: Some(tags), ..Self::from(row) }
    }
}

/// A page of orders, newest first
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderList {
    /// The orders
    pub data: Vec<OrderSummary>,
    /// Send it as `cursor` to read on; absent at the end
    pub next_cursor: Option<String>,
}

/// A seller's share of an order: their own lines, and no others
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SellerOrderView {
    /// The order's identifier
    pub id: OrderId,
    /// The number people use
    pub number: String,
    /// Where it stands
    pub status: OrderStatus,
    /// What the ledger of money says
    pub payment_status: PaymentStatus,
    /// The seller's lines
    pub lines: Vec<OrderLineView>,
    /// The sum of those lines
    pub lines_total: Money,
    /// Where it goes; shown once the order is confirmed
    pub ship_to: Option<Address>,
    /// When it was placed
    pub placed_at: DateTime<Utc>,
}

impl From<SellerShare> for SellerOrderView {
    fn from(share: SellerShare) -> Self {
        let SellerShare { order, lines } = share;
        let lines: Vec<Line> = lines.into_iter().map(Line::from).collect();
        let is_confirmed = matches!(order.status, OrderStatus::Confirmed | OrderStatus::Completed);
        Self {
            id: order.id,
            status: order.status,
            payment_status: order.payment_status,
            lines_total: money(lines.iter().map(Line::active_minor).sum(), &order.currency),
            lines: lines.iter().map(|line| line_view(line, &order.currency)).collect(),
            ship_to: is_confirmed.then(|| serde_json::from_value(order.ship_to).ok()).flatten(),
            placed_at: order.placed_at,
            number: order.number,
        }
    }
}

/// A page of a seller's orders, newest first
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SellerOrderList {
    /// The orders
    pub data: Vec<SellerOrderView>,
    /// Send it as `cursor` to read on; absent at the end
    pub next_cursor: Option<String>,
}

/// Something that happened to an order
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderEventView {
    /// Its place in the history, from 1
    pub seq: i32,
    /// What happened
    pub kind: EventKind,
    /// In which role somebody did it
    pub actor_kind: ActorKind,
    /// Who did it; shown to staff
    pub actor_id: Option<uuid::Uuid>,
    /// In which request; shown to staff
    pub request_id: Option<String>,
    /// What changed
    pub data: serde_json::Value,
    /// When
    pub at: DateTime<Utc>,
}

impl OrderEventView {
    /// The event as staff or the buyer may see it.
    pub fn of(row: EventRow, to_staff: bool) -> Self {
        Self {
            seq: row.seq,
            kind: row.kind,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id.filter(|_| to_staff),
            request_id: row.request_id.filter(|_| to_staff),
            data: row.data,
            at: row.at,
        }
    }
}

/// A page of an order's history, oldest first
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderEventList {
    /// The events
    pub data: Vec<OrderEventView>,
    /// Send it as `cursor` to read on; absent at the end
    pub next_cursor: Option<String>,
}

/// The payments and refunds of an order
#[derive(Debug, Clone, Object)]
pub struct OrderPaymentList {
    /// Its payments, oldest first
    pub data: Vec<payments::PaymentView>,
    /// Its refunds, oldest first
    pub refunds: Vec<payments::RefundView>,
}

#[cfg(test)]
mod tests {
    use kernel::idempotency::JsonBytes;
    use poem_openapi::types::ToJSON;
    use serde_json::Value;

    use super::*;
    use crate::{
        order::tests::order,
        returns::{Return, ReturnId, ReturnState},
        shipment::{Shipment, ShipmentId, ShipmentState},
    };

    #[test]
    fn an_order_is_the_same_json_written_straight_or_by_way_of_a_tree() {
        let bare = order();
        let at = bare.placed_at + chrono::TimeDelta::microseconds(1_764_000_000_123_400);
        let mut full = bare.clone();
        full.hold_reason = Some("\"why\"\n".to_owned());
        full.note = Some("Bitte läuten".to_owned());
        (full.expires_at, full.confirmed_at, full.closed_at, full.updated_at) = (Some(at), Some(at), Some(at), at);
        full.tags = vec!["gift".to_owned()];
        full.shipments = vec![Shipment {
            id: ShipmentId::new(),
            business_id: BusinessId::new(),
            state: ShipmentState::Shipped,
            carrier: Some("Post".to_owned()),
            tracking_number: None,
            tracking_url: None,
            reason: None,
            packed_at: at,
            shipped_at: Some(at),
            delivered_at: None,
            updated_at: at,
            lines: vec![],
        }];
        full.returns = vec![Return {
            id: ReturnId::new(),
            business_id: BusinessId::new(),
            state: ReturnState::Requested,
            reason: "too small".to_owned(),
            decision: None,
            requested_by: None,
            requested_at: at,
            updated_at: at,
            lines: vec![],
        }];
        for order in [bare, full] {
            let mut view = OrderView::of(&order, &Viewer::buyer(order.customer_id), at);
            view.tags = Some(order.tags.clone());
            view.effects = Some(OrderEffects {
                stock: vec![],
                total: Some(view.total),
                authorized: None,
                capturing: None,
                captured: None,
                refunding: Some(view.total),
            });
            let written: Value = serde_json::from_slice(JsonBytes::written(&view).unwrap().bytes()).unwrap();
            assert_eq!(Some(written), view.to_json());
        }
    }
}
