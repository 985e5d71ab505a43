//! Stock, for members of the variant's business and for staff.

use kernel::{
    Caller, Cursor, LIMIT_DEFAULT, Seller, VariantId,
    idempotency::{IdempotencyKey, JsonBytes, Ticket},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::ToJSON,
};

use super::{
    Listed, Tag,
    dto::{CountBody, ReceiptBody, StockMovementList, StockView},
    etag::{self, EntityTag},
    problem::{CatalogStockProblem, CatalogWriteProblem},
    run,
};
use crate::{
    Catalog, CatalogError,
    stock::{self, Answered, Receipt, SeenCount, StockLevels},
};

/// How much is there.
pub struct StockApi(pub(super) Catalog);

#[derive(ApiResponse)]
enum StockAnswer {
    /// The counters
    #[oai(status = 200)]
    Shown(
        Json<StockView>,
        /// Send it as If-Match when you send a count
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum StockChanged {
    /// The counters after the change
    #[oai(status = 200)]
    Changed(
        JsonBytes<StockView>,
        /// Present when this is the stored answer to an earlier sending of the same request
        #[oai(header = "Idempotency-Replayed")]
        Option<bool>,
    ),
}

impl From<Answered> for StockChanged {
    fn from(Answered { body, replayed }: Answered) -> Self {
        Self::Changed(JsonBytes::from_bytes(body), replayed.then_some(true))
    }
}

/// The bytes of an answer, as they are stored and sent.
fn render(levels: &StockLevels) -> Vec<u8> {
    JsonBytes::of(&StockView::from(levels)).bytes().to_vec()
}

fn ticket(
    caller: &Caller,
    key: Option<&IdempotencyKey>,
    operation: &str,
    variant: VariantId,
    body: &impl ToJSON,
) -> Result<Ticket, CatalogError> {
    let key = key.ok_or(CatalogError::KeyRequired)?;
    Ok(Ticket::new(caller.user_id, key, &format!("{operation} {variant}"), body))
}

#[OpenApi(tag = "Tag::Stock")]
impl StockApi {
    /// Show a variant's stock
    #[oai(path = "/variants/:id/stock", method = "get", operation_id = "getStock")]
    async fn get_stock(
        &self,
        caller: Seller,
        /// Which variant
        id: Path<VariantId>,
    ) -> Result<StockAnswer, CatalogWriteProblem> {
        let mut conn = self.0.conn().await?;
        let levels = stock::get_levels(&mut conn, &caller.0, id.0).await?;
        Ok(StockAnswer::Shown(Json(StockView::from(&levels)), etag::of_version(levels.version)))
    }

    /// List what happened to a variant's stock
    #[oai(path = "/variants/:id/stock/movements", method = "get", operation_id = "listStockMovements")]
    async fn list_stock_movements(
        &self,
        caller: Seller,
        /// Which variant
        id: Path<VariantId>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to go on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Listed<StockMovementList>, CatalogWriteProblem> {
        let after = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let mut conn = self.0.conn().await?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let (movements, next) = stock::list_movements(&mut conn, &caller.0, id.0, after, limit).await?;
        let data = movements.into_iter().map(Into::into).collect();
        Ok(Listed::Page(Json(StockMovementList { data, next_cursor: next.as_ref().map(Cursor::encode) })))
    }

    /// Book goods that came in
    #[oai(path = "/variants/:id/stock/receive", method = "post", operation_id = "receiveStock")]
    async fn receive_stock(
        &self,
        caller: Seller,
        /// Which variant
        id: Path<VariantId>,
        /// Required. A new value for a new request, the same value when you repeat one
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        body: Json<ReceiptBody>,
    ) -> Result<StockChanged, CatalogStockProblem> {
        let (caller, id) = (caller.0, id.0);
        let ticket = ticket(&caller, key.0.as_ref(), "receiveStock", id, &body.0)?;
        let receipt = Receipt::from(body.0);
        let answered = run!(self.0, [caller, id, ticket, receipt], |conn, at| stock::receive_once(
            conn, &caller, &ticket, id, &receipt, at, render
        ))?;
        Ok(answered.into())
    }

    /// Set what is there to what was counted
    ///
    /// Send the ETag that the counters had when you began to count: when something was sold or received since, the
    /// count is refused (412) and has to be taken again.
    #[oai(path = "/variants/:id/stock/count", method = "post", operation_id = "countStock")]
    async fn count_stock(
        &self,
        caller: Seller,
        /// Which variant
        id: Path<VariantId>,
        /// Required. A new value for a new request, the same value when you repeat one
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        /// The ETag of the stock as you have seen it
        #[oai(name = "If-Match")]
        if_match: Header<Option<EntityTag>>,
        body: Json<CountBody>,
    ) -> Result<StockChanged, CatalogStockProblem> {
        let (caller, id) = (caller.0, id.0);
        let ticket = ticket(&caller, key.0.as_ref(), "countStock", id, &body.0)?;
        let counted = SeenCount { seen: etag::seen(if_match.0.as_ref()), count: body.0.into() };
        let answered = run!(self.0, [caller, id, ticket, counted], |conn, at| stock::count_once(
            conn, &caller, &ticket, id, &counted, at, render
        ))?;
        Ok(answered.into())
    }
}
