//! Categories on the wire.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object,
    types::{Example, MaybeUndefined},
};

use super::maybe;
use crate::{
    category::{Category, CategoryNode, CategoryPatch, NewCategory},
    words::{CategoryId, CategoryName, Slug},
};

/// A category of products
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct CategoryView {
    /// Which
    id: CategoryId,
    /// The category above it; absent for a root
    parent_id: Option<CategoryId>,
    /// Its name in addresses
    slug: String,
    /// What it is called
    name: String,
    /// How often it changed; the ETag
    version: i64,
    /// Since when it is here
    created_at: DateTime<Utc>,
    /// When it changed last
    updated_at: DateTime<Utc>,
}

impl From<Category> for CategoryView {
    fn from(Category { id, parent_id, slug, name, version, created_at, updated_at }: Category) -> Self {
        Self { id, parent_id, slug, name, version, created_at, updated_at }
    }
}

/// A page of categories
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::api) struct CategoryList {
    /// The categories, by slug
    pub(in crate::api) data: Vec<CategoryView>,
    /// Send this as `cursor` for the next page; absent on the last one
    pub(in crate::api) next_cursor: Option<String>,
}

/// A category and everything below it
#[derive(Debug, Object)]
pub(in crate::api) struct CategoryBranch {
    /// Which
    id: CategoryId,
    /// Its name in addresses
    slug: String,
    /// What it is called
    name: String,
    /// The categories right below it, by name
    children: Vec<CategoryBranch>,
}

impl From<CategoryNode> for CategoryBranch {
    fn from(CategoryNode { category, children }: CategoryNode) -> Self {
        let Category { id, slug, name, .. } = category;
        Self { id, slug, name, children: children.into_iter().map(Self::from).collect() }
    }
}

/// All categories as a tree
#[derive(Debug, Object)]
pub(in crate::api) struct CategoryTree {
    /// The roots, by name
    data: Vec<CategoryBranch>,
}

impl From<Vec<CategoryNode>> for CategoryTree {
    fn from(roots: Vec<CategoryNode>) -> Self {
        Self { data: roots.into_iter().map(CategoryBranch::from).collect() }
    }
}

/// A category that is about to be added
#[derive(Debug, Clone, Object)]
#[oai(rename = "NewCategory", deny_unknown_fields, example)]
pub(in crate::api) struct CategoryBody {
    /// The category above it; without one it is a root
    parent_id: Option<CategoryId>,
    /// Its name in addresses, unlike any other category's
    slug: Slug,
    /// What it is called
    name: CategoryName,
}

impl Example for CategoryBody {
    #[expect(clippy::expect_used, reason = "fixed examples; the API document is built in every test run")]
    fn example() -> Self {
        Self {
            parent_id: None,
            slug: Slug::parse("tea").expect("valid"),
            name: CategoryName::parse("Tea").expect("valid"),
        }
    }
}

impl From<CategoryBody> for NewCategory {
    fn from(CategoryBody { parent_id, slug, name }: CategoryBody) -> Self {
        Self { parent_id, slug, name }
    }
}

/// What shall change about a category; what is absent stays
#[derive(Debug, Clone, Object)]
#[oai(rename = "CategoryPatch", deny_unknown_fields, example)]
pub(in crate::api) struct CategoryPatchBody {
    /// The category above it; `null` makes it a root
    parent_id: MaybeUndefined<CategoryId>,
    /// Its name in addresses, unlike any other category's
    slug: Option<Slug>,
    /// What it is called
    name: Option<CategoryName>,
}

impl Example for CategoryPatchBody {
    fn example() -> Self {
        Self { parent_id: MaybeUndefined::Undefined, slug: None, name: CategoryName::parse("Green tea").ok() }
    }
}

impl From<CategoryPatchBody> for CategoryPatch {
    fn from(CategoryPatchBody { parent_id, slug, name }: CategoryPatchBody) -> Self {
        Self { parent_id: maybe(parent_id, |id| id), slug, name }
    }
}
