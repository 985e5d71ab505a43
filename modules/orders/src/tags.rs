//! What staff file an order under. Tags are labels, not state: they have no place in the order's history, only in the trail of
//! staff, and nothing depends on them.

use chrono::{DateTime, Utc};
use diesel::sql_types as st;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, OrderId, PgConn, cached_sql, trail};
use serde_json::json;

use crate::error::OrderError;

kernel::text_type! {
    /// A label of an order.
    pub struct OrderTag {
        min: 1, max: 40, pattern: "^[a-z0-9_-]{1,40}$",
        say: "1 to 40 small letters, digits, '-' or '_'", example: "gift-wrap",
    }
}

cached_sql! {
    SetTags(id: st::Uuid = OrderId, tags: st::Array<st::Text> = Vec<String>) -> st::Untyped,
    "UPDATE orders.orders SET tags = $2 WHERE id = $1"
}

/// Gives an order these tags and no others; answers them, sorted and each once.
///
/// # Errors
/// [`OrderError::NotFound`]; what the database said.
pub async fn set_tags(
    conn: &mut PgConn,
    caller: Caller,
    id: OrderId,
    tags: &[OrderTag],
    at: DateTime<Utc>,
) -> Result<Vec<String>, OrderError> {
    let mut tags: Vec<String> = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
    tags.sort_unstable();
    tags.dedup();
    conn.transaction(async |conn| {
        if (SetTags { id: &id, tags: &tags }).execute(conn).await? != 1 {
            return Err(OrderError::NotFound);
        }
        trail::record(conn, caller.into(), "order.tagged", id, json!({ "tags": tags }), at).await?;
        Ok(tags)
    })
    .await
}
