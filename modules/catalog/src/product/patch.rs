//! Changing a product.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, PgConn, ProductId, db::OnConstraint};

use super::{
    Product,
    lock::{lock_product, record, touch},
    query,
};
use crate::{
    CatalogError,
    schema::catalog::products,
    version::{self, Seen},
    words::{self, Attribute, CategoryId, ProductDescription, ProductName},
};

/// What shall change; `None` leaves it as it is. The currency cannot change: prices would change their meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductPatch {
    /// Where it is found; `Some(None)` takes it out of its category.
    pub category_id: Option<Option<CategoryId>>,
    /// What it is called.
    pub name: Option<ProductName>,
    /// What the seller says about it.
    pub description: Option<ProductDescription>,
    /// Whether it is on sale.
    pub active: Option<bool>,
    /// What is known about it: all of it, not only what changes.
    pub attributes: Option<Vec<Attribute>>,
}

impl ProductPatch {
    /// The names of what changes.
    fn fields(&self) -> Vec<&'static str> {
        let all = [
            ("category_id", self.category_id.is_some()),
            ("name", self.name.is_some()),
            ("description", self.description.is_some()),
            ("active", self.active.is_some()),
            ("attributes", self.attributes.is_some()),
        ];
        all.into_iter().filter(|(_, changes)| *changes).map(|(name, _)| name).collect()
    }
}

/// Changes a product. For members of its business and for staff.
///
/// # Errors
/// Not the caller's product; no version, or one that is no longer current; no such category; an attribute named twice;
/// what the database said.
pub async fn patch_product(
    conn: &mut PgConn,
    caller: &Caller,
    id: ProductId,
    seen: Seen,
    patch: &ProductPatch,
    at: DateTime<Utc>,
) -> Result<Product, CatalogError> {
    let attributes = patch.attributes.as_deref().map(words::to_json).transpose()?;
    conn.transaction(async |conn| {
        let locked = lock_product(conn, caller, id).await?;
        version::check(seen, locked.version)?;
        diesel::update(products::table.find(id))
            .set((
                patch.category_id.map(|category_id| products::category_id.eq(category_id)),
                patch.name.as_ref().map(|name| products::name.eq(name.as_str())),
                patch.description.as_ref().map(|text| products::description.eq(text.as_str())),
                patch.active.map(|active| products::active.eq(active)),
                attributes.as_ref().map(|attributes| products::attributes.eq(attributes)),
                products::updated_at.eq(at),
            ))
            .execute(conn)
            .await
            .on_constraint("products_category_id_fkey", || CatalogError::UnknownCategory)?;
        touch(conn, id, at).await?;
        record(conn, caller, "product.changed", id, &patch.fields(), at).await?;
        query::load(conn, id).await
    })
    .await
}
