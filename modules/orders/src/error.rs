//! What can go wrong with an order.

use kernel::{DbError, Money, db::MaybeLostRace};

use crate::{
    place::decide::Refusal,
    returns::InvalidReturnMove,
    shipment::InvalidShipmentMove,
    status::{InvalidTransition, OrderStatus},
};

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
    /// The parcel cannot do that from where it stands.
    #[error(transparent)]
    Shipment(#[from] InvalidShipmentMove),
    /// The return cannot do that from where it stands.
    #[error(transparent)]
    Return(#[from] InvalidReturnMove),
    /// The caller knows of it and may not do it.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// The order has no line at this position.
    #[error("no line at position {0}")]
    NoSuchLine(i16),
    /// The parcel or return has no line at this position.
    #[error("nothing of line {0} in it")]
    NotInIt(i16),
    /// Fewer units are there for this than were asked for.
    #[error("line {position}: {asked} asked for, {left} left")]
    TooFewUnits {
        /// The line.
        position: i16,
        /// How many were asked for.
        asked: i32,
        /// How many there are.
        left: i32,
    },
    /// A parcel or a return is one seller's.
    #[error("lines of several sellers")]
    SeveralSellers,
    /// Only a confirmed order is worked on.
    #[error("the order is {0}")]
    NotConfirmed(OrderStatus),
    /// The order is on hold.
    #[error("the order is on hold: {0}")]
    OnHold(String),
    /// The order is not on hold.
    #[error("the order is not on hold")]
    NotOnHold,
    /// The order is not paid for any more.
    #[error("the order is not covered by money that is there or held")]
    NotCovered,
    /// Everything is packed or called off.
    #[error("nothing to pack")]
    NothingToPack,
    /// Nothing can be called off line by line.
    #[error("nothing to call off")]
    NothingToCancel,
    /// Nothing has arrived that could come back.
    #[error("nothing to return")]
    NothingToReturn,
    /// Everything of a return is back.
    #[error("nothing is missing")]
    NothingToReceive,
    /// Something has not been sent yet.
    #[error("something has not been sent")]
    NotAllSent,
    /// More is to go back than is there.
    #[error("{asked} to be refunded, {left} left")]
    RefundTooLarge {
        /// How much was asked for.
        asked: Money,
        /// How much there is.
        left: Money,
    },
    /// More is to be taken than is held or owed.
    #[error("{asked} to be taken, {left} possible")]
    CaptureTooLarge {
        /// How much was asked for.
        asked: Money,
        /// How much is possible.
        left: Money,
    },
    /// More is to be paid than is owed.
    #[error("{asked} to be paid, {left} owed")]
    PaymentTooLarge {
        /// How much was asked for.
        asked: Money,
        /// How much is owed.
        left: Money,
    },
    /// A line of what came back has no units.
    #[error("nothing of line {0} came back")]
    NothingReceived(i16),
    /// The wish for a refund contradicts itself.
    #[error("bad refund: {0}")]
    BadRefund(&'static str),
    /// Nothing is held.
    #[error("nothing is held")]
    NothingHeld,
    /// Nothing can be given back.
    #[error("nothing can be given back")]
    NothingToRefund,
    /// An amount of money is in another currency than the order.
    #[error("the order is in {0}")]
    OtherCurrency(String),
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
    DryRun(Vec<u8>),
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
