//! Taking a picture away from a product, or putting them in another order. The last one to say so wins: pictures do not
//! count in the product's version.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_types as st};
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, MediaId, PgConn, ProductId, cached_sql};

use crate::{
    CatalogError,
    product::{Product, load_product, lock_product, record},
    schema::catalog::{product_images, products},
};

/// Takes a picture away from a product. The file goes when nothing shows it any more. For members of the product's
/// business and for staff.
///
/// # Errors
/// Not the caller's product; no such picture; what the database said.
pub async fn delete_image(
    conn: &mut PgConn,
    caller: &Caller,
    product: ProductId,
    image: MediaId,
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    conn.transaction(async |conn| {
        lock_product(conn, caller, product).await?;
        let gone = diesel::delete(product_images::table.find(image).filter(product_images::product_id.eq(product)))
            .execute(conn)
            .await?;
        if gone != 1 {
            return Err(CatalogError::NotFound("picture"));
        }
        diesel::update(products::table.find(product)).set(products::updated_at.eq(at)).execute(conn).await?;
        record(conn, caller, "product.changed", product, &["images"], at).await?;
        Ok(())
    })
    .await
}

cached_sql! {
    Reorder(product: st::Uuid = ProductId, images: st::Array<st::Uuid> = Vec<MediaId>) -> st::Untyped,
    "UPDATE catalog.product_images i SET position = t.position - 1 \
     FROM unnest($2::uuid[]) WITH ORDINALITY AS t(id, position) WHERE i.id = t.id AND i.product_id = $1"
}

/// Puts a product's pictures in the order of `images`, which names each of them once. The first one is the one that
/// lists show. For members of the product's business and for staff.
///
/// # Errors
/// Not the caller's product; not exactly its pictures; what the database said.
pub async fn order_images(
    conn: &mut PgConn,
    caller: &Caller,
    product: ProductId,
    images: &Vec<MediaId>,
    at: DateTime<Utc>,
) -> Result<Product, CatalogError> {
    conn.transaction(async |conn| {
        lock_product(conn, caller, product).await?;
        let mut there: Vec<MediaId> = product_images::table
            .filter(product_images::product_id.eq(product))
            .select(product_images::id)
            .load(conn)
            .await?;
        let mut named = images.clone();
        there.sort_unstable();
        named.sort_unstable();
        if there != named {
            return Err(CatalogError::ImageOrder);
        }
        Reorder { product: &product, images }.execute(conn).await?;
        diesel::update(products::table.find(product)).set(products::updated_at.eq(at)).execute(conn).await?;
        record(conn, caller, "product.changed", product, &["images"], at).await?;
        load_product(conn, product).await
    })
    .await
}
