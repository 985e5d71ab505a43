//! What people write down about an order: staff for each other, or staff and the buyer to one another.
//!
//! A note is not a part of the order's life: it changes nothing and stands in no history but its own, which is append-only.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, Job, OrderId, Outcome, PgConn, Queue, UserId, idempotency::Ticket, job::Registry, mail::Mail};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Orders,
    api::{desk_dto::OrderNoteView, dto::money},
    error::OrderError,
    event::{Actor, ActorKind},
    jobs,
    once::{self, Answer},
    query,
    schema::orders::notes,
    status::words,
};

kernel::typed_id!(
    /// A note.
    NoteId
);

words! {
    /// Who may read a note
    pub enum NoteVisibility {
        /// Staff only
        Internal = "internal",
        /// The buyer too
        Customer = "customer",
    }
}

/// A note.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = notes)]
pub struct Note {
    /// Its identifier; later ones sort after earlier ones.
    pub id: NoteId,
    /// About which order.
    pub order_id: OrderId,
    /// Who may read it.
    pub visibility: NoteVisibility,
    /// What it says.
    pub body: String,
    /// In which role it was written.
    pub author_kind: ActorKind,
    /// By whom.
    pub author_id: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A place among notes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AfterNote {
    /// The last one shown.
    pub id: NoteId,
}

/// Writes a note about an order: the buyer's own, or anybody's for staff. When staff write to the buyer, a mail tells them.
///
/// # Errors
/// [`OrderError::NotFound`] for other people's orders; [`OrderError::Forbidden`] for internal ones by a buyer; [`OrderError::KeyReused`]; what the database said.
pub async fn write_note(
    conn: &mut PgConn,
    caller: Caller,
    order_id: OrderId,
    (visibility, body): (NoteVisibility, &str),
    ticket: &Ticket,
    at: DateTime<Utc>,
) -> Result<Answer<OrderNoteView>, OrderError> {
    conn.transaction(async |conn| {
        query::readable(conn, caller, order_id).await?;
        if visibility == NoteVisibility::Internal && !caller.is_staff() {
            return Err(OrderError::Forbidden("Internal notes are for staff. Write one with visibility 'customer'."));
        }
        if let Some(answer) = once::claimed(conn, ticket, at).await? {
            return Ok(answer);
        }
        let note = Note {
            id: NoteId::new(),
            order_id,
            visibility,
            body: body.to_owned(),
            author_kind: Actor::from(caller).kind,
            author_id: caller.user_id,
            created_at: at,
        };
        diesel::insert_into(notes::table).values(&note).execute(conn).await?;
        if visibility == NoteVisibility::Customer && caller.is_staff() {
            kernel::enqueue(conn, &SendNote { note_id: note.id }).await?;
        }
        once::completed(conn, ticket, 201, &OrderNoteView::of(note, caller.is_staff())).await
    })
    .await
}

/// The notes about an order that the caller may read, oldest first.
///
/// # Errors
/// [`OrderError::NotFound`] for other people's orders; what the database said.
pub async fn list_notes(
    conn: &mut PgConn,
    caller: Caller,
    order_id: OrderId,
    after: Option<AfterNote>,
    limit: i64,
) -> Result<Vec<Note>, OrderError> {
    query::readable(conn, caller, order_id).await?;
    let mut query = notes::table
        .filter(notes::order_id.eq(order_id))
        .order(notes::id)
        .limit(limit)
        .select(Note::as_select())
        .into_boxed();
    if !caller.is_staff() {
        query = query.filter(notes::visibility.eq(NoteVisibility::Customer));
    }
    if let Some(after) = after {
        query = query.filter(notes::id.gt(after.id));
    }
    Ok(query.load(conn).await?)
}

/// Tells the buyer what staff wrote to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendNote {
    /// Which note.
    pub note_id: NoteId,
}

impl Job for SendNote {
    const KIND: &'static str = "orders.send_note";
    const QUEUE: Queue = Queue::Bulk;
}

/// Registers the jobs about notes.
pub fn register(registry: Registry, orders: &Orders) -> Registry {
    let orders = orders.clone();
    registry.on(move |job: SendNote, _context| {
        let orders = orders.clone();
        async move { send(&orders, job.note_id).await }
    })
}

async fn send(orders: &Orders, id: NoteId) -> Outcome {
    jobs::deliver(orders, compose(orders, id).await).await
}

async fn compose(orders: &Orders, id: NoteId) -> Result<Option<Mail>, OrderError> {
    let mut conn = orders.pool.get().await?;
    let note: Option<Note> = notes::table.find(id).select(Note::as_select()).first(&mut *conn).await.optional()?;
    let Some(note) = note else { return Ok(None) };
    let Some(order) = query::find(&mut conn, note.order_id).await? else { return Ok(None) };
    let Some(buyer) = accounts::contact(&mut conn, order.customer_id).await? else { return Ok(None) };
    Ok(Some(Mail {
        to: buyer.email,
        template: "order_note".to_owned(),
        context: json!({
            "username": buyer.username,
            "number": order.number,
            "total": money(order.total_minor, &order.currency).to_string(),
            "note": note.body,
            "link": format!("{}/v1/orders/{}", orders.public_url, order.id),
        }),
        key: format!("order-note-{id}"),
    }))
}
