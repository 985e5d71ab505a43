//! Giving a product a picture that is already stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Caller, MediaId, PgConn, ProductId};

use super::{IMAGES_MAX, Picture};
use crate::{
    CatalogError,
    product::{Product, load_product, lock_product, record},
    schema::catalog::{product_images, products},
};

/// Shows a stored picture with a product, behind the others. A picture that is there already stays where it is. For
/// members of the product's business and for staff.
///
/// # Errors
/// Not the caller's product; too many pictures; what the database said.
pub async fn attach_image(
    conn: &mut PgConn,
    caller: &Caller,
    product: ProductId,
    picture: &Picture,
    at: DateTime<Utc>,
) -> Result<Product, CatalogError> {
    conn.transaction(async |conn| {
        lock_product(conn, caller, product).await?;
        let there: Vec<(String, i32)> = product_images::table
            .filter(product_images::product_id.eq(product))
            .select((product_images::name, product_images::position))
            .load(conn)
            .await?;
        if there.iter().any(|(name, _)| *name == picture.name) {
            return load_product(conn, product).await;
        }
        if there.len() >= IMAGES_MAX {
            return Err(CatalogError::TooManyImages(IMAGES_MAX));
        }
        let position = there.iter().map(|(_, position)| position.saturating_add(1)).max().unwrap_or(0);
        diesel::insert_into(product_images::table)
            .values((
                product_images::id.eq(MediaId::new()),
                product_images::product_id.eq(product),
                product_images::name.eq(&picture.name),
                product_images::thumbnail.eq(&picture.thumbnail_name),
                product_images::width.eq(i32::try_from(picture.width).or(Err(CatalogError::ImageDimensions))?),
                product_images::height.eq(i32::try_from(picture.height).or(Err(CatalogError::ImageDimensions))?),
                product_images::position.eq(position),
                product_images::created_at.eq(at),
            ))
            .execute(conn)
            .await?;
        diesel::update(products::table.find(product)).set(products::updated_at.eq(at)).execute(conn).await?;
        record(conn, caller, "product.changed", product, &["images"], at).await?;
        load_product(conn, product).await
    })
    .await
}
