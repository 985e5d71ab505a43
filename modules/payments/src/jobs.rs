//! The jobs that payments ask for. `orders` runs them, because the order's row is locked first.

use kernel::{Job, Queue};
use serde::{Deserialize, Serialize};

use crate::{AttemptId, CaptureId, EventId, RefundId};

/// Applies a webhook of the inbox to the attempt and to its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlePayment {
    /// The webhook.
    pub event_id: EventId,
}

impl Job for SettlePayment {
    const KIND: &'static str = "payments.settle_payment";
    const QUEUE: Queue = Queue::Urgent;
    const MAX_ATTEMPTS: i16 = 100;

    fn unique_key(&self) -> Option<String> {
        Some(self.event_id.to_string())
    }
}

/// Asks the gateways about what is not settled; runs periodically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {}

impl Job for Reconcile {
    const KIND: &'static str = "payments.reconcile";
    const QUEUE: Queue = Queue::Urgent;
}

/// Asks the gateway to give money back, again and again until it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendRefund {
    /// The refund.
    pub refund_id: RefundId,
}

impl Job for SendRefund {
    const KIND: &'static str = "payments.send_refund";
    const QUEUE: Queue = Queue::Urgent;
    const MAX_ATTEMPTS: i16 = 100;

    fn unique_key(&self) -> Option<String> {
        Some(self.refund_id.to_string())
    }
}

/// Asks the gateway to take money that is held, again and again until it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendCapture {
    /// The attempt.
    pub attempt_id: AttemptId,
    /// The capture: a later one, after this was declined, is a job of its own.
    pub capture_id: CaptureId,
}

impl Job for SendCapture {
    const KIND: &'static str = "payments.send_capture";
    const QUEUE: Queue = Queue::Urgent;
    const MAX_ATTEMPTS: i16 = 100;

    fn unique_key(&self) -> Option<String> {
        Some(self.capture_id.to_string())
    }
}

/// Asks the gateway to let go of money that is held, again and again until it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendVoid {
    /// The attempt.
    pub attempt_id: AttemptId,
}

impl Job for SendVoid {
    const KIND: &'static str = "payments.send_void";
    const QUEUE: Queue = Queue::Urgent;
    const MAX_ATTEMPTS: i16 = 100;

    fn unique_key(&self) -> Option<String> {
        Some(self.attempt_id.to_string())
    }
}
