//! Holding a product still while it is changed.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, Caller, PgConn, ProductId, UserId, cached_sql, trail};
use serde_json::json;

use crate::CatalogError;

/// A product that is locked by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locked {
    /// Who sells it.
    pub(crate) business_id: BusinessId,
    /// How often it changed so far.
    pub(crate) version: i64,
}

macro_rules! own_product {
    () => {
        "SELECT p.business_id, p.version FROM catalog.products p WHERE p.id = $1 AND p.deleted_at IS NULL AND \
         ($2 OR EXISTS (SELECT 1 FROM catalog.members m WHERE m.business_id = p.business_id AND m.user_id = $3))"
    };
}
cached_sql! {
    OwnProduct(id: st::Uuid = ProductId, staff: st::Bool = bool, user: st::Uuid = UserId) -> (st::Uuid, st::BigInt),
    own_product!()
}
cached_sql! {
    LockProduct(id: st::Uuid = ProductId, staff: st::Bool = bool, user: st::Uuid = UserId) -> (st::Uuid, st::BigInt),
    concat!(own_product!(), " FOR UPDATE")
}
cached_sql! {
    /// The lowest price follows the variants; the version and the time follow every change.
    Touch(id: st::Uuid = ProductId, at: st::Timestamptz = DateTime<Utc>) -> st::Untyped,
    "UPDATE catalog.products p SET version = p.version + 1, updated_at = $2, from_price_minor = coalesce( \
     (SELECT min(v.unit_price_minor) FROM catalog.variants v WHERE v.product_id = p.id AND v.deleted_at IS NULL), \
     p.from_price_minor) WHERE p.id = $1"
}

/// Locks a product for a member of its business or for staff; to others it does not exist. Joins the caller's
/// transaction.
pub(crate) async fn lock_product(conn: &mut PgConn, caller: &Caller, id: ProductId) -> Result<Locked, CatalogError> {
    let row: Option<(BusinessId, i64)> =
        LockProduct { id: &id, staff: &caller.is_staff(), user: &caller.user_id }.get_result(conn).await.optional()?;
    let (business_id, version) = row.ok_or(CatalogError::NotFound("product"))?;
    Ok(Locked { business_id, version })
}

/// Refuses those who are neither members of the product's business nor staff, as if there were no product.
///
/// # Errors
/// Not the caller's product; what the database said.
pub async fn require_own(conn: &mut PgConn, caller: &Caller, id: ProductId) -> Result<(), CatalogError> {
    let statement = OwnProduct { id: &id, staff: &caller.is_staff(), user: &caller.user_id };
    let row: Option<(BusinessId, i64)> = statement.get_result(conn).await.optional()?;
    row.map(drop).ok_or(CatalogError::NotFound("product"))
}

/// Counts a change of a product. Joins the caller's transaction.
pub(crate) async fn touch(conn: &mut PgConn, id: ProductId, at: DateTime<Utc>) -> Result<(), CatalogError> {
    Touch { id: &id, at: &at }.execute(conn).await?;
    Ok(())
}

/// Writes into the trail what staff changed about a product. Joins the caller's transaction.
pub(crate) async fn record(
    conn: &mut PgConn,
    caller: &Caller,
    action: &'static str,
    id: ProductId,
    changed: &[&str],
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    Ok(trail::record_staff(conn, caller, action, id, json!({ "changed": changed }), at).await?)
}
