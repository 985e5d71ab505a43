//! How many orders wait behind each tab of the operator's desk, as far as anybody wants to know.

use diesel::{QueryResult, dsl::sql, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::PgConn;

use super::desk::{DeskFilter, RETURN_OPEN, TO_SHIP};
use crate::status::OrderStatus;

/// Nobody counts further.
pub const COUNTED_MAX: i64 = 999;

/// What is behind each tab; more than [`COUNTED_MAX`] means at least that many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TabCounts {
    /// Waiting for money.
    pub pending: i64,
    /// Confirmed.
    pub confirmed: i64,
    /// Held back.
    pub on_hold: i64,
    /// To be packed and sent.
    pub to_ship: i64,
    /// With a return that is not closed.
    pub returns_open: i64,
    /// Completed.
    pub completed: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// Expired.
    pub expired: i64,
}

/// What is behind each tab: with which status, if with a certain one, and whatever else.
const TABS: [(Option<OrderStatus>, &str); 8] = [
    (Some(OrderStatus::Pending), "orders.orders.status = 'pending'"),
    (Some(OrderStatus::Confirmed), "orders.orders.status = 'confirmed'"),
    (None, "orders.orders.hold_reason IS NOT NULL"),
    (Some(OrderStatus::Confirmed), TO_SHIP),
    (None, RETURN_OPEN),
    (Some(OrderStatus::Completed), "orders.orders.status = 'completed'"),
    (Some(OrderStatus::Cancelled), "orders.orders.status = 'cancelled'"),
    (Some(OrderStatus::Expired), "orders.orders.status = 'expired'"),
];

/// The statement. Each part of a tab stops counting at one beyond [`COUNTED_MAX`].
#[doc(hidden)]
pub fn counts_statement(filter: &DeskFilter) -> String {
    let (order, most) = (filter.order(), COUNTED_MAX + 1);
    let tabs = TABS.map(|(status, tab)| {
        let part = |conditions| {
            format!("(SELECT 1 FROM orders.orders WHERE {tab} AND {conditions} ORDER BY {order} LIMIT {most})")
        };
        let parts: Vec<_> = filter.parts(status).into_iter().map(part).collect();
        format!("(SELECT count(*) FROM ({}) x)", parts.join(" UNION ALL "))
    });
    format!("{}SELECT {}", filter.beginning(None, None), tabs.join(", "))
}

type Row = (st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt);

/// Counts what the filter lets through, tab by tab. One statement.
pub async fn counts(conn: &mut PgConn, filter: &DeskFilter) -> QueryResult<TabCounts> {
    let row: (i64, i64, i64, i64, i64, i64, i64, i64) = sql::<Row>(&counts_statement(filter)).get_result(conn).await?;
    let (pending, confirmed, on_hold, to_ship, returns_open, completed, cancelled, expired) = row;
    Ok(TabCounts { pending, confirmed, on_hold, to_ship, returns_open, completed, cancelled, expired })
}
