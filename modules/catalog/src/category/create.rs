//! Adding a category.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{
    PgConn,
    db::OnConstraint,
    trail::{self, Actor},
};

use super::{
    CATEGORIES_MAX, Category,
    query::{get_category, lock_tree},
    tree,
};
use crate::{
    CatalogError,
    schema::catalog::categories,
    words::{CategoryId, CategoryName, Slug},
};

/// A category that is about to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCategory {
    /// The category above it.
    pub parent_id: Option<CategoryId>,
    /// Its name in addresses.
    pub slug: Slug,
    /// What it is called.
    pub name: CategoryName,
}

/// Adds a category. For staff; the handler's caller type says so.
///
/// # Errors
/// No such parent; too deep; too many; a slug that is taken; what the database said.
pub async fn create_category(
    conn: &mut PgConn,
    by: Actor,
    new: &NewCategory,
    at: DateTime<Utc>,
) -> Result<Category, CatalogError> {
    conn.transaction(async |conn| {
        let id = CategoryId::new();
        let parents = lock_tree(conn).await?;
        tree::check_move(&parents, id, new.parent_id)?;
        if i64::try_from(parents.len()).is_ok_and(|count| count >= CATEGORIES_MAX) {
            return Err(CatalogError::TooManyCategories(CATEGORIES_MAX));
        }
        diesel::insert_into(categories::table)
            .values((
                categories::id.eq(id),
                categories::parent_id.eq(new.parent_id),
                categories::slug.eq(new.slug.as_str()),
                categories::name.eq(new.name.as_str()),
                categories::created_at.eq(at),
                categories::updated_at.eq(at),
            ))
            .execute(conn)
            .await
            .on_constraint("categories_slug_key", || CatalogError::SlugTaken)?;
        trail::record(conn, by, "category.created", id, super::entry(new.slug.as_str()), at).await?;
        get_category(conn, id).await
    })
    .await
}
