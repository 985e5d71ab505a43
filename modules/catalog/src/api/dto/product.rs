//! Products, variants and their pictures on the wire.

use chrono::{DateTime, Utc};
use kernel::{BusinessId, Currency, MediaId, Money, ProductId, VariantId};
use poem_openapi::{
    Enum, Multipart, Object,
    types::{Binary, Example, MaybeUndefined},
};

use super::maybe;
use crate::{
    CatalogError,
    media::media_url,
    product::{
        ActiveFilter, NewProduct, NewVariant, Product, ProductImage, ProductPatch, ProductSort, Variant, VariantPatch,
    },
    words::{Attribute, AttributeName, AttributeValue, CategoryId, ProductDescription, ProductName, Sku, VariantName},
};

/// One thing that is known about a product or a variant
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub(in crate::api) struct ProductAttribute {
    /// Which: `material`
    name: AttributeName,
    /// What: `cotton`
    value: AttributeValue,
}

impl From<ProductAttribute> for Attribute {
    fn from(ProductAttribute { name, value }: ProductAttribute) -> Self {
        Self::new(name, value)
    }
}

fn attribute(name: &str, value: &str) -> Option<ProductAttribute> {
    Some(ProductAttribute { name: AttributeName::parse(name).ok()?, value: AttributeValue::parse(value).ok()? })
}

fn attributes(list: Vec<ProductAttribute>) -> Vec<Attribute> {
    list.into_iter().map(Attribute::from).collect()
}

/// One thing that is known about a product or a variant
#[derive(Debug, Clone, Object)]
pub(in crate::api) struct ProductAttributeView {
    /// Which
    name: String,
    /// What
    value: String,
}

impl From<Attribute> for ProductAttributeView {
    fn from(Attribute { name, value }: Attribute) -> Self {
        Self { name, value }
    }
}

/// A variant: what is priced, stocked and ordered
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct VariantView {
    /// Which; order this
    id: VariantId,
    /// What the seller calls it in their books
    sku: String,
    /// What tells it from the product's other variants
    name: Option<String>,
    /// The same as a list: colour, size
    options: Vec<ProductAttributeView>,
    /// What one costs without the discount
    price: Money,
    /// The discount in basis points: 1000 is ten per cent
    discount_basis_points: Option<i32>,
    /// What one costs: the price less the discount, which is rounded half away from zero to the currency's minor unit. A
    /// line of an order costs this times its quantity
    unit_price: Money,
    /// How many units can be had from what is there
    available: i32,
    /// Whether any can be ordered, back orders included
    in_stock: bool,
}

impl VariantView {
    fn new(variant: Variant, currency: Currency) -> Self {
        let (available, in_stock) = (variant.available(), variant.in_stock());
        Self {
            id: variant.id,
            sku: variant.sku,
            name: variant.name,
            options: variant.options.into_iter().map(ProductAttributeView::from).collect(),
            price: Money::new(variant.price_minor, currency),
            discount_basis_points: variant.discount_basis_points,
            unit_price: Money::new(variant.unit_price_minor, currency),
            available,
            in_stock,
        }
    }
}

/// A picture of a product
#[derive(Debug, Clone, Object)]
pub(in crate::api) struct ProductImageView {
    /// Which
    id: MediaId,
    /// Where it is
    url: String,
    /// Where the small one is: 320 pixels on its longer side at most
    thumbnail_url: String,
    /// Pixels from left to right
    width: i32,
    /// Pixels from top to bottom
    height: i32,
}

impl ProductImageView {
    fn new(image: &ProductImage, public_url: &str) -> Self {
        Self {
            id: image.id,
            url: media_url(public_url, &image.name),
            thumbnail_url: media_url(public_url, &image.thumbnail),
            width: image.width,
            height: image.height,
        }
    }
}

/// A product: what is described and shown
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct ProductView {
    /// Which
    id: ProductId,
    /// Who sells it
    business_id: BusinessId,
    /// Where it is found
    category_id: Option<CategoryId>,
    /// What it is called
    name: String,
    /// What the seller says about it
    description: String,
    /// Whether it is on sale
    active: bool,
    /// What is known about it
    attributes: Vec<ProductAttributeView>,
    /// What the cheapest variant costs; lists are sorted by this
    price_from: Money,
    /// How many units of all variants can be had from what is there
    available: i64,
    /// Whether any can be ordered, back orders included
    in_stock: bool,
    /// Its variants, in the seller's order
    variants: Vec<VariantView>,
    /// Its pictures, the first one first
    images: Vec<ProductImageView>,
    /// How often it or one of its variants changed; the first number of the ETag
    version: i64,
    /// Since when it is here
    created_at: DateTime<Utc>,
    /// When it changed last
    updated_at: DateTime<Utc>,
    /// When it was deleted; shown to members of its business and to staff
    deleted_at: Option<DateTime<Utc>>,
}

