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
    /// The payment is over.
    #[error("the payment is {}", .0.as_str())]
    NotPending(PaymentStatus),
}

kernel::db_error!(GatewayError);
