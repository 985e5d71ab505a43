//! How many orders wait behind each tab of the operator's desk, as far as anybody wants to know.

use diesel::{QueryResult, dsl::sql, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::PgConn;

use super::desk::{DeskFilter, RETURN_OPEN, TO_SHIP};

/// Nobody counts further.
pub const COUNTED_MAX: i64 = 999;

/// What is behind each tab; one more than [`COUNTED_MAX`] means more than that.
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

const TABS: [&str; 8] = [
    "orders.orders.status = 'pending'",
    "orders.orders.status = 'confirmed'",
    "orders.orders.hold_reason IS NOT NULL",
    TO_SHIP,
    RETURN_OPEN,
    "orders.orders.status = 'completed'",
    "orders.orders.status = 'cancelled'",
    "orders.orders.status = 'expired'",
];

/// The statement. Each tab stops counting at one beyond [`COUNTED_MAX`].
#[doc(hidden)]
pub fn counts_statement(filter: &DeskFilter) -> String {
    let tabs = TABS.map(|tab| {
        let ways = filter.ways().iter().map(|way| {
            let (conditions, order) = (filter.conditions(*way), filter.order());
            format!("(SELECT 1 FROM orders.orders WHERE {tab}{conditions} ORDER BY {order} LIMIT {})", COUNTED_MAX + 1)
        });
        format!("(SELECT count(*) FROM ({}) x)", ways.collect::<Vec<_>>().join(" UNION ALL "))
    });
    format!("{}SELECT {}", filter.beginning(), tabs.join(", "))
}

type Row = (st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt);

/// Counts what the filter lets through, tab by tab. One statement.
pub async fn counts(conn: &mut PgConn, filter: &DeskFilter) -> QueryResult<TabCounts> {
    let row: (i64, i64, i64, i64, i64, i64, i64, i64) = sql::<Row>(&counts_statement(filter)).get_result(conn).await?;
    let (pending, confirmed, on_hold, to_ship, returns_open, completed, cancelled, expired) = row;
    Ok(TabCounts { pending, confirmed, on_hold, to_ship, returns_open, completed, cancelled, expired })
}
