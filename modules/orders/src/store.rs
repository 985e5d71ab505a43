//! Rows and statements. Private to the module.

use std::collections::BTreeMap;

use catalog::stock;
use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult, prelude::*, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, OrderId, PgConn, ProductId, UserId, VariantId, cached_sql};
use payments::RefundId;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    address::Address,
    change::Change,
    command::Subject,
    error::OrderError,
    event::EventKind,
    jobs::SendOrderMail,
    order::{Adjustment, Closed, Line, Order},
    place,
    returns::Return,
    schema::orders::{adjustments, events, lines, orders},
    shipment::{Shipment, Units},
    status::{FulfillmentStatus, OfflineMethod, OrderStatus, PaymentStatus, ReturnStatus, Sums},
};

mod money;
mod parcels;

pub use money::sums;

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
    pub offline_method: Option<OfflineMethod>,
    pub currency: String,
    pub total_minor: i64,
    pub original_total_minor: i64,
    pub authorized_minor: i64,
    pub capturing_minor: i64,
    pub captured_minor: i64,
    pub refunding_minor: i64,
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
    pub packed_quantity: i32,
    pub shipped_quantity: i32,
    pub delivered_quantity: i32,
    pub returning_quantity: i32,
    pub returned_quantity: i32,
    pub refunded_quantity: i32,
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
            packed_quantity: row.packed_quantity,
            shipped_quantity: row.shipped_quantity,
            delivered_quantity: row.delivered_quantity,
            returning_quantity: row.returning_quantity,
            returned_quantity: row.returned_quantity,
            refunded_quantity: row.refunded_quantity,
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
    /// The order that this row is, with everything that belongs to it.
    fn with(
        self,
        lines: Vec<Line>,
        adjustments: Vec<Adjustment>,
        shipments: Vec<Shipment>,
        returns: Vec<Return>,
    ) -> QueryResult<Order> {
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
            offline_method: self.offline_method,
            currency: self.currency,
            total_minor: self.total_minor,
            original_total_minor: self.original_total_minor,
            sums: Sums {
                authorized: self.authorized_minor,
                capturing: self.capturing_minor,
                captured: self.captured_minor,
                refunding: self.refunding_minor,
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
            tags: self.tags.into_iter().flatten().collect(),
            lines,
            adjustments,
            shipments,
            returns,
        })
    }
}

/// The order that a command or a look is about. Joins the caller's transaction.
pub async fn order_of(conn: &mut PgConn, subject: Subject) -> Result<OrderId, OrderError> {
    let id = match subject {
        Subject::Order(id) => Some(id),
        Subject::Shipment(id) => parcels::order_of_shipment(conn, id).await?,
        Subject::Return(id) => parcels::order_of_return(conn, id).await?,
    };
    id.ok_or(OrderError::NotFound)
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
    let shipments = parcels::shipments_of(conn, id).await?;
    let returns = parcels::returns_of(conn, id).await?;
    let (lines, adjustments) = (lines.into_iter().map(Line::from), adjustments.into_iter().map(Adjustment::from));
    row.with(lines.collect(), adjustments.collect(), shipments, returns)
}

/// What was taken out of each line when the order expired: its history tells. What was called off before is not among it.
/// Joins the caller's transaction.
pub async fn closed_units(conn: &mut PgConn, order: &Order) -> QueryResult<BTreeMap<i16, Closed>> {
    let told: Option<Value> = events::table
        .filter(events::order_id.eq(order.id))
        .filter(events::kind.eq(EventKind::Expired))
        .order(events::seq.desc())
        .select(events::data)
        .first(conn)
        .await
        .optional()?;
    Ok(told.as_ref().and_then(closed_by).unwrap_or_else(|| {
        // An order that expired before the history told this had nothing called off before.
        let all = |line: &Line| (line.position, Closed { cancelled: line.cancelled_quantity, refunded: 0 });
        order.lines.iter().map(all).collect()
    }))
}

/// What the event says that expiring took out of each line; nothing when it is of the time before it did.
pub fn closed_by(told: &Value) -> Option<BTreeMap<i16, Closed>> {
    let lines: Vec<ClosedLine> = serde_json::from_value(told.pointer("/effects/lines")?.clone()).ok()?;
    let closed = |line: ClosedLine| (line.position, Closed { cancelled: line.cancelled, refunded: -line.refunded });
    Some(lines.into_iter().map(closed).collect())
}

/// The units whose price was to go back by this refund, once all refunds of the same request were declined: the history
/// tells. Joins the caller's transaction.
pub async fn declined_units(conn: &mut PgConn, order: OrderId, refund: RefundId) -> QueryResult<Vec<Units>> {
    let told: Vec<Value> = events::table
        .filter(events::order_id.eq(order))
        .filter(events::kind.eq(EventKind::RefundRequested))
        .select(events::data)
        .load(conn)
        .await?;
    let requests = told.into_iter().filter_map(|told| serde_json::from_value::<RefundOfUnits>(told).ok());
    let Some(request) = requests.into_iter().find(|request| request.refund_ids.contains(&refund)) else {
        return Ok(vec![]);
    };
    let refunds = payments::list_refunds(conn, order).await?;
    let is_declined = refunds
        .iter()
        .filter(|one| request.refund_ids.contains(&one.id))
        .all(|one| one.state == payments::RefundState::Failed);
    let units = |line: RefundedLine| Units { position: line.position, quantity: line.quantity };
    Ok(if is_declined { request.lines.into_iter().map(units).collect() } else { vec![] })
}

