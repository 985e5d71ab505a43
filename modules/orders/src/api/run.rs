//! How the routes run a command and answer it.

use kernel::{
    Caller,
    idempotency::{IdempotencyKey, JsonBytes},
};
use poem_openapi::{
    ApiResponse,
    param::{Header, Query},
    types::ToJSON,
};

use super::{
    dto::OrderView,
    parcels_dto::{ReturnView, ShipmentView},
    problem::OrderCommandProblem,
    replay,
    seller_dto::SellerOrder,
    ticket,
};
use crate::{
    Orders,
    command::{Command, Subject, execute},
    once::Answer,
};

/// What comes with every command.
pub struct Envelope {
    /// Who asks.
    pub caller: Caller,
    /// What makes this request this request.
    pub key: Header<Option<IdempotencyKey>>,
    /// Whether nothing is to be changed.
    pub dry_run: Query<Option<bool>>,
}

impl Envelope {
    /// Runs the command; `operation` is the operation's id.
    pub async fn run<C: Command>(
        self,
        orders: &Orders,
        operation: &str,
        subject: Subject,
        body: &impl ToJSON,
        command: C,
    ) -> Result<Answer<C::View>, OrderCommandProblem> {
        let dry_run = self.dry_run.0.unwrap_or(false);
        let operation = match subject {
            Subject::Order(id) => format!("{operation} {id}"),
            Subject::Shipment(id) => format!("{operation} {id}"),
            Subject::Return(id) => format!("{operation} {id}"),
        };
        let ticket = ticket(self.caller, self.key.0.as_ref(), dry_run, &operation, body)?;
        Ok(execute(orders, self.caller, subject, ticket, command).await?)
    }
}

macro_rules! answers {
    ($($(#[$meta:meta])* $name:ident => $view:ty;)+) => {
        $(
            $(#[$meta])*
            #[derive(ApiResponse)]
            pub enum $name {
                /// As it is now (or, in a dry run, as it would be)
                #[oai(status = 200)]
                Done(
                    JsonBytes<$view>,
                    /// `true` when this is what an earlier request with the same key was answered
                    #[oai(header = "Idempotency-Replayed")]
                    Option<String>,
                ),
            }
            impl From<Answer<$view>> for $name {
                fn from(answer: Answer<$view>) -> Self {
                    Self::Done(answer.body, replay(answer.replayed))
                }
            }
        )+
    };
}

answers! {
    /// The order, worked on.
    OrderAnswer => OrderView;
    /// The seller's share, worked on.
    SellerOrderAnswer => SellerOrder;
    /// The parcel, worked on.
    ShipmentAnswer => ShipmentView;
    /// The return, worked on.
    ReturnAnswer => ReturnView;
}

macro_rules! creations {
    ($($(#[$meta:meta])* $name:ident => $view:ty;)+) => {
        $(
            $(#[$meta])*
            #[derive(ApiResponse)]
            pub enum $name {
                /// It was made
                #[oai(status = 201)]
                Created(
                    JsonBytes<$view>,
                    /// `true` when this is what an earlier request with the same key was answered
                    #[oai(header = "Idempotency-Replayed")]
                    Option<String>,
                ),
                /// A dry run: as it would have been made; nothing was changed
                #[oai(status = 200)]
                WouldCreate(JsonBytes<$view>),
            }
            impl $name {
                /// The answer of a command that ran, or did not.
                pub fn of(answer: Answer<$view>, dry_run: bool) -> Self {
                    if dry_run { Self::WouldCreate(answer.body) } else { Self::Created(answer.body, replay(answer.replayed)) }
                }
            }
        )+
    };
}

creations! {
    /// A new parcel.
    ShipmentCreated => ShipmentView;
    /// A new return.
    ReturnCreated => ReturnView;
}
