//! The routes of parcels.

use kernel::{OrderId, Seller, idempotency::IdempotencyKey};
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Tag,
    commands_dto::{CancelShipment, CreateShipment, LoseShipment, ShipShipment, units},
    parcels_dto::ShipmentView,
    problem::{OrderCommandProblem, OrderReadProblem},
    run::{Envelope, ShipmentAnswer, ShipmentCreated},
};
use crate::{
    Orders,
    command::Subject,
    fulfil::{Deliver, Lose, Pack, Ship, Tracking, Unpack},
    query,
    shipment::ShipmentId,
};

/// The routes of parcels.
pub struct ShipmentsApi {
    orders: Orders,
}

impl ShipmentsApi {
    /// The routes over these orders.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Fulfilment")]
impl ShipmentsApi {
    /// Pack a parcel
    ///
    /// For the seller of the lines, or staff: units of one seller's lines of a confirmed order that is not on hold. They can no longer
    /// be called off one by one. The parcel leaves with `shipShipment`.
    #[oai(path = "/orders/:id/shipments", method = "post", operation_id = "createShipment")]
    async fn create_shipment(
        &self,
        seller: Seller,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<CreateShipment>,
    ) -> Result<ShipmentCreated, OrderCommandProblem> {
        let is_dry = dry_run.0.unwrap_or(false);
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = Pack { lines: units(body.0.lines.clone()) };
        let answer = envelope.run(&self.orders, "createShipment", Subject::Order(id.0), &body.0, command).await?;
        Ok(ShipmentCreated::of(answer, is_dry))
    }

    /// Get a parcel
    ///
    /// For the buyer, the seller, or staff.
    #[oai(path = "/shipments/:id", method = "get", operation_id = "getShipment")]
    async fn get_shipment(
        &self,
        seller: Seller,
        /// The parcel
        id: Path<ShipmentId>,
    ) -> Result<Json<ShipmentView>, OrderReadProblem> {
        let (order, viewer) = query::look(&self.orders, seller.0, Subject::Shipment(id.0)).await?;
        if !viewer.is_buyer {
            viewer.must_sell(crate::fulfil::shipment(&order, id.0)?.business_id)?;
        }
        Ok(Json(ShipmentView::of(&order, &viewer, id.0)?))
    }

    /// Send a parcel
    ///
    /// Its units leave the shelf and are no longer promised. The first parcel of an order takes what a gateway holds for it.
    #[oai(path = "/shipments/:id/ship", method = "post", operation_id = "shipShipment")]
    async fn ship_shipment(
        &self,
        seller: Seller,
        /// The parcel
        id: Path<ShipmentId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<ShipShipment>,
    ) -> Result<ShipmentAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = Ship { id: id.0, tracking: Tracking::from(body.0.clone()) };
        Ok(envelope.run(&self.orders, "shipShipment", Subject::Shipment(id.0), &body.0, command).await?.into())
    }

    /// Say that a parcel has arrived
    ///
    /// When everything has arrived and nothing is owed, the order completes by itself.
    #[oai(path = "/shipments/:id/deliver", method = "post", operation_id = "deliverShipment")]
    async fn deliver_shipment(
        &self,
        seller: Seller,
        /// The parcel
        id: Path<ShipmentId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
    ) -> Result<ShipmentAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = Deliver { id: id.0 };
        Ok(envelope
            .run(&self.orders, "deliverShipment", Subject::Shipment(id.0), &String::new(), command)
            .await?
            .into())
    }

    /// Unpack a parcel again
    ///
    /// Before it has left. Its units can be packed again, or called off.
    #[oai(path = "/shipments/:id/cancel", method = "post", operation_id = "cancelShipment")]
    async fn cancel_shipment(
        &self,
        seller: Seller,
        /// The parcel
        id: Path<ShipmentId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<CancelShipment>,
    ) -> Result<ShipmentAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = Unpack { id: id.0, reason: body.0.reason.as_str().to_owned() };
        Ok(envelope.run(&self.orders, "cancelShipment", Subject::Shipment(id.0), &body.0, command).await?.into())
    }

    /// Give a parcel up
    ///
    /// It left and will not arrive: its units are promised again, to be sent once more, or taken out of the order with their money.
    #[oai(path = "/shipments/:id/lose", method = "post", operation_id = "loseShipment")]
    async fn lose_shipment(
        &self,
        seller: Seller,
        /// The parcel
        id: Path<ShipmentId>,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Say what would happen; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<LoseShipment>,
    ) -> Result<ShipmentAnswer, OrderCommandProblem> {
        let envelope = Envelope { caller: seller.0, key, dry_run };
        let command = Lose { id: id.0, reason: body.0.reason.as_str().to_owned(), resend: body.0.resend };
        Ok(envelope.run(&self.orders, "loseShipment", Subject::Shipment(id.0), &body.0, command).await?.into())
    }
}
