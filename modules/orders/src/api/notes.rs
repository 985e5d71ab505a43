//! The routes of notes and tags.

use kernel::{
    Cursor, Customer, LIMIT_DEFAULT, Operator, OrderId,
    idempotency::{self, IdempotencyKey, JsonBytes},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Tag,
    desk_dto::{OrderNoteList, OrderNoteView, OrderTags, SetOrderTags, WriteOrderNote},
    desk_problem::{DeskCommandProblem, NoteProblem},
    page,
    problem::OrderReadProblem,
    replay, ticket,
};
use crate::{
    Orders,
    error::OrderError,
    notes::{self, AfterNote},
    once::Answer,
    tags,
};

/// The answer of a note.
#[derive(ApiResponse)]
enum WriteOrderNoteResponse {
    /// The note was written down
    #[oai(status = 201)]
    Written(
        JsonBytes<OrderNoteView>,
        /// `true` when this is what an earlier request with the same key was answered
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

/// Notes and tags.
pub struct NotesApi {
    orders: Orders,
}

impl NotesApi {
    /// The routes over these orders.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }
}

#[OpenApi(tag = "Tag::Orders")]
impl NotesApi {
    /// Write a note about an order
    ///
    /// Staff write to each other or to the buyer, who is then told by mail; buyers write to staff, about their own orders.
    #[oai(path = "/orders/:id/notes", method = "post", operation_id = "writeOrderNote")]
    async fn write_order_note(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
        /// What makes this request this request; required
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<IdempotencyKey>>,
        body: Json<WriteOrderNote>,
    ) -> Result<WriteOrderNoteResponse, NoteProblem> {
        let (caller, id, orders) = (customer.0, id.0, self.orders.clone());
        let ticket = ticket(caller, key.0.as_ref(), false, &format!("writeOrderNote {id}"), &body.0)?;
        let Some(ticket) = ticket else { return Err(idempotency::missing().into()) };
        let (visibility, text) = (body.0.visibility, body.0.body.into_string());
        let Answer { body, replayed } = kernel::run(move || {
            let (orders, ticket, text) = (orders.clone(), ticket.clone(), text.clone());
            async move {
                let mut conn = orders.pool.get().await?;
                notes::write_note(&mut conn, caller, id, (visibility, &text), &ticket, orders.clock.now()).await
            }
        })
        .await?;
        Ok(WriteOrderNoteResponse::Written(body, replay(replayed)))
    }

    /// List the notes about an order
    ///
    /// Oldest first. Buyers see those that are meant for them.
    #[oai(path = "/orders/:id/notes", method = "get", operation_id = "listOrderNotes")]
    async fn list_order_notes(
        &self,
        customer: Customer,
        /// The order
        id: Path<OrderId>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<OrderNoteList>, OrderReadProblem> {
        let after: Option<AfterNote> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let mut conn = self.orders.pool.get().await.map_err(OrderError::from)?;
        let notes = notes::list_notes(&mut conn, customer.0, id.0, after, i64::from(limit) + 1).await?;
        let (notes, next_cursor) = page(notes, limit, |note| AfterNote { id: note.id });
        let to_staff = customer.0.is_staff();
        Ok(Json(OrderNoteList {
            data: notes.into_iter().map(|note| OrderNoteView::of(note, to_staff)).collect(),
            next_cursor,
        }))
    }

    /// File an order under tags
    ///
    /// For operators. The order has these tags from now on, and no others.
    #[oai(path = "/orders/:id/tags", method = "put", operation_id = "setOrderTags")]
    async fn set_order_tags(
        &self,
        operator: Operator,
        /// The order
        id: Path<OrderId>,
        body: Json<SetOrderTags>,
    ) -> Result<Json<OrderTags>, DeskCommandProblem> {
        let (id, orders, wanted) = (id.0, self.orders.clone(), body.0.tags);
        let tags = kernel::run(move || {
            let (orders, wanted) = (orders.clone(), wanted.clone());
            async move {
                let mut conn = orders.pool.get().await?;
                tags::set_tags(&mut conn, operator.0, id, &wanted, orders.clock.now()).await
            }
        })
        .await?;
        Ok(Json(OrderTags { tags }))
    }
}
