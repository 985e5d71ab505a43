//! The history of an order: every command appends an event, numbered without gaps.

use chrono::{DateTime, Utc};
use kernel::{Caller, OrderId, Role, UserId};
use serde_json::Value;

use crate::status::words;

words! {
    /// What happened
    pub enum EventKind {
        /// The order was placed and its stock promised
        Placed = "placed",
        /// A payment was begun
        PaymentStarted = "payment_started",
        /// The gateway took the money
        PaymentCaptured = "payment_captured",
        /// The gateway or the buyer declined
        PaymentFailed = "payment_failed",
        /// The gateway reported another amount or currency than was asked for
        PaymentMismatch = "payment_mismatch",
        /// The order was confirmed
        Confirmed = "confirmed",
        /// The order was called off
        Cancelled = "cancelled",
        /// The order was not paid in time
        Expired = "expired",
        /// Late money came, and the stock could be promised again
        Revived = "revived",
        /// Money is to go back
        RefundRequested = "refund_requested",
        /// Money went back
        Refunded = "refunded",
        /// The gateway would not give money back
        RefundFailed = "refund_failed",
    }
}

words! {
    /// Who did it
    pub enum ActorKind {
        /// The buyer
        Customer = "customer",
        /// A seller
        Seller = "seller",
        /// An operator
        Operator = "operator",
        /// An administrator
        Admin = "admin",
        /// The system itself
        System = "system",
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// In which role.
    pub kind: ActorKind,
    /// Who; nobody when it was the system.
    pub id: Option<UserId>,
}

impl Actor {
    /// The system: a job, the gateway's word, the passing of time.
    pub const SYSTEM: Self = Self { kind: ActorKind::System, id: None };
}

impl From<Caller> for Actor {
    fn from(caller: Caller) -> Self {
        let kind = match caller.role {
            Role::Customer => ActorKind::Customer,
            Role::Operator => ActorKind::Operator,
            Role::Admin => ActorKind::Admin,
        };
        Self { kind, id: Some(caller.user_id) }
    }
}

/// An event on its way into the history.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Whose history.
    pub order_id: OrderId,
    /// Its place, from 1.
    pub seq: i32,
    /// What happened.
    pub kind: EventKind,
    /// Who did it.
    pub actor: Actor,
    /// In which request.
    pub request_id: Option<String>,
    /// What changed.
    pub data: Value,
    /// When.
    pub at: DateTime<Utc>,
}
