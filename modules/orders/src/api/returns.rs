//! The routes of returns.

use kernel::{Customer, OrderId, Seller, Text, idempotency::IdempotencyKey};
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Tag,
    commands_dto::{DecideReturn, ReceiveReturn, RequestReturn, units},
    parcels_dto::ReturnView,
    problem::{OrderCommandProblem, OrderReadProblem},
    run::{Envelope, ReturnAnswer, ReturnCreated},
};
use crate::{
    Orders,
    command::Subject,
    query,
    returning::{self, ReceivedUnits},
    returns::ReturnId,
};

/// The routes of returns.
pub struct ReturnsApi {
    orders: Orders,
}

impl ReturnsApi {
    /// The routes over these orders.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Returns")]
impl ReturnsApi {
    /// Ask to send goods back
    ///
    /// Your own, or anybody's for staff: units of one seller's lines that have arrived. The money is given back by a refund, which is
    /// a request of its own.
    #[oai(path = "/orders/:id/returns", method = "post", operation_id = "requestReturn")]
    async fn request_return(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<RequestReturn>,
    ) -> Result<ReturnCreated, OrderCommandProblem> {
        let is_dry = dry_run.0.unwrap_or(false);
        let envelope = Envelope { caller: customer.0, key, dry_run };
        let command =
            returning::RequestReturn { lines: units(body.0.lines.clone()), reason: body.0.reason.as_str().to_owned() };
        let answer = envelope.run(&self.orders, "requestReturn", Subject::Order(id.0), &body.0, command).await?;
        Ok(ReturnCreated::of(answer, is_dry))
    }

    /// Get a return
    ///
    /// For the buyer, the seller, or staff.
    #[oai(path = "/returns/:id", method = "get", operation_id = "getReturn")]
    async fn get_return(
        &self,
        seller: Seller,
        /// The return
        id: Path<ReturnId>,
    ) -> Result<Json<ReturnView>, OrderReadProblem> {
        let (order, viewer) = query::look(&self.orders, seller.0, Subject::Return(id.0)).await?;
        if !viewer.is_buyer {
            viewer.must_sell(returning::find(&order, id.0)?.business_id)?;
        }
        Ok(Json(ReturnView::of(&order, &viewer, id.0)?))
    }

    /// Agree to a return
    ///
    /// For the seller of the goods, or staff.
    #[oai(path = "/returns/:id/approve", method = "post", operation_id = "approveReturn")]
    async fn approve_return(
        &self,
        seller: Seller,
        /// The return
        id: Path<ReturnId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<DecideReturn>,
    ) -> Result<ReturnAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = returning::DecideReturn {
            id: id.0,
            approve: true,
            decision: body.0.decision.clone().map(Text::into_string),
        };
        Ok(envelope.run(&self.orders, "approveReturn", Subject::Return(id.0), &body.0, command).await?.into())
    }

    /// Do not agree to a return
    ///
    /// For the seller of the goods, or staff.
    #[oai(path = "/returns/:id/reject", method = "post", operation_id = "rejectReturn")]
    async fn reject_return(
        &self,
        seller: Seller,
        /// The return
        id: Path<ReturnId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<DecideReturn>,
    ) -> Result<ReturnAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = returning::DecideReturn {
            id: id.0,
            approve: false,
            decision: body.0.decision.clone().map(Text::into_string),
        };
        Ok(envelope.run(&self.orders, "rejectReturn", Subject::Return(id.0), &body.0, command).await?.into())
    }

    /// Take goods back
    ///
    /// For the seller of the goods, or staff, in one go or in several. What can be sold again goes to the shelf; the order's total falls
    /// by both.
    #[oai(path = "/returns/:id/receive", method = "post", operation_id = "receiveReturn")]
    async fn receive_return(
        &self,
        seller: Seller,
        /// The return
        id: Path<ReturnId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<ReceiveReturn>,
    ) -> Result<ReturnAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = returning::ReceiveReturn {
            id: id.0,
            lines: body.0.lines.iter().cloned().map(ReceivedUnits::from).collect(),
        };
        Ok(envelope.run(&self.orders, "receiveReturn", Subject::Return(id.0), &body.0, command).await?.into())
    }

    /// Close a return
    ///
    /// For the seller of the goods, or staff. What has not come back is no longer waited for.
    #[oai(path = "/returns/:id/close", method = "post", operation_id = "closeReturn")]
    async fn close_return(
        &self,
        seller: Seller,
        /// The return
        id: Path<ReturnId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<DecideReturn>,
    ) -> Result<ReturnAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = returning::CloseReturn { id: id.0, decision: body.0.decision.clone().map(Text::into_string) };
        Ok(envelope.run(&self.orders, "closeReturn", Subject::Return(id.0), &body.0, command).await?.into())
    }

    /// Call a return off
    ///
    /// Your own, or anybody's for staff, before anything came back.
    #[oai(path = "/returns/:id/cancel", method = "post", operation_id = "cancelReturn")]
    async fn cancel_return(
        &self,
        customer: Customer,
        /// The return
        id: Path<ReturnId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
    ) -> Result<ReturnAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: customer.0, key, dry_run };
        let command = returning::CancelReturn { id: id.0 };
        Ok(envelope.run(&self.orders, "cancelReturn", Subject::Return(id.0), &String::new(), command).await?.into())
    }
}
