//! Removing a category.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{
    PgConn,
    db::OnConstraint,
    trail::{self, Actor},
};

use super::query::{get_category, lock_tree};
use crate::{
    CatalogError,
    schema::catalog::{categories, products},
    words::CategoryId,
};

/// Removes a category that nothing is in. Deleted products do not count; they lose the category. For staff; the
/// handler's caller type says so.
///
/// # Errors
/// No such category; products or categories in it; what the database said.
pub async fn delete_category(
    conn: &mut PgConn,
    by: Actor,
    id: CategoryId,
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    conn.transaction(async |conn| {
        lock_tree(conn).await?;
        let category = get_category(conn, id).await?;
        diesel::update(products::table.filter(products::category_id.eq(id)).filter(products::deleted_at.is_not_null()))
            .set(products::category_id.eq(None::<CategoryId>))
            .execute(conn)
            .await?;
        let in_it = products::table.filter(products::category_id.eq(id)).count().get_result::<i64>(conn).await?;
        let children = categories::table.filter(categories::parent_id.eq(id)).count().get_result(conn).await?;
        if in_it > 0 || children > 0 {
            return Err(CatalogError::CategoryInUse { products: in_it, children });
        }
        diesel::delete(categories::table.find(id))
            .execute(conn)
            .await
            // A product that came into it since we counted.
            .on_constraint("products_category_id_fkey", || CatalogError::CategoryInUse { products: 1, children })?;
        trail::record(conn, by, "category.deleted", id, super::entry(&category.slug), at).await?;
        Ok(())
    })
    .await
}
