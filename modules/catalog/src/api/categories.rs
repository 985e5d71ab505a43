//! Categories: everybody looks, operators tend.

use kernel::{Cursor, LIMIT_DEFAULT, Operator};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Listed, Tag,
    dto::{CategoryBody, CategoryList, CategoryPatchBody, CategoryTree, CategoryView},
    etag::{self, EntityTag},
    problem::{CatalogListProblem, CatalogReadProblem, CatalogRoleProblem},
    run,
};
use crate::{
    Catalog,
    category::{self, Category, CategoryPatch, NewCategory},
    words::CategoryId,
};

/// Where products are found.
pub struct CategoriesApi(pub(super) Catalog);

#[derive(ApiResponse)]
enum CategoryAnswer {
    /// The category
    #[oai(status = 200)]
    Shown(
        Json<CategoryView>,
        /// Send it as If-Match when you change the category
        #[oai(header = "ETag")]
        String,
    ),
}

impl From<Category> for CategoryAnswer {
    fn from(category: Category) -> Self {
        let tag = etag::of_version(category.version);
        Self::Shown(Json(category.into()), tag)
    }
}

#[derive(ApiResponse)]
enum CategoryCreated {
    /// The category
    #[oai(status = 201)]
    Created(
        Json<CategoryView>,
        /// Where it is
        #[oai(header = "Location")]
        String,
        /// Send it as If-Match when you change the category
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum CategoryDeleted {
    /// The category is gone
    #[oai(status = 204)]
    Deleted,
}

#[OpenApi(tag = "Tag::Categories")]
impl CategoriesApi {
    /// List categories
    #[oai(path = "/categories", method = "get", operation_id = "listCategories")]
    async fn list_categories(
        &self,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to go on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Listed<CategoryList>, CatalogListProblem> {
        let after = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let mut conn = self.0.conn().await?;
        let (categories, next) =
            category::list_categories(&mut conn, after.as_ref(), limit.0.unwrap_or(LIMIT_DEFAULT)).await?;
        let data = categories.into_iter().map(CategoryView::from).collect();
        Ok(Listed::Page(Json(CategoryList { data, next_cursor: next.as_ref().map(Cursor::encode) })))
    }

    /// Show all categories as a tree
    #[oai(path = "/category-tree", method = "get", operation_id = "getCategoryTree")]
    async fn get_category_tree(&self) -> Result<Listed<CategoryTree>, CatalogListProblem> {
        let mut conn = self.0.conn().await?;
        Ok(Listed::Page(Json(category::category_tree(&mut conn).await?.into())))
    }

    /// Show a category
    #[oai(path = "/categories/:id", method = "get", operation_id = "getCategory")]
    async fn get_category(
        &self,
        /// Which category
        id: Path<CategoryId>,
    ) -> Result<CategoryAnswer, CatalogReadProblem> {
        let mut conn = self.0.conn().await?;
        Ok(category::get_category(&mut conn, id.0).await?.into())
    }

    /// Add a category
    ///
    /// For operators.
    #[oai(path = "/categories", method = "post", operation_id = "createCategory")]
    async fn create_category(
        &self,
        caller: Operator,
        body: Json<CategoryBody>,
    ) -> Result<CategoryCreated, CatalogRoleProblem> {
        let new = NewCategory::from(body.0);
        let category = run!(self.0, [new], |conn, at| category::create_category(conn, caller.0.into(), &new, at))?;
        let (location, tag) = (format!("/v1/categories/{}", category.id), etag::of_version(category.version));
        Ok(CategoryCreated::Created(Json(category.into()), location, tag))
    }

    /// Change a category
    ///
    /// For operators. With `parent_id` it moves, together with everything below it.
    #[oai(path = "/categories/:id", method = "patch", operation_id = "updateCategory")]
    async fn update_category(
        &self,
        caller: Operator,
        /// Which category
        id: Path<CategoryId>,
        /// The ETag of the category as you have seen it
        #[oai(name = "If-Match")]
        if_match: Header<Option<EntityTag>>,
        body: Json<CategoryPatchBody>,
    ) -> Result<CategoryAnswer, CatalogRoleProblem> {
        let (id, seen, patch) = (id.0, etag::seen(if_match.0.as_ref()), CategoryPatch::from(body.0));
        let category = run!(self.0, [id, seen, patch], |conn, at| category::patch_category(
            conn,
            caller.0.into(),
            id,
            seen,
            &patch,
            at
        ))?;
        Ok(category.into())
    }

    /// Delete a category
    ///
    /// For operators. Nothing may be in it.
    #[oai(path = "/categories/:id", method = "delete", operation_id = "deleteCategory")]
    async fn delete_category(
        &self,
        caller: Operator,
        /// Which category
        id: Path<CategoryId>,
    ) -> Result<CategoryDeleted, CatalogRoleProblem> {
        let id = id.0;
        run!(self.0, [id], |conn, at| category::delete_category(conn, caller.0.into(), id, at))?;
        Ok(CategoryDeleted::Deleted)
    }
}
