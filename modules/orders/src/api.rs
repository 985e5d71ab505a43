//! The routes of orders.

mod commands;
mod commands_dto;
pub mod desk;
pub mod desk_dto;
mod desk_problem;
pub mod dto;
mod effects_dto;
pub mod explain_dto;
pub mod notes;
pub mod parcels_dto;
pub mod problem;
mod returns;
mod run;
pub mod seller_dto;
mod shipments;

pub use commands::CommandsApi;
pub use returns::ReturnsApi;
pub use shipments::ShipmentsApi;

use std::collections::BTreeMap;

use kernel::{
    BusinessId, Caller, Cursor, Customer, LIMIT_DEFAULT, OrderId, Problem, Seller,
    idempotency::{self, IdempotencyKey, JsonBytes, Ticket},
    request,
};
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Header, Path, Query},
    payload::Json,
};
use serde::Serialize;

use self::{
    dto::{
        OrderEventList, OrderEventView, OrderList, OrderPaymentList, OrderSummary, OrderView, PlaceOrder,
        SellerOrderList, SellerOrderView, StartPayment,
    },
    explain_dto::OrderExplanation,
    problem::{OrderCommandProblem, OrderReadProblem},
    seller_dto::SellerOrder,
};
use crate::{
    Orders,
    command::Subject,
    error::OrderError,
    explain::explain,
    once::Answer,
    pay::{Terms, start_payment},
    place::{Placement, sum_duplicates},
    query::{self, AfterEvent, AfterOnDesk, AfterOrder},
    status::OrderStatus,
};

/// Everything that orders answer.
pub type Apis = (Api, CommandsApi, ShipmentsApi, ReturnsApi, notes::NotesApi, desk::DeskApi);

/// The routes over these orders.
pub fn apis(orders: &Orders) -> Apis {
    (
        Api::new(orders.clone()),
        CommandsApi::new(orders.clone()),
        ShipmentsApi::new(orders.clone()),
        ReturnsApi::new(orders.clone()),
        notes::NotesApi::new(orders.clone()),
        desk::DeskApi::new(orders.clone()),
    )
}

#[derive(Tags)]
enum Tag {
    /// Placing orders, paying for them, calling them off, working them, and what happened to them; the operator's list, counts,
    /// notes, tags and files
    Orders,
    /// Parcels: packed, sent, arrived, lost
    Fulfilment,
    /// Goods that come back
    Returns,
}

