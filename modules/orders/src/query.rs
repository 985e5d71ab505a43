//! The read side: orders as their buyer, their sellers and the operators see them.

pub mod counts;
pub mod desk;
mod words;

use chrono::{DateTime, Utc};
use diesel::{QueryResult, prelude::*};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, Caller, OrderId, PgConn, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use self::desk::{AfterOnDesk, DeskFilter, desk, desk_before};
pub use crate::store::find;
use crate::{
    Orders,
    command::Subject,
    error::OrderError,
    event::{ActorKind, EventKind},
    order::Order,
    schema::orders::{events, orders},
    status::OrderStatus,
    store::{self, LineRow, OrderRow, lines_of},
    viewer::Viewer,
};

/// An order as a caller may look at it.
///
/// # Errors
/// [`OrderError::NotFound`] for whoever has no part in it; what the database said.
pub async fn look(orders: &Orders, caller: Caller, subject: Subject) -> Result<(Order, Viewer), OrderError> {
    let mut conn = orders.pool.get().await?;
    let id = store::order_of(&mut conn, subject).await?;
    let order = find(&mut conn, id).await?.ok_or(OrderError::NotFound)?;
    let viewer = viewer(&mut conn, &order, caller).await?;
    Ok((order, viewer))
}

/// Who the caller is to the order; who buys from themselves is both. Joins the caller's transaction.
///
/// # Errors
/// [`OrderError::NotFound`] for whoever has no part in it; what the database said.
pub async fn viewer(conn: &mut PgConn, order: &Order, caller: Caller) -> Result<Viewer, OrderError> {
    let businesses = if caller.is_staff() { vec![] } else { catalog::businesses_of(conn, caller.user_id).await? };
    Viewer::of(order, caller, &businesses)
}

/// Refuses callers who may not read the whole order.
///
/// # Errors
/// [`OrderError::NotFound`] for other people's orders; what the database said.
pub async fn readable(conn: &mut PgConn, caller: Caller, id: OrderId) -> Result<(), OrderError> {
    let owner = owner(conn, id).await?.ok_or(OrderError::NotFound)?;
    if caller.is_staff() || owner == caller.user_id { Ok(()) } else { Err(OrderError::NotFound) }
}

/// A place in a list of orders: newest first, and identifiers grow with time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AfterOrder {
    /// The last one shown.
    pub id: OrderId,
}

/// A place in a history.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AfterEvent {
    /// The last one shown.
    pub seq: i32,
}

/// A buyer's orders, newest first. One statement.
pub async fn list_of_buyer(
    conn: &mut PgConn,
    customer: UserId,
    status: Option<OrderStatus>,
    after: Option<AfterOrder>,
    limit: i64,
) -> QueryResult<Vec<OrderRow>> {
    let mut query = orders::table
        .filter(orders::customer_id.eq(customer))
        .select(OrderRow::as_select())
        .order(orders::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(status) = status {
        query = query.filter(orders::status.eq(status));
    }
    if let Some(after) = after {
        query = query.filter(orders::id.lt(after.id));
    }
    query.load(conn).await
}

/// A seller's share of an order.
#[derive(Debug, Clone)]
pub struct SellerShare {
    /// The order.
    pub order: OrderRow,
    /// The seller's lines of it, and no others.
    pub lines: Vec<LineRow>,
}

/// Orders with lines of a seller, newest first. Two statements.
pub async fn list_for_seller(
    conn: &mut PgConn,
    business: BusinessId,
    status: Option<OrderStatus>,
    after: Option<AfterOnDesk>,
    limit: u32,
) -> QueryResult<Vec<SellerShare>> {
    let filter = DeskFilter { business_id: Some(business), status, ..DeskFilter::default() };
    let rows = desk(conn, &filter, after, limit).await?;
    let ids: Vec<OrderId> = rows.iter().map(|row| row.id).collect();
    let own: Vec<LineRow> =
        lines_of(conn, &ids).await?.into_iter().filter(|line| line.business_id == business).collect();
    Ok(rows
        .into_iter()
        .map(|order| {
            let lines = own.iter().filter(|line| line.order_id == order.id).cloned().collect();
            SellerShare { order, lines }
        })
        .collect())
}

/// An event of the history.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct EventRow {
    /// Its place.
    pub seq: i32,
    /// What happened.
    pub kind: EventKind,
    /// Who did it: in which role.
    pub actor_kind: ActorKind,
    /// Who did it.
    pub actor_id: Option<Uuid>,
    /// In which request.
    pub request_id: Option<String>,
    /// What changed.
    pub data: Value,
    /// When.
    pub at: DateTime<Utc>,
}

/// The history of an order, oldest first.
pub async fn history(
    conn: &mut PgConn,
    id: OrderId,
    after: Option<AfterEvent>,
    limit: i64,
) -> QueryResult<Vec<EventRow>> {
    events::table
        .filter(events::order_id.eq(id))
        .filter(events::seq.gt(after.map_or(0, |after| after.seq)))
        .order(events::seq)
        .limit(limit)
        .select(EventRow::as_select())
        .load(conn)
        .await
}

/// Who placed an order.
pub async fn owner(conn: &mut PgConn, id: OrderId) -> QueryResult<Option<UserId>> {
    orders::table.find(id).select(orders::customer_id).first(conn).await.optional()
}
