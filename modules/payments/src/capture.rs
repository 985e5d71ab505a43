//! What a gateway said when it was asked to take, or to let go of, money that is held.

use kernel::Money;

use crate::{CaptureId, Captured, GatewayError, Voided, gateway::chain};

/// What the gateway said to a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureOutcome {
    /// The money is in.
    Succeeded {
        /// Our capture.
        capture_id: CaptureId,
        /// The gateway's name for the capture.
        reference: String,
        /// What it took.
        amount: Money,
    },
    /// Declined, for good.
    Failed {
        /// Our capture.
        capture_id: CaptureId,
        /// Why.
        reason: String,
    },
    /// Nobody knows. Ask again with the same key.
    NoAnswer {
        /// What went wrong on the way.
        why: String,
    },
    /// No capture is under way: the gateway was not asked.
    NotWanted,
}

impl CaptureOutcome {
    /// What became of asking for `capture_id`.
    pub(crate) fn new(capture_id: CaptureId, answer: Result<Captured, GatewayError>) -> Self {
        match answer {
            Ok(Captured { reference, amount }) => Self::Succeeded { capture_id, reference, amount },
            Err(GatewayError::Refused(reason)) => Self::Failed { capture_id, reason },
            Err(GatewayError::NoAnswer(source)) => Self::NoAnswer { why: chain(source.as_ref()) },
        }
    }
}

/// What the gateway said to a void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoidOutcome {
    /// Nothing is held any more.
    Succeeded,
    /// Declined, for good.
    Failed {
        /// Why.
        reason: String,
    },
    /// Nobody knows. Ask again.
    NoAnswer {
        /// What went wrong on the way.
        why: String,
    },
    /// No void is under way: the gateway was not asked.
    NotWanted,
}

impl From<Result<Voided, GatewayError>> for VoidOutcome {
    fn from(answer: Result<Voided, GatewayError>) -> Self {
        match answer {
            Ok(Voided { .. }) => Self::Succeeded,
            Err(GatewayError::Refused(reason)) => Self::Failed { reason },
            Err(GatewayError::NoAnswer(source)) => Self::NoAnswer { why: chain(source.as_ref()) },
        }
    }
}