/// The answer of a placing.
#[derive(ApiResponse)]
enum PlaceOrderResponse {
    /// The order was placed; its stock is promised
    #[oai(status = 201)]
    Placed(
        JsonBytes<OrderView>,
        /// Where the order is
        #[oai(header = "Location")]
        String,
        /// `true` when this is what an earlier request with the same key was answered
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
    /// A dry run: the order as it would have been placed; nothing was changed
    #[oai(status = 200)]
    WouldPlace(JsonBytes<OrderView>),
}

/// The answer of a begun payment.
#[derive(ApiResponse)]
enum StartPaymentResponse {
    /// The payment; send the buyer to its `pay_url`
    #[oai(status = 201)]
    Started(
        JsonBytes<payments::PaymentView>,
        /// `true` when this is what an earlier request with the same key was answered
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

/// The routes.
pub struct Api {
    orders: Orders,
}

impl Api {
    /// The routes over these orders.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Orders")]
impl Api {
    /// Place an order
    ///
    /// All lines or none: the stock of every line is promised to the order in one transaction, or nothing happens and the
    /// answer names the lines. The order waits for its payment until `expires_at`.
    #[oai(path = "/orders", method = "post", operation_id = "placeOrder")]
    async fn place_order(
        &self,
        customer: Customer,
        /// What makes this request this request; required unless it is a dry run
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// Price the order and say whether it would be placed; change nothing
        dry_run: Query<Option<bool>>,
        body: Json<PlaceOrder>,
    ) -> Result<PlaceOrderResponse, OrderCommandProblem> {
        let (caller, dry_run) = (customer.0, dry_run.0.unwrap_or(false));
        let ticket = ticket(caller, key.0.as_ref(), dry_run, "placeOrder", &body.0)?;
        let PlaceOrder { lines, ship_to, note, expected_total } = body.0;
        let lines =
            sum_duplicates(lines.iter().map(|line| (line.variant_id, line.quantity))).map_err(OrderError::TooMany)?;
        let now = self.orders.clock.now();
        let placement = Placement {
            order_id: OrderId::new(),
            customer: caller.user_id,
            lines,
            ship_to: ship_to.into(),
            note: note.map(kernel::Prose::into_string),
            expected_total,
            ticket,
            dry_run,
            placed_at: now,
            expires_at: now + self.orders.expiry.after,
            request: request::current(),
        };
        let order_id = placement.order_id;
        let Answer { body, replayed } = self.orders.intake.place(placement).await?;
        if dry_run {
            return Ok(PlaceOrderResponse::WouldPlace(body));
        }
        let id = if replayed { id_of(&body).unwrap_or(order_id) } else { order_id };
        Ok(PlaceOrderResponse::Placed(body, format!("/v1/orders/{id}"), replay(replayed)))
    }

    /// List my orders
    ///
    /// Newest first.
    #[oai(path = "/orders", method = "get", operation_id = "listOrders")]
    async fn list_orders(
        &self,
        customer: Customer,
        /// Only those that stand here
        status: Query<Option<OrderStatus>>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<OrderList>, OrderReadProblem> {
        let after: Option<AfterOrder> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        let rows = query::list_of_buyer(&mut conn, customer.0.user_id, status.0, after, i64::from(limit) + 1)
            .await
            .map_err(OrderError::from)?;
        let (rows, next_cursor) = page(rows, limit, |row| AfterOrder { id: row.id });
        Ok(Json(OrderList { data: rows.into_iter().map(OrderSummary::from).collect(), next_cursor }))
    }

    /// Get an order
    ///
    /// Your own, or anybody's for staff.
    #[oai(path = "/orders/:id", method = "get", operation_id = "getOrder")]
    async fn get_order(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
    ) -> Result<Json<OrderView>, OrderReadProblem> {
        let (order, viewer) = query::look(&self.orders, customer.0, Subject::Order(id.0)).await?;
        viewer.must_own()?;
        Ok(Json(OrderView::of(&order, &viewer, self.orders.clock.now())))
    }

    /// Explain an order
    ///
    /// Why this total, with each step of it; why these statuses; why this stock. Your own, or anybody's for staff.
    #[oai(path = "/orders/:id/explain", method = "get", operation_id = "explainOrder")]
    async fn explain_order(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
    ) -> Result<Json<OrderExplanation>, OrderReadProblem> {
        let (order, viewer) = query::look(&self.orders, customer.0, Subject::Order(id.0)).await?;
        viewer.must_own()?;
        Ok(Json(explain(&order)))
    }

    /// List what happened to an order
    ///
    /// Oldest first.
    #[oai(path = "/orders/:id/events", method = "get", operation_id = "listOrderEvents")]
    async fn list_order_events(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<OrderEventList>, OrderReadProblem> {
        let after: Option<AfterEvent> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        query::readable(&mut conn, customer.0, id.0).await?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let rows = query::history(&mut conn, id.0, after, i64::from(limit) + 1).await.map_err(OrderError::from)?;
        let (rows, next_cursor) = page(rows, limit, |row| AfterEvent { seq: row.seq });
        let to_staff = customer.0.is_staff();
        Ok(Json(OrderEventList {
            data: rows.into_iter().map(|row| OrderEventView::of(row, to_staff)).collect(),
            next_cursor,
        }))
    }

    /// Pay for an order
    ///
    /// Begins a payment of what is still owed and answers the page to pay on. While that page is open, the same payment is
    /// answered again.
    #[oai(path = "/orders/:id/payments", method = "post", operation_id = "startPayment")]
    async fn start_payment(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        body: Json<StartPayment>,
    ) -> Result<StartPaymentResponse, OrderCommandProblem> {
        let (caller, id, orders) = (customer.0, id.0, self.orders.clone());
        let ticket = ticket(caller, key.0.as_ref(), false, &format!("startPayment {id}"), &body.0)?;
        let Some(ticket) = ticket else { return Err(idempotency::missing().into()) };
        let terms = Terms {
            gateway: body.0.gateway.name(),
            amount: body.0.amount,
            capture: body.0.capture.unwrap_or_default(),
        };
        let answer = kernel::detached(async move { start_payment(&orders, caller, id, &terms, &ticket).await }).await?;
        Ok(StartPaymentResponse::Started(answer.body, replay(answer.replayed)))
    }

    /// List the payments of an order
    #[oai(path = "/orders/:id/payments", method = "get", operation_id = "listOrderPayments")]
    async fn list_order_payments(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
    ) -> Result<Json<OrderPaymentList>, OrderReadProblem> {
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        query::readable(&mut conn, customer.0, id.0).await?;
        let attempts = payments::list(&mut conn, id.0).await.map_err(OrderError::from)?;
        let refunds = payments::list_refunds(&mut conn, id.0).await.map_err(OrderError::from)?;
        Ok(Json(OrderPaymentList {
            data: attempts.iter().map(Into::into).collect(),
            refunds: refunds.iter().map(Into::into).collect(),
        }))
    }

    /// List a seller's orders
    ///
    /// Orders with lines of a business you belong to, newest first, with those lines and no others.
    #[oai(path = "/businesses/:id/orders", method = "get", operation_id = "listBusinessOrders")]
    async fn list_business_orders(
        &self,
        seller: Seller,
        /// The business
        id: Path<BusinessId>,
        /// Only those that stand here
        status: Query<Option<OrderStatus>>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<SellerOrderList>, OrderReadProblem> {
        let after: Option<AfterOnDesk> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        let may_see = seller.0.is_staff()
            || catalog::is_member(&mut conn, seller.0.user_id, id.0).await.map_err(OrderError::from)?;
        if !may_see {
            return Err(OrderError::NotFound.into());
        }
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let shares = query::list_for_seller(&mut conn, id.0, status.0, after, limit.saturating_add(1))
            .await
            .map_err(OrderError::from)?;
        let (shares, next_cursor) = page(shares, limit, |share| AfterOnDesk::from(&share.order));
        Ok(Json(SellerOrderList { data: shares.into_iter().map(SellerOrderView::from).collect(), next_cursor }))
    }

    /// Get a seller's share of an order
    ///
    /// Of a business you belong to: its own lines, parcels and returns, and no others.
    #[oai(path = "/businesses/:business_id/orders/:id", method = "get", operation_id = "getBusinessOrder")]
    async fn get_business_order(
        &self,
        seller: Seller,
        /// The business
        business_id: Path<BusinessId>,
        /// The order
        id: Path<OrderId>,
    ) -> Result<Json<SellerOrder>, OrderReadProblem> {
        let (order, viewer) = query::look(&self.orders, seller.0, Subject::Order(id.0)).await?;
        let has_lines = order.lines.iter().any(|line| line.business_id == business_id.0);
        if !has_lines || !(viewer.is_staff() || viewer.sells(business_id.0)) {
            return Err(OrderError::NotFound.into());
        }
        Ok(Json(SellerOrder::of(&order, &viewer, business_id.0)))
    }
}

/// The ticket of a command: required unless it is a dry run, which has none.
fn ticket(
    caller: Caller,
    key: Option<&IdempotencyKey>,
    dry_run: bool,
    operation: &str,
    body: &impl poem_openapi::types::ToJSON,
) -> Result<Option<Ticket>, Problem> {
    match key {
        _ if dry_run => Ok(None),
        Some(key) => Ok(Some(Ticket::new(caller.user_id, key, operation, body))),
        None => Err(idempotency::missing()),
    }
}

fn replay(replayed: bool) -> Option<String> {
    replayed.then(|| "true".to_owned())
}

/// The id in a stored answer.
fn id_of(body: &JsonBytes<OrderView>) -> Option<OrderId> {
    let stored: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body.bytes()).ok()?;
    stored.get("id")?.as_str()?.parse().ok()
}

/// Cuts the row that was read beyond the page, and says where the next one begins.
fn page<T, K: Serialize>(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|last| Cursor::encode(&key(last)));
    (rows, next)
}
