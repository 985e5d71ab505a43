//! What a command did, and what the caller may not do: on the wire.

use std::collections::BTreeMap;

use kernel::{Money, Problem, VariantId};
use poem_openapi::Object;
use serde::Serialize;

use super::dto::money;
use crate::{change::Change, error::OrderError, order::Order, viewer::Viewer};

/// What a command did to stock and money, or would do
#[derive(Debug, Clone, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderEffects {
    /// What changed on the shelf
    pub stock: Vec<OrderStockEffect>,
    /// By how much the order's total changed; not shown to sellers
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// By how much more (or less) a gateway holds for us; not shown to sellers
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorized: Option<Money>,
    /// How much more is being taken of what is held; not shown to sellers
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capturing: Option<Money>,
    /// How much more was taken; not shown to sellers
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// How much more is on its way back; not shown to sellers
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunding: Option<Money>,
}

/// What changed on the shelf, of one variant
#[derive(Debug, Clone, Object, Serialize)]
pub struct OrderStockEffect {
    /// The variant
    pub variant_id: VariantId,
    /// Difference of what is there
    pub on_hand: i32,
    /// Difference of what is promised
    pub reserved: i32,
}

impl OrderEffects {
    /// What the change did. The money of an order is not its sellers' business.
    pub fn of(change: &Change, viewer: &Viewer) -> Self {
        let (was, is) = (&change.before, &change.order);
        let is_theirs = viewer.must_own().is_ok();
        let difference = |of: fn(&Order) -> i64| is_theirs.then(|| money(of(is) - of(was), &is.currency));
        let mut shelf: BTreeMap<VariantId, (i32, i32)> = BTreeMap::new();
        for (&(variant, what), &quantity) in &change.stock {
            let (on_hand, reserved) = what.deltas(quantity);
            let sum = shelf.entry(variant).or_default();
            *sum = (sum.0 + on_hand, sum.1 + reserved);
        }
        Self {
            stock: shelf
                .into_iter()
                .map(|(variant_id, (on_hand, reserved))| OrderStockEffect { variant_id, on_hand, reserved })
                .collect(),
            total: difference(|order| order.total_minor),
            authorized: difference(|order| order.sums.authorized),
            capturing: difference(|order| order.sums.capturing),
            captured: difference(|order| order.sums.captured),
            refunding: difference(|order| order.sums.refunding),
        }
    }
}

/// Something that cannot be done now
#[derive(Debug, Clone, Object, Serialize)]
pub struct RefusedAction {
    /// What
    pub action: String,
    /// The code of the problem that trying it would be answered with
    pub code: String,
    /// Why, and what to do
    pub reason: String,
}

impl<A: std::fmt::Display> From<(A, OrderError)> for RefusedAction {
    fn from((action, error): (A, OrderError)) -> Self {
        let problem = Problem::from(error);
        Self { action: action.to_string(), code: problem.code, reason: problem.detail.unwrap_or(problem.title) }
    }
}
