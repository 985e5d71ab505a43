//! Reading products. A page is one statement, however many variants and pictures are on it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Caller, PgConn, ProductId, UserId, cached_sql};

use super::{
    Product, ProductFilter, ProductKey, ProductSort,
    filter::ProductPage,
    row::{ProductRow, ProductSql, product, product_columns},
};
use crate::CatalogError;

cached_sql! {
    Get(id: st::Uuid = ProductId) -> ProductSql,
    concat!("SELECT ", product_columns!(), " FROM catalog.products p WHERE p.id = $1")
}
cached_sql! {
    /// For staff and members whatever it is, for everybody else while it is on sale.
    GetVisible(id: st::Uuid = ProductId, staff: st::Bool = bool, user: st::Nullable<st::Uuid> = Option<UserId>) -> ProductSql,
    concat!("SELECT ", product_columns!(), " FROM catalog.products p WHERE p.id = $1 AND \
        ((p.active AND p.deleted_at IS NULL) OR $2 OR EXISTS (SELECT 1 FROM catalog.members m \
        WHERE m.business_id = p.business_id AND m.user_id = $3))")
}

/// A product as `viewer` may see it: strangers see what is on sale; members of its business and staff see all of it.
///
/// # Errors
/// There is no such product for the viewer; what the database said.
pub async fn get_product(conn: &mut PgConn, viewer: Option<&Caller>, id: ProductId) -> Result<Product, CatalogError> {
    let row: Option<ProductRow> = GetVisible {
        id: &id,
        staff: &viewer.is_some_and(Caller::is_staff),
        user: &viewer.map(|viewer| viewer.user_id),
    }
    .get_result(conn)
    .await
    .optional()?;
    Ok(product(row.ok_or(CatalogError::NotFound("product"))?)?.0)
}

cached_sql! {
    Stamps(ids: st::Array<st::Uuid> = Vec<ProductId>) -> (st::Uuid, st::BigInt, st::Timestamptz, st::BigInt, st::BigInt),
    "SELECT p.id, p.version, p.updated_at, s.changes, s.beyond FROM catalog.products p CROSS JOIN LATERAL ( \
         SELECT coalesce(sum(s.version), 0)::bigint AS changes, coalesce(sum(s.backorder_limit), 0)::bigint AS beyond \
         FROM catalog.variants v JOIN catalog.stock s ON s.variant_id = v.id WHERE v.product_id = p.id) s \
     WHERE p.id = ANY($1)"
}

/// What changes with what is shown of a product: its version, when it was last changed (pictures do not count in the
/// version), how often the counters of its variants have changed, and how much may be promised of them beyond what is there.
pub type ProductStamp = (i64, DateTime<Utc>, i64, i64);

/// The stamps of these products: if one is what it was, so is the product. Unknown ones are missing. One statement.
///
/// # Errors
/// What the database said.
pub async fn stamps(conn: &mut PgConn, ids: &Vec<ProductId>) -> QueryResult<HashMap<ProductId, ProductStamp>> {
    let rows: Vec<(ProductId, i64, DateTime<Utc>, i64, i64)> = Stamps { ids }.load(conn).await?;
    Ok(rows.into_iter().map(|(id, version, at, changes, beyond)| (id, (version, at, changes, beyond))).collect())
}

/// A product that is known to be the caller's. Joins the caller's transaction.
pub(crate) async fn load(conn: &mut PgConn, id: ProductId) -> Result<Product, CatalogError> {
    let row: Option<ProductRow> = Get { id: &id }.get_result(conn).await.optional()?;
    Ok(product(row.ok_or(CatalogError::NotFound("product"))?)?.0)
}

/// The products that `filter` lets through and `viewer` may see, sorted. One statement.
///
/// # Errors
/// What the database said.
pub async fn list_products(
    conn: &mut PgConn,
    viewer: Option<&Caller>,
    filter: &ProductFilter,
    sort: ProductSort,
    after: Option<&ProductKey>,
    limit: u32,
) -> Result<(Vec<Product>, Option<ProductKey>), CatalogError> {
    let page = ProductPage { viewer, filter, sort, after, limit: i64::from(limit) + 1 };
    let rows: Vec<ProductRow> = page.load(conn).await?;
    let mut products = rows.into_iter().map(product).collect::<Result<Vec<_>, _>>()?;
    let next = crate::page::cut(&mut products, limit, |(product, name_key)| ProductKey::of(sort, product, name_key));
    Ok((products.into_iter().map(|(product, _)| product).collect(), next))
}