impl ProductView {
    pub(in crate::api) fn new(product: Product, public_url: &str) -> Self {
        let (available, in_stock, currency) = (product.available(), product.in_stock(), product.currency);
        Self {
            id: product.id,
            business_id: product.business_id,
            category_id: product.category_id,
            name: product.name,
            description: product.description,
            active: product.active,
            attributes: product.attributes.into_iter().map(ProductAttributeView::from).collect(),
            price_from: Money::new(product.from_price_minor, currency),
            available,
            in_stock,
            variants: product.variants.into_iter().map(|variant| VariantView::new(variant, currency)).collect(),
            images: product.images.iter().map(|image| ProductImageView::new(image, public_url)).collect(),
            version: product.version,
            created_at: product.created_at,
            updated_at: product.updated_at,
            deleted_at: product.deleted_at,
        }
    }
}

/// A page of products
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct ProductList {
    /// The products
    pub(in crate::api) data: Vec<ProductView>,
    /// Send this as `cursor`, with everything else unchanged, for the next page; absent on the last one
    pub(in crate::api) next_cursor: Option<String>,
}

/// The order of a list of products
#[derive(Debug, Clone, Copy, Enum)]
#[oai(remote = "ProductSort", rename = "ProductSort", rename_all = "snake_case")]
pub(in crate::api) enum ProductSortParam {
    /// The newest first
    Newest,
    /// The cheapest first, by the cheapest variant
    PriceAsc,
    /// The dearest first, by the cheapest variant
    PriceDesc,
    /// By the first sixty characters of the name
    Name,
}

/// Whether a list shows what is on sale
#[derive(Debug, Clone, Copy, Enum)]
#[oai(remote = "ActiveFilter", rename = "ProductActiveFilter")]
pub(in crate::api) enum ActiveParam {
    /// Only what is on sale
    #[oai(rename = "true")]
    Active,
    /// Only what is not, of your own businesses; staff see everybody's
    #[oai(rename = "false")]
    Inactive,
    /// Both
    #[oai(rename = "any")]
    Any,
}

/// A variant that is about to be put up for sale; it starts without stock
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewVariant", deny_unknown_fields, example)]
pub(in crate::api) struct VariantBody {
    /// What you call it in your books, unlike any other of your variants
    sku: Sku,
    /// What tells it from the product's other variants
    name: Option<VariantName>,
    /// The same as a list: colour, size; each name once
    #[oai(validator(max_items = 20))]
    options: Option<Vec<ProductAttribute>>,
    /// What one costs without the discount, in the currency's minor unit: cents for USD, whole đồng for VND
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000000")))]
    price_minor: i64,
    /// The discount in basis points: 1000 is ten per cent
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    discount_basis_points: Option<i32>,
}

impl Example for VariantBody {
    #[expect(clippy::expect_used, reason = "fixed examples; the API document is built in every test run")]
    fn example() -> Self {
        Self {
            sku: Sku::parse("TEA-LOTUS-200").expect("valid"),
            name: VariantName::parse("200 g").ok(),
            options: Some(attribute("weight", "200 g").into_iter().collect()),
            price_minor: 1_890,
            discount_basis_points: Some(1_000),
        }
    }
}

impl From<VariantBody> for NewVariant {
    fn from(VariantBody { sku, name, options, price_minor, discount_basis_points }: VariantBody) -> Self {
        Self { sku, name, options: attributes(options.unwrap_or_default()), price_minor, discount_basis_points }
    }
}

/// A product that is about to be put up for sale: with `variants`, or with `sku` and `price_minor` for a single one
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewProduct", deny_unknown_fields, example)]
pub(in crate::api) struct ProductBody {
    /// Who sells it: a business that you work for
    business_id: BusinessId,
    /// Where it is found
    category_id: Option<CategoryId>,
    /// What it is called
    name: ProductName,
    /// What you say about it
    description: Option<ProductDescription>,
    /// The currency of its prices; it never changes
    currency: Currency,
    /// Whether it is on sale at once; it is unless you say otherwise
    active: Option<bool>,
    /// What is known about it; each name once
    #[oai(validator(max_items = 50))]
    attributes: Option<Vec<ProductAttribute>>,
    /// Without `variants`: the SKU of the single one
    sku: Option<Sku>,
    /// Without `variants`: what one costs without the discount, in the currency's minor unit
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000000")))]
    price_minor: Option<i64>,
    /// Without `variants`: the discount in basis points
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    discount_basis_points: Option<i32>,
    /// Its variants
    #[oai(validator(max_items = 100))]
    variants: Option<Vec<VariantBody>>,
}

