//! Products: everybody looks, members of their business and staff tend.

use kernel::{BusinessId, Cursor, LIMIT_DEFAULT, ProductId, Seller, Text};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Listed, Tag, Viewer,
    dto::{ActiveParam, ProductBody, ProductList, ProductPatchBody, ProductSortParam, ProductView},
    etag::{self, EntityTag, EntityTags},
    problem::{CatalogEditProblem, CatalogListProblem, CatalogReadProblem, CatalogWriteProblem},
    run,
};
use crate::{
    Catalog,
    product::{self, ActiveFilter, NewProduct, Product, ProductFilter, ProductKey, ProductPatch, ProductSort},
    words::CategoryId,
};

/// What is for sale.
pub struct ProductsApi(pub(super) Catalog);

#[derive(ApiResponse)]
pub(super) enum ProductAnswer {
    /// The product
    #[oai(status = 200)]
    Shown(
        Json<ProductView>,
        /// Send it as If-Match when you change the product or one of its variants
        #[oai(header = "ETag")]
        String,
    ),
}

impl ProductAnswer {
    pub(super) fn new(deps: &Catalog, product: Product) -> Self {
        let (view, tag) = view(deps, product);
        Self::Shown(view, tag)
    }
}

#[derive(ApiResponse)]
pub(super) enum ProductCreated {
    /// The product
    #[oai(status = 201)]
    Created(
        Json<ProductView>,
        /// Where it is
        #[oai(header = "Location")]
        String,
        /// Send it as If-Match when you change the product or one of its variants
        #[oai(header = "ETag")]
        String,
    ),
}

impl ProductCreated {
    pub(super) fn new(deps: &Catalog, product: Product) -> Self {
        let location = format!("/v1/products/{}", product.id);
        let (view, tag) = view(deps, product);
        Self::Created(view, location, tag)
    }
}

