//! Taking a product away for good.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, PgConn, ProductId};

use super::lock::{lock_product, record, touch};
use crate::{
    CatalogError,
    schema::catalog::{products, variants},
};

/// Deletes a product and its variants, softly: nobody can order it any more, orders that have it keep it, and its stock
/// and ledger stay. Its SKUs are free again. For members of its business and for staff.
///
/// # Errors
/// Not the caller's product, or deleted already; what the database said.
pub async fn delete_product(
    conn: &mut PgConn,
    caller: &Caller,
    id: ProductId,
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    conn.transaction(async |conn| {
        lock_product(conn, caller, id).await?;
        touch(conn, id, at).await?;
        diesel::update(variants::table.filter(variants::product_id.eq(id)).filter(variants::deleted_at.is_null()))
            .set((variants::deleted_at.eq(at), variants::updated_at.eq(at)))
            .execute(conn)
            .await?;
        diesel::update(products::table.find(id)).set(products::deleted_at.eq(at)).execute(conn).await?;
        record(conn, caller, "product.deleted", id, &[], at).await
    })
    .await
}
