//! Variants: a change of one is a change of its product, and is answered with the product.

use kernel::{ProductId, Seller, VariantId};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path},
    payload::Json,
};

use super::{
    Tag,
    dto::{VariantBody, VariantPatchBody},
    etag::{self, EntityTag},
    problem::{CatalogEditProblem, CatalogWriteProblem},
    products::{ProductAnswer, ProductCreated},
    run,
};
use crate::{
    Catalog,
    product::{self, NewVariant, VariantPatch},
};

/// What is priced, stocked and ordered.
pub struct VariantsApi(pub(super) Catalog);

#[derive(ApiResponse)]
enum VariantDeleted {
    /// The variant is gone
    #[oai(status = 204)]
    Deleted,
}

#[OpenApi(tag = "Tag::Products")]
impl VariantsApi {
    /// Add a variant to a product
    ///
    /// For members of its business and for staff. Answers the product.
    #[oai(path = "/products/:id/variants", method = "post", operation_id = "addVariant")]
    async fn add_variant(
        &self,
        caller: Seller,
        /// Which product
        id: Path<ProductId>,
        body: Json<VariantBody>,
    ) -> Result<ProductCreated, CatalogWriteProblem> {
        let (caller, id, new) = (caller.0, id.0, NewVariant::from(body.0));
        let product = run!(self.0, [caller, id, new], |conn, at| product::add_variant(conn, &caller, id, &new, at))?;
        Ok(ProductCreated::new(&self.0, product))
    }

    /// Change a variant
    ///
    /// For members of its business and for staff. Answers the product.
    #[oai(path = "/variants/:id", method = "patch", operation_id = "updateVariant")]
    async fn update_variant(
        &self,
        caller: Seller,
        /// Which variant
        id: Path<VariantId>,
        /// The ETag of its product as you have seen it
        #[oai(name = "If-Match")]
        if_match: Header<Option<EntityTag>>,
        body: Json<VariantPatchBody>,
    ) -> Result<ProductAnswer, CatalogEditProblem> {
        let (caller, id, seen) = (caller.0, id.0, etag::seen(if_match.0.as_ref()));
        let patch = VariantPatch::from(body.0);
        let product = run!(self.0, [caller, id, seen, patch], |conn, at| product::patch_variant(
            conn, &caller, id, seen, &patch, at
        ))?;
        Ok(ProductAnswer::new(&self.0, product))
    }

    /// Delete a variant
    ///
    /// For members of its business and for staff. A product keeps at least one.
    #[oai(path = "/variants/:id", method = "delete", operation_id = "deleteVariant")]
    async fn delete_variant(
        &self,
        caller: Seller,
        /// Which variant
        id: Path<VariantId>,
    ) -> Result<VariantDeleted, CatalogWriteProblem> {
        let (caller, id) = (caller.0, id.0);
        run!(self.0, [caller, id], |conn, at| product::delete_variant(conn, &caller, id, at))?;
        Ok(VariantDeleted::Deleted)
    }
}
