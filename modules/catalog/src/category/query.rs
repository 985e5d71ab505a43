//! Reading categories.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use kernel::PgConn;
use serde::{Deserialize, Serialize};

use super::{CATEGORIES_MAX, Category, CategoryNode, tree};
use crate::{CatalogError, schema::catalog::categories, words::CategoryId};

type CategoryRow = (CategoryId, Option<CategoryId>, String, String, i64, DateTime<Utc>, DateTime<Utc>);

impl From<CategoryRow> for Category {
    fn from((id, parent_id, slug, name, version, created_at, updated_at): CategoryRow) -> Self {
        Self { id, parent_id, slug, name, version, created_at, updated_at }
    }
}

/// Lets nobody else change the tree until the transaction ends; answers every category's parent. Joins.
pub(super) async fn lock_tree(conn: &mut PgConn) -> Result<HashMap<CategoryId, Option<CategoryId>>, CatalogError> {
    // The query builder has no LOCK. One writer at a time, so that two moves cannot make a cycle together; readers and
    // new products do not wait.
    diesel::sql_query("LOCK TABLE catalog.categories IN SHARE ROW EXCLUSIVE MODE").execute(conn).await?;
    let pairs: Vec<(CategoryId, Option<CategoryId>)> =
        categories::table.select((categories::id, categories::parent_id)).load(conn).await?;
    Ok(pairs.into_iter().collect())
}

/// A category.
///
/// # Errors
/// There is no such category; what the database said.
pub async fn get_category(conn: &mut PgConn, id: CategoryId) -> Result<Category, CatalogError> {
    let row: Option<CategoryRow> = categories::table.find(id).first(conn).await.optional()?;
    row.map(Category::from).ok_or(CatalogError::NotFound("category"))
}

/// The place of a category in the list of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryKey {
    slug: String,
}

/// All categories, by slug.
///
/// # Errors
/// What the database said.
pub async fn list_categories(
    conn: &mut PgConn,
    after: Option<&CategoryKey>,
    limit: u32,
) -> Result<(Vec<Category>, Option<CategoryKey>), CatalogError> {
    let rows: Vec<CategoryRow> = categories::table
        .filter(categories::slug.gt(after.map_or("", |key| key.slug.as_str())))
        .order(categories::slug)
        .limit(i64::from(limit) + 1)
        .load(conn)
        .await?;
    let mut all: Vec<Category> = rows.into_iter().map(Category::from).collect();
    let next = crate::page::cut(&mut all, limit, |last| CategoryKey { slug: last.slug.clone() });
    Ok((all, next))
}

/// The whole tree.
///
/// # Errors
/// What the database said.
pub async fn category_tree(conn: &mut PgConn) -> Result<Vec<CategoryNode>, CatalogError> {
    let rows: Vec<CategoryRow> = categories::table.limit(CATEGORIES_MAX).load(conn).await?;
    Ok(tree::grow(rows.into_iter().map(Category::from).collect()))
}
