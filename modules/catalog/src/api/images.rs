//! Pictures of products.

use kernel::{MediaId, ProductId, Seller};
use poem_openapi::{ApiResponse, OpenApi, param::Path, payload::Json};

use super::{
    Tag,
    dto::{ImageOrderBody, PictureUpload},
    problem::{CatalogUploadProblem, CatalogWriteProblem},
    products::{ProductAnswer, ProductCreated},
    run,
};
use crate::{
    Catalog, CatalogError,
    media::{self, Picture},
    product,
};

/// Pictures of products.
pub struct ImagesApi(pub(super) Catalog);

#[derive(ApiResponse)]
enum ImageDeleted {
    /// The product shows the picture no longer
    #[oai(status = 204)]
    Deleted,
}

/// Makes a picture of what was uploaded and stores it, in a task of its own: no transaction is open meanwhile.
pub(super) async fn make_and_keep(deps: &Catalog, upload: PictureUpload) -> Result<Picture, CatalogError> {
    let deps = deps.clone();
    kernel::detached(async move {
        let picture = deps.workshop.make(upload.file.0).await?;
        media::keep(&deps.media, &picture).await?;
        Ok(picture)
    })
    .await
}

#[OpenApi(tag = "Tag::Media")]
impl ImagesApi {
    /// Upload a picture of a product
    ///
    /// For members of its business and for staff. The picture is decoded and encoded again, so that nothing but the
    /// picture is kept. A picture that is there already is not added twice. Answers the product.
    #[oai(path = "/products/:id/images", method = "post", operation_id = "uploadProductImage")]
    async fn upload_product_image(
        &self,
        caller: Seller,
        /// Which product
        id: Path<ProductId>,
        upload: PictureUpload,
    ) -> Result<ProductCreated, CatalogUploadProblem> {
        let (caller, id) = (caller.0, id.0);
        // Asked before the work is done, and again by the transaction that writes it down.
        let mut conn = self.0.conn().await?;
        product::require_own(&mut conn, &caller, id).await?;
        drop(conn);
        let picture = make_and_keep(&self.0, upload).await?;
        let product =
            run!(self.0, [caller, id, picture], |conn, at| media::attach_image(conn, &caller, id, &picture, at))?;
        Ok(ProductCreated::new(&self.0, product))
    }

    /// Put a product's pictures in order
    ///
    /// For members of its business and for staff. The first one is the one that lists show. Answers the product.
    #[oai(path = "/products/:id/images", method = "put", operation_id = "orderProductImages")]
    async fn order_product_images(
        &self,
        caller: Seller,
        /// Which product
        id: Path<ProductId>,
        body: Json<ImageOrderBody>,
    ) -> Result<ProductAnswer, CatalogWriteProblem> {
        let (caller, id, images) = (caller.0, id.0, body.0.images);
        let product =
            run!(self.0, [caller, id, images], |conn, at| media::order_images(conn, &caller, id, &images, at))?;
        Ok(ProductAnswer::new(&self.0, product))
    }

    /// Remove a picture from a product
    ///
    /// For members of its business and for staff.
    #[oai(path = "/products/:id/images/:image_id", method = "delete", operation_id = "deleteProductImage")]
    async fn delete_product_image(
        &self,
        caller: Seller,
        /// Which product
        id: Path<ProductId>,
        /// Which picture
        image_id: Path<MediaId>,
    ) -> Result<ImageDeleted, CatalogWriteProblem> {
        let (caller, id, image) = (caller.0, id.0, image_id.0);
        run!(self.0, [caller, id, image], |conn, at| media::delete_image(conn, &caller, id, image, at))?;
        Ok(ImageDeleted::Deleted)
    }
}
