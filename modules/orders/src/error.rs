//! What can go wrong with an order.

use kernel::{DbError, db::MaybeLostRace};

use crate::{place::decide::Refusal, status::InvalidTransition};

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The database did not do it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The catalog could not do its part.
    #[error("the stock could not be moved")]
    Catalog(#[from] catalog::CatalogError),
    /// The payments could not do their part.
    #[error("the payment could not be changed")]
    Payment(#[from] payments::PaymentError),
    /// There is no such order, or it is not the caller's.
    #[error("no such order")]
    NotFound,
    /// There is no such export, it is somebody else's, or its file is gone.
    #[error("no such export")]
    NoExport,
    /// The object store did not take a file, or did not hand it out.
    #[error("the object store failed")]
    Files(#[from] object_store::Error),
    /// There is no such gateway.
    #[error("no gateway called {0}")]
    UnknownGateway(String),
    /// The placement was refused.
    #[error("the order was refused: {0:?}")]
    Refused(Refusal),
    /// More than 10,000 units of the variant that this line (and others) ask for.
    #[error("too many units in line {0}")]
    TooMany(usize),
    /// The order cannot do that from where it stands.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// Something was sent already, so it cannot be called off as a whole.
    #[error("something has been shipped")]
    Shipped,
    /// The order owes nothing.
    #[error("nothing is due")]
    NothingDue,
    /// The order takes no payment where it stands.
    #[error("not payable: {0}")]
    NotPayable(&'static str),
    /// The gateway said no.
    #[error("the gateway refused the payment: {0}")]
    GatewayRefused(String),
    /// The gateway did not answer.
    #[error("the gateway did not answer: {0}")]
    GatewaySilent(String),
    /// The key belongs to another request.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// The first request with this key has no answer yet.
    #[error("the first request with this key is still running")]
    InProgress,
    /// The intake is full.
    #[error("too many orders are waiting")]
    Overloaded,
    /// A rule of ours was broken by ourselves.
    #[error("the books do not agree: {0}")]
    Inconsistent(String),
    /// Not a failure: the transaction of a dry run ends here.
    #[error("dry run")]
    DryRun(Box<crate::order::Order>),
}

impl From<diesel::result::Error> for OrderError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<bb8::RunError<diesel_async::pooled_connection::PoolError>> for OrderError {
    fn from(error: bb8::RunError<diesel_async::pooled_connection::PoolError>) -> Self {
        Self::Db(error.into())
    }
}

impl MaybeLostRace for OrderError {
    fn is_lost_race(&self) -> bool {
        match self {
            Self::Db(error) => error.is_lost_race(),
            Self::Catalog(error) => error.is_lost_race(),
            Self::Payment(error) => error.is_lost_race(),
            _ => false,
        }
    }
}
