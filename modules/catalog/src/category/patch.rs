//! Changing a category, or hanging it elsewhere.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{
    PgConn,
    db::OnConstraint,
    trail::{self, Actor},
};

use super::{
    Category,
    query::{get_category, lock_tree},
    tree,
};
use crate::{
    CatalogError,
    schema::catalog::categories,
    version::{self, Seen},
    words::{CategoryId, CategoryName, Slug},
};

/// What shall change; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CategoryPatch {
    /// The category above it; `Some(None)` makes it a root.
    pub parent_id: Option<Option<CategoryId>>,
    /// Its name in addresses.
    pub slug: Option<Slug>,
    /// What it is called.
    pub name: Option<CategoryName>,
}

/// Changes a category. For staff; the handler's caller type says so.
///
/// # Errors
/// No such category or parent; no version, or one that is no longer current; a cycle; too deep; a slug that is taken;
/// what the database said.
pub async fn patch_category(
    conn: &mut PgConn,
    by: Actor,
    id: CategoryId,
    seen: Seen,
    patch: &CategoryPatch,
    at: DateTime<Utc>,
) -> Result<Category, CatalogError> {
    conn.transaction(async |conn| {
        let parents = lock_tree(conn).await?;
        let current = get_category(conn, id).await?;
        version::check(seen, current.version)?;
        if let Some(parent_id) = patch.parent_id {
            tree::check_move(&parents, id, parent_id)?;
        }
        diesel::update(categories::table.find(id))
            .set((
                patch.parent_id.map(|parent_id| categories::parent_id.eq(parent_id)),
                patch.slug.as_ref().map(|slug| categories::slug.eq(slug.as_str())),
                patch.name.as_ref().map(|name| categories::name.eq(name.as_str())),
                categories::version.eq(current.version + 1),
                categories::updated_at.eq(at),
            ))
            .execute(conn)
            .await
            .on_constraint("categories_slug_key", || CatalogError::SlugTaken)?;
        let category = get_category(conn, id).await?;
        trail::record(conn, by, "category.changed", id, super::entry(&category.slug), at).await?;
        Ok(category)
    })
    .await
}