#[derive(serde::Deserialize)]
struct RefundOfUnits {
    refund_ids: Vec<RefundId>,
    lines: Vec<RefundedLine>,
}

#[derive(serde::Deserialize)]
struct RefundedLine {
    position: i16,
    quantity: i32,
}

#[derive(serde::Deserialize)]
struct ClosedLine {
    position: i16,
    #[serde(default)]
    cancelled: i32,
    #[serde(default)]
    refunded: i32,
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

type Counts = st::Array<st::Integer>;

cached_sql! {
    UpdateLines(order: st::Uuid = OrderId, positions: st::Array<st::SmallInt> = Vec<i16>, cancelled: Counts = Vec<i32>,
        packed: Counts = Vec<i32>, shipped: Counts = Vec<i32>, delivered: Counts = Vec<i32>, returning: Counts = Vec<i32>,
        returned: Counts = Vec<i32>, refunded: Counts = Vec<i32>) -> st::Untyped,
    "UPDATE orders.lines l SET cancelled_quantity = c, packed_quantity = k, shipped_quantity = s, delivered_quantity = d, \
            returning_quantity = g, returned_quantity = r, refunded_quantity = f \
     FROM unnest($2, $3, $4, $5, $6, $7, $8, $9) AS x(p, c, k, s, d, g, r, f) WHERE l.order_id = $1 AND l.position = x.p"
}

/// Does what a change asks for: stock, then money, then what the order does by itself because of them, then its own
/// tables, then mail. Joins the caller's transaction; the order's row is locked.
///
/// # Errors
/// What stock or payments refuse; what the database said; [`OrderError::Inconsistent`] when the order's row is gone.
pub async fn carry_out(conn: &mut PgConn, change: &mut Change) -> Result<(), OrderError> {
    let (id, at) = (change.order.id, change.at);
    // Payments before stock: the order in which everybody locks.
    for wish in change.money.clone() {
        let refunds = money::carry_out(conn, &change.order, &wish, at).await?;
        if !refunds.is_empty() {
            change.name_refunds(&refunds);
        }
    }
    if !change.money.is_empty() {
        change.order.sums = money::sums(conn, id).await?;
    }
    change.follow_up()?;
    let moves: Vec<_> = change
        .stock
        .iter()
        .map(|(&(variant_id, what), &quantity)| stock::OrderMove { variant_id, kind: what.into(), quantity })
        .collect();
    stock::move_for_order(conn, id, &moves, change.actor.id, at).await?;
    save(conn, change).await?;
    for (mail, about) in &change.mails {
        kernel::enqueue(conn, &SendOrderMail { order_id: id, mail: *mail, about: *about }).await?;
    }
    Ok(())
}

/// Writes the order's own tables.
async fn save(conn: &mut PgConn, change: &mut Change) -> Result<(), OrderError> {
    change.seal();
    let (was, order) = (&change.before, &change.order);
    let updated = diesel::update(orders::table.find(order.id))
        .set((
            orders::status.eq(order.status),
            orders::payment_status.eq(order.payment_status),
            orders::fulfillment_status.eq(order.fulfillment_status),
            orders::return_status.eq(order.return_status),
            orders::hold_reason.eq(&order.hold_reason),
            orders::offline_method.eq(order.offline_method),
            orders::total_minor.eq(order.total_minor),
            orders::authorized_minor.eq(order.sums.authorized),
            orders::capturing_minor.eq(order.sums.capturing),
            orders::captured_minor.eq(order.sums.captured),
            orders::refunding_minor.eq(order.sums.refunding),
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
    if was.lines != order.lines {
        let counts = |count: fn(&Line) -> i32| order.lines.iter().map(count).collect::<Vec<i32>>();
        UpdateLines {
            order: &order.id,
            positions: &order.lines.iter().map(|line| line.position).collect(),
            cancelled: &counts(|line| line.cancelled_quantity),
            packed: &counts(|line| line.packed_quantity),
            shipped: &counts(|line| line.shipped_quantity),
            delivered: &counts(|line| line.delivered_quantity),
            returning: &counts(|line| line.returning_quantity),
            returned: &counts(|line| line.returned_quantity),
            refunded: &counts(|line| line.refunded_quantity),
        }
        .execute(conn)
        .await?;
    }
    for adjustment in order.adjustments.iter().skip(was.adjustments.len()) {
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
    parcels::save_shipments(conn, was, order).await?;
    parcels::save_returns(conn, was, order).await?;
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
