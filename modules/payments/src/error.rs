//! The module's one error.

use kernel::DbError;

use crate::{AttemptId, EventId, RefundId};

/// Why payments could not do it.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// The database.
    #[error("payments could not be read or written")]
    Db(#[from] DbError),
    /// An amount that is not above zero.
    #[error("the amount is not above zero")]
    AmountNotPositive,
    /// More is to go back than came in and is not promised to other refunds.
    #[error("{asked_minor} is more than the {refundable_minor} that can be refunded")]
    RefundExceedsCaptured {
        /// What was asked for.
        asked_minor: i64,
        /// What could be given back.
        refundable_minor: i64,
    },
    /// More is to be taken than is held and not being taken already.
    #[error("{asked_minor} is more than the {capturable_minor} that can be captured")]
    CaptureExceedsAuthorized {
        /// What was asked for.
        asked_minor: i64,
        /// What could be taken.
        capturable_minor: i64,
    },
    /// The attempt holds no money that could be taken or let go.
    #[error("the payment attempt {0} holds no money, or its capture or release is under way")]
    NotAuthorized(AttemptId),
    /// No such attempt.
    #[error("there is no payment attempt {0}")]
    UnknownAttempt(AttemptId),
    /// No such refund.
    #[error("there is no refund {0}")]
    UnknownRefund(RefundId),
    /// No such event in the inbox.
    #[error("there is no event {0}")]
    UnknownEvent(EventId),
    /// A webhook for a gateway that we do not have.
    #[error("there is no such gateway")]
    UnknownGateway,
    /// A webhook whose signature does not hold.
    #[error("the signature does not hold: {0}")]
    InvalidSignature(#[from] crate::signature::SignatureError),
}

kernel::db_error!(PaymentError);
