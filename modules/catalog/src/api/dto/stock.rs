//! Stock on the wire.

use chrono::{DateTime, Utc};
use kernel::{OrderId, UserId, VariantId};
use poem_openapi::{Enum, Object, types::Example};

use crate::{
    stock::{Count, Movement, MovementKind, Receipt, StockLevels},
    words::StockReason,
};

/// How much of a variant is there, and how much of it is promised
#[derive(Debug, Object)]
pub(in crate::api) struct StockView {
    /// Which variant
    variant_id: VariantId,
    /// What is there
    on_hand: i32,
    /// What is promised to open orders
    reserved: i32,
    /// What is there and not promised: `on_hand` less `reserved`; below zero when units are on back order
    available: i32,
    /// How much may be promised beyond what is there
    backorder_limit: i32,
    /// How often the counters changed; the ETag
    version: i64,
}

impl From<&StockLevels> for StockView {
    fn from(levels: &StockLevels) -> Self {
        let available = levels.available();
        let StockLevels { variant_id, on_hand, reserved, backorder_limit, version } = *levels;
        Self { variant_id, on_hand, reserved, available, backorder_limit, version }
    }
}

/// Why stock changed
#[derive(Debug, Clone, Copy, Enum)]
#[oai(remote = "MovementKind", rename = "StockMovementKind", rename_all = "snake_case")]
pub(in crate::api) enum StockMovementKind {
    /// Goods came in
    Receive,
    /// Somebody counted
    Adjust,
    /// An order was placed
    Reserve,
    /// An order was cancelled or expired
    Release,
    /// A shipment left
    Ship,
    /// A buyer sent something back that can be sold again
    Return,
}

/// One change of a variant's stock
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct StockMovementView {
    /// Why
    kind: StockMovementKind,
    /// Difference of what is there
    on_hand_delta: i32,
    /// Difference of what is promised
    reserved_delta: i32,
    /// What was there afterwards
    on_hand_after: i32,
    /// What was promised afterwards
    reserved_after: i32,
    /// The number of this change among the variant's
    version_after: i64,
    /// The order it was for
    order_id: Option<OrderId>,
    /// Why, in the words of who did it
    reason: Option<String>,
    /// Who did it; absent when the system did
    actor: Option<UserId>,
    /// When
    at: DateTime<Utc>,
}

impl From<Movement> for StockMovementView {
    fn from(movement: Movement) -> Self {
        let Movement { kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, .. } = movement;
        let Movement { version_after, order_id, reason, actor, at, .. } = movement;
        Self {
            kind: kind.into(),
            on_hand_delta,
            reserved_delta,
            on_hand_after,
            reserved_after,
            version_after,
            order_id,
            reason,
            actor,
            at,
        }
    }
}

/// A page of a variant's movements
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct StockMovementList {
    /// The movements, the latest first
    pub(in crate::api) data: Vec<StockMovementView>,
    /// Send this as `cursor` for the next page; absent on the last one
    pub(in crate::api) next_cursor: Option<String>,
}

/// Goods that came in
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewReceipt", deny_unknown_fields, example)]
pub(in crate::api) struct ReceiptBody {
    /// How many
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    quantity: i32,
    /// Where they came from, or whatever is worth knowing
    reason: Option<StockReason>,
}

impl Example for ReceiptBody {
    fn example() -> Self {
        Self { quantity: 40, reason: StockReason::parse("Delivery note 4711").ok() }
    }
}

impl From<ReceiptBody> for Receipt {
    fn from(ReceiptBody { quantity, reason }: ReceiptBody) -> Self {
        Self { quantity, reason }
    }
}

/// What somebody counted
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewStockCount", deny_unknown_fields, example)]
pub(in crate::api) struct CountBody {
    /// What is there
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000")))]
    on_hand: i32,
    /// Why somebody counted, or why the book was wrong
    reason: StockReason,
}

impl Example for CountBody {
    #[expect(clippy::expect_used, reason = "fixed examples; the API document is built in every test run")]
    fn example() -> Self {
        Self { on_hand: 38, reason: StockReason::parse("Stocktaking; two were broken").expect("valid") }
    }
}

impl From<CountBody> for Count {
    fn from(CountBody { on_hand, reason }: CountBody) -> Self {
        Self { on_hand, reason }
    }
}
