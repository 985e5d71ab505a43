//! The module's one error.

use kernel::DbError;

use crate::payment::PaymentStatus;

/// Why the gateway did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// The database.
    #[error("the gateway's book could not be read or written")]
    Db(#[from] DbError),
    /// The key was used for something else.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// No such payment.
    #[error("there is no such payment")]
    UnknownPayment,
    /// The payment does not hold money.
    #[error("the payment is {}", .0.as_str())]
    NotAuthorized(PaymentStatus),
    /// More is to be taken than the payment holds.
    #[error("{asked_minor} is more than the {authorized_minor} that the payment holds")]
    CaptureExceedsAuthorized {
        /// What was asked for.
        asked_minor: i64,
        /// What is held.
        authorized_minor: i64,
    },
    /// The bank says no, because it is made to.
    #[error("declined")]
    Declined,
    /// The payment is over.
    #[error("the payment is {}", .0.as_str())]
    NotPending(PaymentStatus),
}

kernel::db_error!(GatewayError);
