//! Working on orders: calling off, holding, confirming, completing, and the money by hand.

use kernel::{BusinessId, Customer, Operator, OrderId, Seller, Text, idempotency::IdempotencyKey};
use payments::AttemptId;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Tag,
    commands_dto::{
        CancelOrderLines, CapturePayment, CompleteOrder, ConfirmOrder, HoldOrder, RecordPayment, RefundOrder,
        VoidPayment, units,
    },
    dto::CancelOrder,
    problem::OrderCommandProblem,
    run::{Envelope, OrderAnswer, SellerOrderAnswer},
};
use crate::{
    Orders,
    cancel::Cancel,
    cancel_lines::{CancelLines, CancelSellerLines},
    command::Subject,
    complete::Complete,
    hold::{Hold, Release},
    paying,
};

/// The commands on an order.
pub struct CommandsApi {
    orders: Orders,
}

impl CommandsApi {
    /// The routes over these orders.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Orders")]
impl CommandsApi {
    /// Cancel an order
    ///
    /// Your own, or anybody's for staff, until something ships. Its stock goes back at once, its money through the gateway; what is
    /// held is given up.
    #[oai(path = "/orders/:id/cancel", method = "post", operation_id = "cancelOrder")]
    async fn cancel_order(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<CancelOrder>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: customer.0, key, dry_run };
        let command = Cancel { reason: body.0.reason.as_str().to_owned() };
        Ok(envelope.run(&self.orders, "cancelOrder", Subject::Order(id.0), &body.0, command).await?.into())
    }

    /// Call units of an order off
    ///
    /// Units that have not been packed: your own until something ships, or anybody's for staff. Their stock goes back, and the money
    /// that was taken for them. An order of which nothing is left is cancelled.
    #[oai(path = "/orders/:id/cancel-lines", method = "post", operation_id = "cancelOrderLines")]
    async fn cancel_order_lines(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<CancelOrderLines>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: customer.0, key, dry_run };
        let command = CancelLines { lines: units(body.0.lines.clone()), reason: body.0.reason.as_str().to_owned() };
        Ok(envelope.run(&self.orders, "cancelOrderLines", Subject::Order(id.0), &body.0, command).await?.into())
    }

    /// Call units of your own lines off
    ///
    /// For sellers: units of your lines that have not been packed.
    #[oai(
        path = "/businesses/:business_id/orders/:id/cancel-lines",
        method = "post",
        operation_id = "cancelSellerOrderLines"
    )]
    async fn cancel_seller_order_lines(
        &self,
        seller: Seller,
        /// The business
        business_id: Path<BusinessId>,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<CancelOrderLines>,
    ) -> Result<SellerOrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = CancelSellerLines {
            business_id: business_id.0,
            cancel: CancelLines { lines: units(body.0.lines.clone()), reason: body.0.reason.as_str().to_owned() },
        };
        Ok(envelope
            .run(
                &self.orders,
                &format!("cancelSellerOrderLines {}", business_id.0),
                Subject::Order(id.0),
                &body.0,
                command,
            )
            .await?
            .into())
    }

    /// Confirm an order before its money is there
    ///
    /// For operators: cash on delivery, bank transfer. The order does not expire any more; write its money down when it comes.
    #[oai(path = "/orders/:id/confirm", method = "post", operation_id = "confirmOrder")]
    async fn confirm_order(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<ConfirmOrder>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = paying::ConfirmOffline { method: body.0.method };
        Ok(envelope.run(&self.orders, "confirmOrder", Subject::Order(id.0), &body.0, command).await?.into())
    }

    /// Hold an order back
    ///
    /// For operators. A held order is neither confirmed nor packed nor sent until it is released.
    #[oai(path = "/orders/:id/hold", method = "post", operation_id = "holdOrder")]
    async fn hold_order(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<HoldOrder>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = Hold { reason: body.0.reason.as_str().to_owned() };
        Ok(envelope.run(&self.orders, "holdOrder", Subject::Order(id.0), &body.0, command).await?.into())
    }

    /// Let a held order go on
    ///
    /// For operators. If its money came in the meantime it is confirmed.
    #[oai(path = "/orders/:id/release", method = "post", operation_id = "releaseOrder")]
    async fn release_order(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = Release;
        Ok(envelope.run(&self.orders, "releaseOrder", Subject::Order(id.0), &String::new(), command).await?.into())
    }

    /// Complete an order by hand
    ///
    /// For operators, when everything has been sent and the carrier never says that it arrived, or a small sum stays open. Orders
    /// complete by themselves when everything has arrived and nothing is owed.
    #[oai(path = "/orders/:id/complete", method = "post", operation_id = "completeOrder")]
    async fn complete_order(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<CompleteOrder>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = Complete { reason: body.0.reason.as_str().to_owned() };
        Ok(envelope.run(&self.orders, "completeOrder", Subject::Order(id.0), &body.0, command).await?.into())
    }

    /// Write down money that was taken by hand
    ///
    /// For operators: cash, a bank transfer.
    #[oai(path = "/orders/:id/payments/offline", method = "post", operation_id = "recordPayment")]
    async fn record_payment(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<RecordPayment>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = paying::RecordPayment {
            amount: body.0.amount,
            method: body.0.method,
            reference: body.0.reference.clone().map(Text::into_string),
        };
        Ok(envelope.run(&self.orders, "recordPayment", Subject::Order(id.0), &body.0, command).await?.into())
    }

    /// Take what is held
    ///
    /// For operators, in full or in part. A payment is taken once; what is not taken of it is given up. (The first parcel that leaves
    /// takes what is owed by itself.)
    #[oai(path = "/orders/:id/payments/:payment_id/capture", method = "post", operation_id = "capturePayment")]
    async fn capture_payment(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// The payment
        payment_id: Path<AttemptId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<CapturePayment>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = paying::Capture::of(&self.orders, payment_id.0, body.0.amount).await?;
        Ok(envelope
            .run(&self.orders, &format!("capturePayment {}", payment_id.0), Subject::Order(id.0), &body.0, command)
            .await?
            .into())
    }

    /// Give up what is held
    ///
    /// For operators.
    #[oai(path = "/orders/:id/payments/:payment_id/void", method = "post", operation_id = "voidPayment")]
    async fn void_payment(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// The payment
        payment_id: Path<AttemptId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<VoidPayment>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = paying::Void { payment: payment_id.0, reason: body.0.reason.as_str().to_owned() };
        Ok(envelope
            .run(&self.orders, &format!("voidPayment {}", payment_id.0), Subject::Order(id.0), &body.0, command)
            .await?
            .into())
    }

    /// Give money back
    ///
    /// For operators: everything, an amount, the price of units, or a sign of goodwill. What goes back beyond what the order keeps too
    /// much is posted as a credit, so that the buyer never owes anything because of a refund.
    #[oai(path = "/orders/:id/refunds", method = "post", operation_id = "refundOrder")]
    async fn refund_order(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<RefundOrder>,
    ) -> Result<OrderAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: operator.0, key, dry_run };
        let command = paying::Refund::try_from(body.0.clone())?;
        Ok(envelope.run(&self.orders, "refundOrder", Subject::Order(id.0), &body.0, command).await?.into())
    }
}
