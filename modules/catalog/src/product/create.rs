//! Putting a product up for sale.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_types as st};
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{BusinessId, Caller, Currency, PgConn, ProductId, VariantId, cached_sql, db::OnConstraint};

use super::{Product, VARIANTS_MAX, query};
use crate::{
    CatalogError,
    business::role_of,
    price::unit_price,
    schema::catalog::products,
    words::{self, Attribute, CategoryId, ProductDescription, ProductName, Sku, VariantName},
};

/// A product that is about to be put up for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Who sells it.
    pub business_id: BusinessId,
    /// Where it is found.
    pub category_id: Option<CategoryId>,
    /// What it is called.
    pub name: ProductName,
    /// What the seller says about it.
    pub description: Option<ProductDescription>,
    /// The currency of its prices.
    pub currency: Currency,
    /// Whether it is on sale at once.
    pub active: bool,
    /// What is known about it.
    pub attributes: Vec<Attribute>,
    /// At least one.
    pub variants: Vec<NewVariant>,
}

/// A variant that is about to be put up for sale. It starts without stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVariant {
    /// What the seller calls it in their books.
    pub sku: Sku,
    /// What tells it from the product's other variants.
    pub name: Option<VariantName>,
    /// The same as a list: colour, size.
    pub options: Vec<Attribute>,
    /// What one costs without the discount.
    pub price_minor: i64,
    /// The discount, in basis points.
    pub discount_basis_points: Option<i32>,
}

cached_sql! {
    /// Variants, each with its stock row.
    InsertVariants(product: st::Uuid = ProductId, business: st::Uuid = BusinessId, at: st::Timestamptz = DateTime<Utc>,
        ids: st::Array<st::Uuid> = Vec<VariantId>, skus: st::Array<st::Text> = Vec<String>,
        names: st::Array<st::Nullable<st::Text>> = Vec<Option<String>>, options: st::Array<st::Jsonb> = Vec<serde_json::Value>,
        prices: st::Array<st::BigInt> = Vec<i64>, discounts: st::Array<st::Nullable<st::Integer>> = Vec<Option<i32>>,
        positions: st::Array<st::Integer> = Vec<i32>) -> st::Untyped,
    "WITH made AS ( \
         INSERT INTO catalog.variants (id, product_id, business_id, sku, name, options, price_minor, \
             discount_basis_points, position, created_at, updated_at) \
         SELECT t.id, $1, $2, t.sku, t.name, t.options, t.price, t.discount, t.position, $3, $3 \
         FROM unnest($4::uuid[], $5::text[], $6::text[], $7::jsonb[], $8::bigint[], $9::int[], $10::int[]) \
             AS t(id, sku, name, options, price, discount, position) \
         RETURNING id) \
     INSERT INTO catalog.stock (variant_id) SELECT id FROM made"
}

/// Inserts variants of a product, from position `first` on. Joins the caller's transaction.
pub(super) async fn insert_variants(
    conn: &mut PgConn,
    product: ProductId,
    business: BusinessId,
    variants: &[NewVariant],
    first: i32,
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let options = variants.iter().map(|variant| words::to_json(&variant.options)).collect::<Result<_, _>>()?;
    InsertVariants {
        product: &product,
        business: &business,
        at: &at,
        ids: &variants.iter().map(|_| VariantId::new()).collect(),
        skus: &variants.iter().map(|variant| variant.sku.as_str().to_owned()).collect(),
        names: &variants.iter().map(|variant| variant.name.as_ref().map(|name| name.as_str().to_owned())).collect(),
        options: &options,
        prices: &variants.iter().map(|variant| variant.price_minor).collect(),
        discounts: &variants.iter().map(|variant| variant.discount_basis_points).collect(),
        positions: &(first..).take(variants.len()).collect(),
    }
    .execute(conn)
    .await
    .on_constraint("variants_business_id_sku_key", || CatalogError::SkuTaken)?;
    Ok(())
}

/// The lowest unit price among the variants.
fn from_price(variants: &[NewVariant]) -> Result<i64, CatalogError> {
    let mut lowest: Option<i64> = None;
    for variant in variants {
        let price =
            unit_price(variant.price_minor, variant.discount_basis_points).or(Err(CatalogError::BadRow("price")))?;
        lowest = Some(lowest.map_or(price, |lowest| lowest.min(price)));
    }
    lowest.ok_or(CatalogError::VariantsOrPrice)
}

/// Puts a product up for sale, with all its variants. For members of the business.
///
/// # Errors
/// Not the caller's business; no such category; a SKU that is taken; an attribute named twice; no variants or too
/// many; what the database said.
pub async fn create_product(
    conn: &mut PgConn,
    caller: &Caller,
    new: &NewProduct,
    at: DateTime<Utc>,
) -> Result<Product, CatalogError> {
    if new.variants.len() > VARIANTS_MAX {
        return Err(CatalogError::TooManyVariants(VARIANTS_MAX));
    }
    let from_price_minor = from_price(&new.variants)?;
    let attributes = words::to_json(&new.attributes)?;
    conn.transaction(async |conn| {
        role_of(conn, caller, new.business_id).await?;
        let id = ProductId::new();
        diesel::insert_into(products::table)
            .values((
                products::id.eq(id),
                products::business_id.eq(new.business_id),
                products::category_id.eq(new.category_id),
                products::name.eq(new.name.as_str()),
                products::description.eq(new.description.as_ref().map_or("", ProductDescription::as_str)),
                products::currency.eq(new.currency.code()),
                products::active.eq(new.active),
                products::attributes.eq(&attributes),
                products::from_price_minor.eq(from_price_minor),
                products::created_at.eq(at),
                products::updated_at.eq(at),
            ))
            .execute(conn)
            .await
            .on_constraint("products_category_id_fkey", || CatalogError::UnknownCategory)?;
        insert_variants(conn, id, new.business_id, &new.variants, 0, at).await?;
        query::load(conn, id).await
    })
    .await
}