impl Example for ProductBody {
    #[expect(clippy::expect_used, reason = "fixed examples; the API document is built in every test run")]
    fn example() -> Self {
        Self {
            business_id: BusinessId::from_uuid(uuid::uuid!("0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f")),
            category_id: None,
            name: ProductName::parse("Lotus green tea").expect("valid"),
            description: ProductDescription::parse("Green tea scented with lotus flowers.").ok(),
            currency: Currency::USD,
            active: None,
            attributes: Some(attribute("origin", "Vietnam").into_iter().collect()),
            sku: Sku::parse("TEA-LOTUS-100").ok(),
            price_minor: Some(1_290),
            discount_basis_points: None,
            variants: None,
        }
    }
}

impl TryFrom<ProductBody> for NewProduct {
    type Error = CatalogError;

    fn try_from(body: ProductBody) -> Result<Self, CatalogError> {
        let variants = match (body.sku, body.price_minor, body.discount_basis_points, body.variants) {
            (None, None, None, Some(variants)) if !variants.is_empty() => {
                variants.into_iter().map(NewVariant::from).collect()
            }
            (Some(sku), Some(price_minor), discount_basis_points, None) => {
                vec![NewVariant { sku, name: None, options: Vec::new(), price_minor, discount_basis_points }]
            }
            _ => return Err(CatalogError::VariantsOrPrice),
        };
        Ok(Self {
            business_id: body.business_id,
            category_id: body.category_id,
            name: body.name,
            description: body.description,
            currency: body.currency,
            active: body.active.unwrap_or(true),
            attributes: attributes(body.attributes.unwrap_or_default()),
            variants,
        })
    }
}

/// What shall change about a product; what is absent stays
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProductPatch", deny_unknown_fields, example)]
pub(in crate::api) struct ProductPatchBody {
    /// Where it is found; `null` takes it out of its category
    category_id: MaybeUndefined<CategoryId>,
    /// What it is called
    name: Option<ProductName>,
    /// What you say about it
    description: Option<ProductDescription>,
    /// Whether it is on sale
    active: Option<bool>,
    /// What is known about it: the whole list
    #[oai(validator(max_items = 50))]
    attributes: Option<Vec<ProductAttribute>>,
}

impl Example for ProductPatchBody {
    fn example() -> Self {
        Self {
            category_id: MaybeUndefined::Undefined,
            name: ProductName::parse("Lotus green tea, spring harvest").ok(),
            description: None,
            active: Some(true),
            attributes: None,
        }
    }
}

impl From<ProductPatchBody> for ProductPatch {
    fn from(body: ProductPatchBody) -> Self {
        Self {
            category_id: maybe(body.category_id, |id| id),
            name: body.name,
            description: body.description,
            active: body.active,
            attributes: body.attributes.map(attributes),
        }
    }
}

/// What shall change about a variant; what is absent stays
#[derive(Debug, Clone, Object)]
#[oai(rename = "VariantPatch", deny_unknown_fields, example)]
pub(in crate::api) struct VariantPatchBody {
    /// What you call it in your books, unlike any other of your variants
    sku: Option<Sku>,
    /// What tells it from the product's other variants; `null` removes the name
    name: MaybeUndefined<VariantName>,
    /// The same as a list: the whole list
    #[oai(validator(max_items = 20))]
    options: Option<Vec<ProductAttribute>>,
    /// What one costs without the discount, in the currency's minor unit
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000000")))]
    price_minor: Option<i64>,
    /// The discount in basis points; `null` ends it
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    discount_basis_points: MaybeUndefined<i32>,
}

impl Example for VariantPatchBody {
    fn example() -> Self {
        Self {
            sku: None,
            name: MaybeUndefined::Undefined,
            options: None,
            price_minor: Some(1_190),
            discount_basis_points: MaybeUndefined::Value(500),
        }
    }
}

impl From<VariantPatchBody> for VariantPatch {
    fn from(body: VariantPatchBody) -> Self {
        Self {
            sku: body.sku,
            name: maybe(body.name, |name| name),
            options: body.options.map(attributes),
            price_minor: body.price_minor,
            discount_basis_points: maybe(body.discount_basis_points, |discount| discount),
        }
    }
}

/// A picture to upload
#[derive(Debug, Multipart)]
#[oai(deny_unknown_fields)]
pub(in crate::api) struct PictureUpload {
    /// A JPEG, PNG or WebP file of 10 MiB, 40 million pixels and 8000 pixels a side at most
    pub(in crate::api) file: Binary<Vec<u8>>,
}

/// The pictures of a product in a new order
#[derive(Debug, Clone, Object)]
#[oai(rename = "ProductImageOrder", deny_unknown_fields, example)]
pub(in crate::api) struct ImageOrderBody {
    /// All of them, the first one first: lists show that one
    #[oai(validator(max_items = 20))]
    pub(in crate::api) images: Vec<MediaId>,
}

impl Example for ImageOrderBody {
    fn example() -> Self {
        Self { images: vec![MediaId::from_uuid(uuid::uuid!("0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f"))] }
    }
}
