//! Adding, changing and deleting variants. Each is a change of their product, and counts in its version.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, PgConn, ProductId, VariantId, db::OnConstraint, trail};
use serde_json::json;

use super::{
    NewVariant, Product, VARIANTS_MAX,
    create::insert_variants,
    lock::{lock_product, record, touch},
    query,
};
use crate::{
    CatalogError,
    schema::catalog::variants,
    version::{self, Seen},
    words::{self, Attribute, Sku, VariantName},
};

/// What shall change; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariantPatch {
    /// What the seller calls it in their books.
    pub sku: Option<Sku>,
    /// What tells it from the product's other variants; `Some(None)` removes the name.
    pub name: Option<Option<VariantName>>,
    /// The same as a list: all of it, not only what changes.
    pub options: Option<Vec<Attribute>>,
    /// What one costs without the discount.
    pub price_minor: Option<i64>,
    /// The discount in basis points; `Some(None)` ends it.
    pub discount_basis_points: Option<Option<i32>>,
}

impl VariantPatch {
    /// The names of what changes, and the prices.
    fn fields(&self) -> serde_json::Value {
        json!({
            "sku": self.sku.is_some(),
            "name": self.name.is_some(),
            "options": self.options.is_some(),
            "price_minor": self.price_minor,
            "discount_basis_points": self.discount_basis_points,
        })
    }
}

/// Adds a variant to a product. For members of its business and for staff.
///
/// # Errors
/// Not the caller's product; a SKU that is taken; an option named twice; too many; what the database said.
pub async fn add_variant(
    conn: &mut PgConn,
    caller: &Caller,
    product: ProductId,
    new: &NewVariant,
    at: DateTime<Utc>,
) -> Result<Product, CatalogError> {
    conn.transaction(async |conn| {
        let locked = lock_product(conn, caller, product).await?;
        let positions: Vec<i32> = variants::table
            .filter(variants::product_id.eq(product))
            .filter(variants::deleted_at.is_null())
            .select(variants::position)
            .load(conn)
            .await?;
        if positions.len() >= VARIANTS_MAX {
            return Err(CatalogError::TooManyVariants(VARIANTS_MAX));
        }
        let last = positions.into_iter().max().unwrap_or(0);
        insert_variants(conn, product, locked.business_id, std::slice::from_ref(new), last.saturating_add(1), at)
            .await?;
        touch(conn, product, at).await?;
        record(conn, caller, "variant.added", product, &[], at).await?;
        query::load(conn, product).await
    })
    .await
}

/// The product of a live variant. Joins the caller's transaction.
async fn product_of(conn: &mut PgConn, id: VariantId) -> Result<ProductId, CatalogError> {
    variants::table
        .find(id)
        .filter(variants::deleted_at.is_null())
        .select(variants::product_id)
        .first(conn)
        .await
        .optional()?
        .ok_or(CatalogError::NotFound("variant"))
}

/// To a stranger a variant does not exist, just as its product does not.
fn as_variant(error: CatalogError) -> CatalogError {
    match error {
        CatalogError::NotFound(_) => CatalogError::NotFound("variant"),
        other => other,
    }
}

/// Changes a variant of a product that the caller has seen at version `seen`. For members of its business and for staff.
///
/// # Errors
/// Not the caller's variant; no version, or one that is no longer current; a SKU that is taken; an option named twice;
/// what the database said.
pub async fn patch_variant(
    conn: &mut PgConn,
    caller: &Caller,
    id: VariantId,
    seen: Seen,
    patch: &VariantPatch,
    at: DateTime<Utc>,
) -> Result<Product, CatalogError> {
    let options = patch.options.as_deref().map(words::to_json).transpose()?;
    conn.transaction(async |conn| {
        let product = product_of(conn, id).await?;
        let locked = lock_product(conn, caller, product).await.map_err(as_variant)?;
        version::check(seen, locked.version)?;
        let changed = diesel::update(variants::table.find(id).filter(variants::deleted_at.is_null()))
            .set((
                patch.sku.as_ref().map(|sku| variants::sku.eq(sku.as_str())),
                patch.name.as_ref().map(|name| variants::name.eq(name.as_ref().map(VariantName::as_str))),
                options.as_ref().map(|options| variants::options.eq(options)),
                patch.price_minor.map(|price| variants::price_minor.eq(price)),
                patch.discount_basis_points.map(|discount| variants::discount_basis_points.eq(discount)),
                variants::updated_at.eq(at),
            ))
            .execute(conn)
            .await
            .on_constraint("variants_business_id_sku_key", || CatalogError::SkuTaken)?;
        if changed != 1 {
            return Err(CatalogError::NotFound("variant"));
        }
        touch(conn, product, at).await?;
        trail::record_staff(conn, caller, "variant.changed", id, json!({ "changed": patch.fields() }), at).await?;
        query::load(conn, product).await
    })
    .await
}

/// Deletes a variant, softly; its stock and ledger stay and its SKU is free again. For members of its business and for
/// staff.
///
/// # Errors
/// Not the caller's variant; the product's last one; what the database said.
pub async fn delete_variant(
    conn: &mut PgConn,
    caller: &Caller,
    id: VariantId,
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    conn.transaction(async |conn| {
        let product = product_of(conn, id).await?;
        lock_product(conn, caller, product).await.map_err(as_variant)?;
        let live: Vec<VariantId> = variants::table
            .filter(variants::product_id.eq(product))
            .filter(variants::deleted_at.is_null())
            .select(variants::id)
            .load(conn)
            .await?;
        match live.as_slice() {
            [last] if *last == id => return Err(CatalogError::LastVariant),
            live if !live.contains(&id) => return Err(CatalogError::NotFound("variant")),
            _ => {}
        }
        diesel::update(variants::table.find(id))
            .set((variants::deleted_at.eq(at), variants::updated_at.eq(at)))
            .execute(conn)
            .await?;
        touch(conn, product, at).await?;
        Ok(trail::record_staff(conn, caller, "variant.deleted", id, json!({ "product_id": product }), at).await?)
    })
    .await
}
