//! Somebody counts, and the book follows what is really there.

use chrono::{DateTime, Utc};
use diesel::sql_types as st;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, OrderId, PgConn, VariantId, cached_sql, idempotency::Ticket, trail};
use serde_json::json;

use super::{
    Answered, Balance, Movement, MovementKind, StockLevels, UNITS_MAX, face::append_locked, levels::lock_own, once,
};
use crate::{
    CatalogError,
    version::{self, Seen},
    words::StockReason,
};

/// What somebody counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// What is there.
    pub on_hand: i32,
    /// Why they counted, or why the book was wrong.
    pub reason: StockReason,
}

cached_sql! {
    OpenReservations(variant: st::Uuid = VariantId) -> (st::Uuid, st::BigInt),
    "SELECT order_id, sum(reserved_delta) FROM catalog.stock_movements WHERE variant_id = $1 AND order_id IS NOT NULL \
     GROUP BY order_id HAVING sum(reserved_delta) > 0 ORDER BY min(version_after) LIMIT 20"
}

/// Sets a locked balance to what was counted. Joins the caller's transaction.
async fn set(
    conn: &mut PgConn,
    caller: &Caller,
    mut balance: Balance,
    seen: Seen,
    count: &Count,
    at: DateTime<Utc>,
) -> Result<StockLevels, CatalogError> {
    version::check(seen, balance.version)?;
    if count.on_hand > UNITS_MAX {
        return Err(CatalogError::StockTooLarge(UNITS_MAX));
    }
    let delta = count.on_hand.saturating_sub(balance.on_hand);
    let Some(movement) = balance.step(MovementKind::Adjust, delta, 0, at) else {
        let orders: Vec<(OrderId, i64)> = OpenReservations { variant: &balance.variant_id }.load(conn).await?;
        return Err(CatalogError::CountBelowReserved { reserved: balance.reserved, orders });
    };
    let reason = Some(count.reason.as_str().to_owned());
    append_locked(conn, &[Movement { reason, actor: Some(caller.user_id), ..movement }]).await?;
    let changes = json!({ "on_hand": balance.on_hand, "difference": delta });
    trail::record_staff(conn, caller, "stock.counted", balance.variant_id, changes, at).await?;
    Ok(balance.into())
}

/// Sets what is there to what was counted. For members of the variant's business and for staff, who say at which
/// version they began to count. A count that finds what the book says is written down all the same.
///
/// # Errors
/// Not the caller's variant; no version, or one that is no longer current; fewer than are promised; more than we can
/// count; what the database said.
pub async fn count(
    conn: &mut PgConn,
    caller: &Caller,
    variant: VariantId,
    seen: Seen,
    count: &Count,
    at: DateTime<Utc>,
) -> Result<StockLevels, CatalogError> {
    conn.transaction(async |conn| {
        let balance = lock_own(conn, caller, variant).await?;
        set(conn, caller, balance, seen, count, at).await
    })
    .await
}

/// A count, and the version of the counters at which it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCount {
    /// The version.
    pub seen: Seen,
    /// The count.
    pub count: Count,
}

/// [`count`] under an idempotency key: `render` makes the answer that is stored with the effect.
///
/// # Errors
/// As [`count`], and what can be wrong with the key.
pub async fn count_once(
    conn: &mut PgConn,
    caller: &Caller,
    ticket: &Ticket,
    variant: VariantId,
    counted: &SeenCount,
    at: DateTime<Utc>,
    render: fn(&StockLevels) -> Vec<u8>,
) -> Result<Answered, CatalogError> {
    conn.transaction(async |conn| {
        let balance = lock_own(conn, caller, variant).await?;
        if let Some(answered) = once::claimed(conn, ticket, at).await? {
            return Ok(answered);
        }
        let levels = set(conn, caller, balance, counted.seen, &counted.count, at).await?;
        once::completed(conn, ticket, render(&levels)).await
    })
    .await
}