#[derive(ApiResponse)]
#[expect(clippy::large_enum_variant, reason = "made once and sent away at once")]
enum ProductReadAnswer {
    /// The product
    #[oai(status = 200)]
    Shown(
        Json<ProductView>,
        /// Changes with whatever is shown; send it as If-Match when you change the product or one of its variants
        #[oai(header = "ETag")]
        String,
    ),
    /// You have it already
    #[oai(status = 304)]
    NotModified(
        /// The same as yours
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum ProductDeleted {
    /// The product is gone
    #[oai(status = 204)]
    Deleted,
}

fn view(deps: &Catalog, product: Product) -> (Json<ProductView>, String) {
    let version = product.version;
    let view = ProductView::new(product, &deps.public_url);
    let tag = etag::of_view(version, &view);
    (Json(view), tag)
}

#[OpenApi(tag = "Tag::Products")]
impl ProductsApi {
    /// Put a product up for sale
    ///
    /// For members of the business. Send `variants`, or `sku` and `price_minor` for a product with a single one. It
    /// starts without stock.
    #[oai(path = "/products", method = "post", operation_id = "createProduct")]
    async fn create_product(
        &self,
        caller: Seller,
        body: Json<ProductBody>,
    ) -> Result<ProductCreated, CatalogWriteProblem> {
        let (caller, new) = (caller.0, NewProduct::try_from(body.0)?);
        let product = run!(self.0, [caller, new], |conn, at| product::create_product(conn, &caller, &new, at))?;
        Ok(ProductCreated::new(&self.0, product))
    }

    /// List products
    ///
    /// Search, filter and sort what is for sale. Prices are in minor units; they mean little across currencies, so send
    /// `currency` along with them.
    #[oai(path = "/products", method = "get", operation_id = "listProducts")]
    #[expect(clippy::too_many_arguments, reason = "one for each query parameter")]
    async fn list_products(
        &self,
        viewer: Viewer,
        /// Words in the name or description, as in a search engine: `"green tea" -lotus`
        q: Query<Option<Text<1, 200>>>,
        /// In this category or one below it
        category: Query<Option<CategoryId>>,
        /// Sold by this business
        business: Query<Option<BusinessId>>,
        /// Priced in this currency
        currency: Query<Option<kernel::Currency>>,
        /// With a variant whose unit price is at least this
        #[oai(validator(minimum(value = "0"), maximum(value = "1000000000000")))]
        min_price: Query<Option<i64>>,
        /// With a variant whose unit price is at most this
        #[oai(validator(minimum(value = "0"), maximum(value = "1000000000000")))]
        max_price: Query<Option<i64>>,
        /// With a variant that can be ordered, or without any
        in_stock: Query<Option<bool>>,
        /// Whether it is on sale; strangers see nothing else
        active: Query<Option<ActiveParam>>,
        /// The order; the newest first unless you say otherwise
        sort: Query<Option<ProductSortParam>>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to go on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Listed<ProductList>, CatalogListProblem> {
        let filter = ProductFilter {
            words: q.0,
            category: category.0,
            business: business.0,
            currency: currency.0,
            min_price_minor: min_price.0,
            max_price_minor: max_price.0,
            in_stock: in_stock.0,
            active: active.0.map_or(ActiveFilter::Active, ActiveFilter::from),
        };
        let sort = sort.0.map_or(ProductSort::Newest, ProductSort::from);
        let after: Option<ProductKey> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        if after.as_ref().is_some_and(|after| after.sort() != sort) {
            return Err(Cursor::of_another_list().into());
        }
        let mut conn = self.0.conn().await?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let (products, next) =
            product::list_products(&mut conn, viewer.caller(), &filter, sort, after.as_ref(), limit).await?;
        let data = products.into_iter().map(|product| ProductView::new(product, &self.0.public_url)).collect();
        Ok(Listed::Page(Json(ProductList { data, next_cursor: next.as_ref().map(Cursor::encode) })))
    }

    /// Show a product
    ///
    /// What is not on sale is shown to members of its business and to staff.
    #[oai(path = "/products/:id", method = "get", operation_id = "getProduct")]
    async fn get_product(
        &self,
        viewer: Viewer,
        /// Which product
        id: Path<ProductId>,
        /// The ETag you have: when it still holds, the answer is 304 without a body
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<EntityTags>>,
    ) -> Result<ProductReadAnswer, CatalogReadProblem> {
        let mut conn = self.0.conn().await?;
        let product = product::get_product(&mut conn, viewer.caller(), id.0).await?;
        let (view, tag) = view(&self.0, product);
        Ok(if etag::is_known(if_none_match.0.as_ref(), &tag) {
            ProductReadAnswer::NotModified(tag)
        } else {
            ProductReadAnswer::Shown(view, tag)
        })
    }

    /// Change a product
    ///
    /// For members of its business and for staff.
    #[oai(path = "/products/:id", method = "patch", operation_id = "updateProduct")]
    async fn update_product(
        &self,
        caller: Seller,
        /// Which product
        id: Path<ProductId>,
        /// The ETag of the product as you have seen it
        #[oai(name = "If-Match")]
        if_match: Header<Option<EntityTag>>,
        body: Json<ProductPatchBody>,
    ) -> Result<ProductAnswer, CatalogEditProblem> {
        let (caller, id, seen) = (caller.0, id.0, etag::seen(if_match.0.as_ref()));
        let patch = ProductPatch::from(body.0);
        let product = run!(self.0, [caller, id, seen, patch], |conn, at| product::patch_product(
            conn, &caller, id, seen, &patch, at
        ))?;
        Ok(ProductAnswer::new(&self.0, product))
    }

    /// Delete a product
    ///
    /// For members of its business and for staff. Nobody can order it any more; orders that have it keep it. Its SKUs
    /// are free again.
    #[oai(path = "/products/:id", method = "delete", operation_id = "deleteProduct")]
    async fn delete_product(
        &self,
        caller: Seller,
        /// Which product
        id: Path<ProductId>,
    ) -> Result<ProductDeleted, CatalogWriteProblem> {
        let (caller, id) = (caller.0, id.0);
        run!(self.0, [caller, id], |conn, at| product::delete_product(conn, &caller, id, at))?;
        Ok(ProductDeleted::Deleted)
    }
}
