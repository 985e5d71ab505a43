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
        /// The gateway holds the money for us
        PaymentAuthorized = "payment_authorized",
        /// What is held is to be taken
        CaptureRequested = "capture_requested",
        /// The gateway would not take what it held
        CaptureFailed = "capture_failed",
        /// What is held is to be given up
        VoidRequested = "void_requested",
        /// What was held is given up
        PaymentVoided = "payment_voided",
        /// The gateway would not give up what it holds
        VoidFailed = "void_failed",
        /// Staff took money by hand
        PaymentRecorded = "payment_recorded",
        /// Units were called off
        LinesCancelled = "lines_cancelled",
        /// Staff hold the order back
        Held = "held",
        /// The order is worked on again
        Released = "released",
        /// Everything arrived and nothing is owed
        Completed = "completed",
        /// A parcel was packed
        ShipmentPacked = "shipment_packed",
        /// A parcel left
        ShipmentShipped = "shipment_shipped",
        /// A parcel arrived
        ShipmentDelivered = "shipment_delivered",
        /// A parcel was unpacked again
        ShipmentCancelled = "shipment_cancelled",
        /// A parcel was given up
        ShipmentLost = "shipment_lost",
        /// Goods are to come back
        ReturnRequested = "return_requested",
        /// The goods may be sent back
        ReturnApproved = "return_approved",
        /// The goods are to be kept
        ReturnRejected = "return_rejected",
        /// Goods are back
        ReturnReceived = "return_received",
        /// Nothing more is expected back
        ReturnClosed = "return_closed",
        /// The buyer keeps the goods after all
        ReturnCancelled = "return_cancelled",
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
