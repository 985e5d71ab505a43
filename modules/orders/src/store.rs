//! Rows and statements. Private to the module.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult, prelude::*, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, OrderId, PgConn, ProductId, UserId, VariantId, cached_sql};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    address::Address,
    error::OrderError,
    event::{Actor, EventKind, NewEvent},
    order::{Adjustment, Line, Order},
    place,
    schema::orders::{adjustments, lines, orders},
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus, Sums},
};

/// The order's own row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = orders)]
pub struct OrderRow {
    pub id: OrderId,
    pub number: String,
    pub customer_id: UserId,
    pub status: OrderStatus,
    pub payment_status: PaymentStatus,
    pub fulfillment_status: FulfillmentStatus,
    pub return_status: ReturnStatus,
    pub hold_reason: Option<String>,
    pub currency: String,
    pub total_minor: i64,
    pub original_total_minor: i64,
    pub authorized_minor: i64,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    pub ship_to: Value,
    pub note: Option<String>,
    pub placed_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub last_event: i32,
    pub tags: Vec<Option<String>>,
}

/// A line's row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = lines)]
pub struct LineRow {
    pub order_id: OrderId,
    pub position: i16,
    pub variant_id: VariantId,
    pub product_id: ProductId,
    pub business_id: BusinessId,
    pub sku: String,
    pub name: String,
    pub quantity: i32,
    pub cancelled_quantity: i32,
    pub shipped_quantity: i32,
    pub returned_quantity: i32,
    pub list_price_minor: i64,
    pub unit_price_minor: i64,
    pub total_minor: i64,
}

impl From<LineRow> for Line {
    fn from(row: LineRow) -> Self {
        Self {
            position: row.position,
            variant_id: row.variant_id,
            product_id: row.product_id,
            business_id: row.business_id,
            sku: row.sku,
            name: row.name,
            quantity: row.quantity,
            cancelled_quantity: row.cancelled_quantity,
            shipped_quantity: row.shipped_quantity,
            returned_quantity: row.returned_quantity,
            list_price_minor: row.list_price_minor,
            unit_price_minor: row.unit_price_minor,
            total_minor: row.total_minor,
        }
    }
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = adjustments)]
struct AdjustmentRow {
    side: String,
    kind: String,
    label: String,
    amount_minor: i64,
    created_at: DateTime<Utc>,
}

impl From<AdjustmentRow> for Adjustment {
    fn from(row: AdjustmentRow) -> Self {
        Self {
            is_charge: row.side == "charge",
            kind: row.kind,
            label: row.label,
            amount_minor: row.amount_minor,
            created_at: row.created_at,
        }
    }
}

impl OrderRow {
    /// The order that this row is, with its lines and adjustments.
    pub fn with(self, lines: Vec<Line>, adjustments: Vec<Adjustment>) -> QueryResult<Order> {
        let ship_to: Address = serde_json::from_value(self.ship_to)
            .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
        Ok(Order {
            id: self.id,
            number: self.number,
            customer_id: self.customer_id,
            status: self.status,
            payment_status: self.payment_status,
            fulfillment_status: self.fulfillment_status,
            return_status: self.return_status,
            hold_reason: self.hold_reason,
            currency: self.currency,
            total_minor: self.total_minor,
            original_total_minor: self.original_total_minor,
            sums: Sums {
                authorized: self.authorized_minor,
                captured: self.captured_minor,
                refunded: self.refunded_minor,
                voided: self.payment_status == PaymentStatus::Voided,
            },
            ship_to,
            note: self.note,
            placed_at: self.placed_at,
            expires_at: self.expires_at,
            confirmed_at: self.confirmed_at,
            closed_at: self.closed_at,
            updated_at: self.updated_at,
            last_event: self.last_event,
            lines,
            adjustments,
        })
    }
}

/// Locks the order's row and reads it whole. Joins the caller's transaction.
pub async fn lock(conn: &mut PgConn, id: OrderId) -> QueryResult<Option<Order>> {
    let row = orders::table.find(id).select(OrderRow::as_select()).for_update().first(conn).await.optional()?;
    match row {
        Some(row) => complete(conn, row).await.map(Some),
        None => Ok(None),
    }
}

/// Reads an order whole, without locking it.
pub async fn find(conn: &mut PgConn, id: OrderId) -> QueryResult<Option<Order>> {
    let row = orders::table.find(id).select(OrderRow::as_select()).first(conn).await.optional()?;
    match row {
        Some(row) => complete(conn, row).await.map(Some),
        None => Ok(None),
    }
}

async fn complete(conn: &mut PgConn, row: OrderRow) -> QueryResult<Order> {
    let id = row.id;
    let lines: Vec<LineRow> = lines::table
        .filter(lines::order_id.eq(id))
        .order(lines::position)
        .select(LineRow::as_select())
        .load(conn)
        .await?;
    let adjustments: Vec<AdjustmentRow> = adjustments::table
        .filter(adjustments::order_id.eq(id))
        .order(adjustments::id)
        .select(AdjustmentRow::as_select())
        .load(conn)
        .await?;
    row.with(lines.into_iter().map(Line::from).collect(), adjustments.into_iter().map(Adjustment::from).collect())
}

