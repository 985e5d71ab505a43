//! A product as one row: variants with their stock, and pictures, gathered by the statement itself, so that a page of
//! products is one statement.

use chrono::{DateTime, Utc};
use diesel::sql_types as st;
use kernel::{BusinessId, Currency, ProductId};
use serde::de::DeserializeOwned;

use super::Product;
use crate::{CatalogError, words::CategoryId};

/// The columns of a [`ProductRow`], from `catalog.products p`. A deleted product shows the variants that were deleted
/// with it. The query builder has no aggregates into JSON.
macro_rules! product_columns {
    () => {
        "p.id, p.business_id, p.category_id, p.name, p.description, p.currency, p.active, p.attributes, \
         p.from_price_minor, p.version, p.created_at, p.updated_at, p.deleted_at, lower(left(p.name, 60)), \
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', v.id, 'sku', v.sku, 'name', v.name, 'options', v.options, \
              'price_minor', v.price_minor, 'discount_basis_points', v.discount_basis_points, \
              'unit_price_minor', v.unit_price_minor, 'on_hand', s.on_hand, 'reserved', s.reserved, \
              'backorder_limit', s.backorder_limit) ORDER BY v.position, v.id), '[]') \
          FROM catalog.variants v JOIN catalog.stock s ON s.variant_id = v.id \
          WHERE v.product_id = p.id AND v.deleted_at IS NOT DISTINCT FROM p.deleted_at), \
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'name', i.name, 'thumbnail', i.thumbnail, \
              'width', i.width, 'height', i.height) ORDER BY i.position, i.id), '[]') \
          FROM catalog.product_images i WHERE i.product_id = p.id)"
    };
}
pub(super) use product_columns;

/// The SQL types of [`product_columns`].
pub(super) type ProductSql = (
    (st::Uuid, st::Uuid, st::Nullable<st::Uuid>, st::Text, st::Text, st::Text, st::Bool, st::Jsonb),
    (st::BigInt, st::BigInt, st::Timestamptz, st::Timestamptz, st::Nullable<st::Timestamptz>),
    (st::Text, st::Jsonb, st::Jsonb),
);

type Described = (ProductId, BusinessId, Option<CategoryId>, String, String, String, bool, serde_json::Value);
type Dated = (i64, i64, DateTime<Utc>, DateTime<Utc>, Option<DateTime<Utc>>);
type Gathered = (String, serde_json::Value, serde_json::Value);

/// A product as it is read.
pub(super) type ProductRow = (Described, Dated, Gathered);

fn read<T: DeserializeOwned>(value: serde_json::Value, what: &'static str) -> Result<T, CatalogError> {
    serde_json::from_value(value).or(Err(CatalogError::BadRow(what)))
}

/// The product, and the key it has in a list sorted by name.
pub(super) fn product(row: ProductRow) -> Result<(Product, String), CatalogError> {
    let (described, dated, (name_key, variants, images)) = row;
    let (id, business_id, category_id, name, description, currency, active, attributes) = described;
    let (from_price_minor, version, created_at, updated_at, deleted_at) = dated;
    let product = Product {
        id,
        business_id,
        category_id,
        name,
        description,
        currency: Currency::parse(&currency).or(Err(CatalogError::BadRow("currency")))?,
        active,
        attributes: read(attributes, "list of attributes")?,
        from_price_minor,
        variants: read(variants, "list of variants")?,
        images: read(images, "list of pictures")?,
        version,
        created_at,
        updated_at,
        deleted_at,
    };
    Ok((product, name_key))
}
