//! Why an order is as it is, on the wire.

use kernel::{Money, OrderId, VariantId};
use poem_openapi::Object;

/// Why an order is as it is
#[derive(Debug, Clone, Object)]
pub struct OrderExplanation {
    /// The order
    pub order_id: OrderId,
    /// The number people use
    pub number: String,
    /// What it costs
    pub total: Money,
    /// What that is made of; the amounts add up to it
    pub total_steps: Vec<ExplainedStep>,
    /// What is still owed; below zero when money is to go back
    pub balance_due: Money,
    /// What that is made of; the amounts add up to it
    pub balance_steps: Vec<ExplainedStep>,
    /// Its statuses, and what each follows from
    pub statuses: Vec<ExplainedStatus>,
    /// What it did to the shelf, line by line
    pub stock: Vec<ExplainedStock>,
}

/// A step of a sum
#[derive(Debug, Clone, Object)]
pub struct ExplainedStep {
    /// What it is
    pub text: String,
    /// What it adds
    pub amount: Money,
}

/// A status, and why
#[derive(Debug, Clone, Object)]
pub struct ExplainedStatus {
    /// Which: status, payment_status, fulfillment_status, return_status
    pub name: String,
    /// What it is
    pub value: String,
    /// Why
    pub because: String,
}

/// What a line did to the shelf, and why
#[derive(Debug, Clone, Object)]
pub struct ExplainedStock {
    /// The line's place in its order
    pub position: i16,
    /// The variant
    pub variant_id: VariantId,
    /// Stock keeping unit
    pub sku: String,
    /// How many are promised to it now
    pub reserved: i32,
    /// By how much there is more (or less) on the shelf because of it
    pub on_hand: i32,
    /// Why
    pub because: String,
}
