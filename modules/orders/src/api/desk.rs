//! The routes of the operator's desk: everybody's orders, how many there are, and files of them.

use chrono::{DateTime, Utc};
use kernel::{
    BusinessId, Cursor, LIMIT_DEFAULT, Operator, Text, UserId,
    idempotency::{self, IdempotencyKey, JsonBytes},
};
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::{Json, Payload},
    registry::{MetaSchema, MetaSchemaRef},
};

use super::{
    Tag,
    desk_dto::{CreateExport, ExportFilter, ExportList, ExportView, OrderCounts},
    desk_problem::{DeskCommandProblem, ExportFileProblem, ExportRequestProblem},
    dto::{OrderList, OrderSummary},
    page,
    problem::OrderStaffProblem,
    replay, ticket,
};
use crate::{
    Orders,
    error::OrderError,
    export::{self, AfterExport, Export, ExportId, ExportState},
    once::Answer,
    query::{self, AfterOnDesk, DeskFilter, counts},
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus},
    tags::OrderTag,
};

/// The answer of an export that is asked for.
#[derive(ApiResponse)]
enum CreateExportResponse {
    /// The file will be written; look at the export until its `state` is `done`
    #[oai(status = 202)]
    Accepted(
        JsonBytes<ExportView>,
        /// `true` when this is what an earlier request with the same key was answered
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

/// A file that is read while it is sent.
struct CsvFile(Body);

impl Payload for CsvFile {
    const CONTENT_TYPE: &'static str = "text/csv; charset=utf-8";
    fn check_content_type(_content_type: &str) -> bool {
        false
    }
    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")))
    }
}

impl IntoResponse for CsvFile {
    fn into_response(self) -> Response {
        Response::builder().content_type(Self::CONTENT_TYPE).body(self.0)
    }
}

#[derive(ApiResponse)]
enum ExportFileAnswer {
    /// The file: comma-separated values (RFC 4180) with a header row. A text that a spreadsheet would take for a formula has
    /// an apostrophe in front
    #[oai(status = 200)]
    File(
        CsvFile,
        /// It is saved, under this name
        #[oai(header = "Content-Disposition")]
        String,
        /// It is nobody else's
        #[oai(header = "Cache-Control")]
        String,
        /// It is what its type says
        #[oai(header = "X-Content-Type-Options")]
        String,
        /// It loads nothing and runs nothing
        #[oai(header = "Content-Security-Policy")]
        String,
    ),
}

/// The operator's desk.
pub struct DeskApi {
    orders: Orders,
}

impl DeskApi {
    /// The routes over these orders.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Orders")]
impl DeskApi {
    /// List everybody's orders
    ///
    /// For operators. Newest first; every filter narrows.
    #[oai(path = "/admin/orders", method = "get", operation_id = "listAllOrders")]
    #[expect(clippy::too_many_arguments, reason = "each filter is a parameter of the document")]
    async fn list_all_orders(
        &self,
        _operator: Operator,
        /// That stand here
        status: Query<Option<OrderStatus>>,
        /// Whose ledger says this
        payment_status: Query<Option<PaymentStatus>>,
        /// Of which this has been sent
        fulfillment_status: Query<Option<FulfillmentStatus>>,
        /// Of which this has come back
        return_status: Query<Option<ReturnStatus>>,
        /// With this tag
        tag: Query<Option<OrderTag>>,
        /// With lines of this seller
        business_id: Query<Option<BusinessId>>,
        /// Of this buyer
        customer_id: Query<Option<UserId>>,
        /// With this number
        number: Query<Option<Text<1, 20>>>,
        /// Placed at or after
        placed_from: Query<Option<DateTime<Utc>>>,
        /// Placed before
        placed_to: Query<Option<DateTime<Utc>>>,
        /// Held back by staff, or not
        on_hold: Query<Option<bool>>,
        /// Confirmed, not on hold, and not all of it sent; or anything else
        to_ship: Query<Option<bool>>,
        /// With a return that is not closed, or without
        return_open: Query<Option<bool>>,
        /// With these words in the number, the recipient's name, the city or the buyer's note; the last one may be unfinished
        q: Query<Option<Text<1, 200>>>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<OrderList>, OrderStaffProblem> {
        let filter = ExportFilter {
            status: status.0,
            payment_status: payment_status.0,
            fulfillment_status: fulfillment_status.0,
            return_status: return_status.0,
            tag: tag.0,
            business_id: business_id.0,
            customer_id: customer_id.0,
            number: number.0,
            placed_from: placed_from.0,
            placed_to: placed_to.0,
            on_hold: on_hold.0,
            to_ship: to_ship.0,
            return_open: return_open.0,
            q: q.0,
        };
        let after: Option<AfterOnDesk> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        let rows =
            query::desk(&mut conn, &filter.into(), after, limit.saturating_add(1)).await.map_err(OrderError::from)?;
        let (rows, next_cursor) = page(rows, limit, |row| AfterOnDesk::from(row));
        Ok(Json(OrderList { data: rows.into_iter().map(OrderSummary::for_staff).collect(), next_cursor }))
    }

    /// Count everybody's orders
    ///
    /// For operators: how many are behind each tab of a desk, up to 999. The filters are those of the list, but for the ones
    /// that the tabs are made of.
    #[oai(path = "/admin/orders/counts", method = "get", operation_id = "countAllOrders")]
    #[expect(clippy::too_many_arguments, reason = "each filter is a parameter of the document")]
    async fn count_all_orders(
        &self,
        _operator: Operator,
        /// Whose ledger says this
        payment_status: Query<Option<PaymentStatus>>,
        /// With this tag
        tag: Query<Option<OrderTag>>,
        /// With lines of this seller
        business_id: Query<Option<BusinessId>>,
        /// Of this buyer
        customer_id: Query<Option<UserId>>,
        /// With this number
        number: Query<Option<Text<1, 20>>>,
        /// Placed at or after
        placed_from: Query<Option<DateTime<Utc>>>,
        /// Placed before
        placed_to: Query<Option<DateTime<Utc>>>,
        /// With these words in the number, the recipient's name, the city or the buyer's note; the last one may be unfinished
        q: Query<Option<Text<1, 200>>>,
        /// Of which this has been sent
        fulfillment_status: Query<Option<FulfillmentStatus>>,
        /// Of which this has come back
        return_status: Query<Option<ReturnStatus>>,
        /// Held back by staff, or not
        on_hold: Query<Option<bool>>,
    ) -> Result<Json<OrderCounts>, OrderStaffProblem> {
        let filter = DeskFilter::from(ExportFilter {
            payment_status: payment_status.0,
            fulfillment_status: fulfillment_status.0,
            return_status: return_status.0,
            tag: tag.0,
            business_id: business_id.0,
            customer_id: customer_id.0,
            number: number.0,
            placed_from: placed_from.0,
            placed_to: placed_to.0,
            on_hold: on_hold.0,
            q: q.0,
            ..ExportFilter::default()
        });
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        Ok(Json(counts::counts(&mut conn, &filter).await.map_err(OrderError::from)?.into()))
    }

    /// Ask for a file of orders
    ///
    /// For operators. The file is written in the background; look at the export until it is `done`, and fetch the file from its
    /// `download_url` within a day.
    #[oai(path = "/admin/exports", method = "post", operation_id = "createExport")]
    async fn create_export(
        &self,
        operator: Operator,
        /// What makes this request this request; required
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        body: Json<CreateExport>,
    ) -> Result<CreateExportResponse, ExportRequestProblem> {
        let (caller, orders) = (operator.0, self.orders.clone());
        let ticket = ticket(caller, key.0.as_ref(), false, "createExport", &body.0)?;
        let Some(ticket) = ticket else { return Err(idempotency::missing().into()) };
        let (what, filter) = (body.0.what, DeskFilter::from(body.0.filter.unwrap_or_default()));
        let Answer { body, replayed } = kernel::run(move || {
            let (orders, ticket, filter) = (orders.clone(), ticket.clone(), filter.clone());
            async move {
                let mut conn = orders.pool.get().await?;
                export::request_export(&mut conn, caller, what, &filter, &ticket, orders.clock.now()).await
            }
        })
        .await?;
        Ok(CreateExportResponse::Accepted(body, replay(replayed)))
    }

    /// List my exports
    ///
    /// For operators. Newest first.
    #[oai(path = "/admin/exports", method = "get", operation_id = "listExports")]
    async fn list_exports(
        &self,
        operator: Operator,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<ExportList>, OrderStaffProblem> {
        let after: Option<AfterExport> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        let rows = export::list_exports(&mut conn, operator.0.user_id, after, i64::from(limit) + 1)
            .await
            .map_err(OrderError::from)?;
        let (rows, next_cursor) = page(rows, limit, |export| AfterExport { id: export.id });
        Ok(Json(ExportList { data: rows.into_iter().map(|export| self.view(export)).collect(), next_cursor }))
    }

    /// Get an export
    ///
    /// For the operator who asked for it.
    #[oai(path = "/admin/exports/:id", method = "get", operation_id = "getExport")]
    async fn get_export(
        &self,
        operator: Operator,
        /// The export
        id: Path<ExportId>,
    ) -> Result<Json<ExportView>, DeskCommandProblem> {
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        let export = export::find_export(&mut conn, id.0)
            .await
            .map_err(OrderError::from)?
            .filter(|export| export.requested_by == operator.0.user_id)
            .ok_or(OrderError::NoExport)?;
        Ok(Json(self.view(export)))
    }

    /// Fetch the file of an export
    ///
    /// Under the link in the export's `download_url`. No login: whoever has the link has the file, for a day.
    #[oai(path = "/exports/:id/file", method = "get", operation_id = "downloadExport")]
    async fn download_export(
        &self,
        /// The export
        id: Path<ExportId>,
        /// What the link says
        token: Query<Option<Text<1, 200>>>,
    ) -> Result<ExportFileAnswer, ExportFileProblem> {
        let (files, id) = (&self.orders.files, id.0);
        if !token.0.is_some_and(|token| files.is_opened_by(id, token.as_str())) {
            return Err(OrderError::NoExport.into());
        }
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        let export = export::find_export(&mut conn, id).await.map_err(OrderError::from)?;
        drop(conn);
        let export = export.filter(|export| self.is_there(export)).ok_or(OrderError::NoExport)?;
        let file = files.open(id).await.map_err(OrderError::from)?.ok_or(OrderError::NoExport)?;
        let name = format!("{}-{}.csv", export.what, export.created_at.format("%Y-%m-%d-%H%M%S"));
        Ok(ExportFileAnswer::File(
            CsvFile(Body::from_bytes_stream(file.into_stream())),
            format!("attachment; filename=\"{name}\""),
            "private, no-store".to_owned(),
            "nosniff".to_owned(),
            "default-src 'none'".to_owned(),
        ))
    }
}

impl DeskApi {
    /// Whether its file can be fetched.
    fn is_there(&self, export: &Export) -> bool {
        export.state == ExportState::Done && export.expires_at.is_some_and(|end| end > self.orders.clock.now())
    }

    fn view(&self, export: Export) -> ExportView {
        let link = |token| format!("{}/v1/exports/{}/file?token={token}", self.orders.public_url, export.id);
        let url = self.is_there(&export).then(|| self.orders.files.token(export.id)).flatten().map(link);
        ExportView::of(export, url)
    }
}