/// The lines of several orders, by order and position.
pub async fn lines_of(conn: &mut PgConn, ids: &[OrderId]) -> QueryResult<Vec<LineRow>> {
    lines::table
        .filter(lines::order_id.eq_any(ids))
        .order((lines::order_id, lines::position))
        .select(LineRow::as_select())
        .load(conn)
        .await
}

/// A change of a locked order: what it becomes, and what is told about it.
#[derive(Debug)]
pub struct Change {
    /// The order as it will be.
    pub order: Order,
    events: Vec<NewEvent>,
    known_adjustments: usize,
    at: DateTime<Utc>,
}

impl Change {
    /// Begins to change a locked order.
    pub fn of(order: Order, at: DateTime<Utc>) -> Self {
        Self { known_adjustments: order.adjustments.len(), order, events: vec![], at }
    }

    /// Appends an event to its history.
    pub fn record(&mut self, kind: EventKind, actor: Actor, data: Value) {
        self.order.last_event += 1;
        self.events.push(NewEvent {
            order_id: self.order.id,
            seq: self.order.last_event,
            kind,
            actor,
            request_id: kernel::request::id(),
            data,
            at: self.at,
        });
    }
}

cached_sql! {
    UpdateLines(order: st::Uuid = OrderId, positions: st::Array<st::SmallInt> = Vec<i16>, cancelled: st::Array<st::Integer> = Vec<i32>) -> st::Untyped,
    "UPDATE orders.lines l SET cancelled_quantity = x.c FROM unnest($2, $3) AS x(p, c) \
     WHERE l.order_id = $1 AND l.position = x.p AND l.cancelled_quantity <> x.c"
}

/// Writes a change, with everything computed made new. Joins the caller's transaction.
///
/// # Errors
/// What the database said; [`OrderError::Inconsistent`] when the order's row is not there any more.
pub async fn save(conn: &mut PgConn, change: &mut Change) -> Result<(), OrderError> {
    change.order.recompute();
    change.order.updated_at = change.at;
    let order = &change.order;
    let updated = diesel::update(orders::table.find(order.id))
        .set((
            orders::status.eq(order.status),
            orders::payment_status.eq(order.payment_status),
            orders::fulfillment_status.eq(order.fulfillment_status),
            orders::return_status.eq(order.return_status),
            orders::total_minor.eq(order.total_minor),
            orders::authorized_minor.eq(order.sums.authorized),
            orders::captured_minor.eq(order.sums.captured),
            orders::refunded_minor.eq(order.sums.refunded),
            orders::expires_at.eq(order.expires_at),
            orders::confirmed_at.eq(order.confirmed_at),
            orders::closed_at.eq(order.closed_at),
            orders::updated_at.eq(order.updated_at),
            orders::last_event.eq(order.last_event),
        ))
        .execute(conn)
        .await?;
    if updated != 1 {
        return Err(OrderError::Inconsistent(format!("order {} has no row", order.id)));
    }
    UpdateLines {
        order: &order.id,
        positions: &order.lines.iter().map(|line| line.position).collect(),
        cancelled: &order.lines.iter().map(|line| line.cancelled_quantity).collect(),
    }
    .execute(conn)
    .await?;
    for adjustment in order.adjustments.iter().skip(change.known_adjustments) {
        diesel::insert_into(adjustments::table)
            .values((
                adjustments::id.eq(AdjustmentId::new().as_uuid()),
                adjustments::order_id.eq(order.id),
                adjustments::side.eq(if adjustment.is_charge { "charge" } else { "credit" }),
                adjustments::kind.eq(&adjustment.kind),
                adjustments::label.eq(&adjustment.label),
                adjustments::amount_minor.eq(adjustment.amount_minor),
                adjustments::created_at.eq(adjustment.created_at),
            ))
            .execute(conn)
            .await?;
    }
    place::append_events(conn, &change.events).await?;
    Ok(())
}

kernel::typed_id!(
    /// A charge or credit.
    AdjustmentId
);

/// Orders that were not paid in time, oldest first, after `(expires_at, id)`.
pub async fn due(
    conn: &mut PgConn,
    now: DateTime<Utc>,
    after: (DateTime<Utc>, Uuid),
    limit: i64,
) -> QueryResult<Vec<(OrderId, DateTime<Utc>)>> {
    let due: Vec<(OrderId, Option<DateTime<Utc>>)> = orders::table
        .filter(orders::status.eq(OrderStatus::Pending))
        .filter(orders::expires_at.le(now))
        .filter(orders::expires_at.gt(after.0).or(orders::expires_at.eq(after.0).and(orders::id.gt(after.1))))
        .order((orders::expires_at, orders::id))
        .limit(limit)
        .select((orders::id, orders::expires_at))
        .load(conn)
        .await?;
    Ok(due.into_iter().filter_map(|(id, at)| at.map(|at| (id, at))).collect())
}
