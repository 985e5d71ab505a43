//! Where products are found: a tree of categories. Operators tend it.

mod create;
mod delete;
mod patch;
mod query;
mod tree;

use chrono::{DateTime, Utc};
use kernel::trail::Subject;
use serde_json::{Value, json};

pub use create::{NewCategory, create_category};
pub use delete::delete_category;
pub use patch::{CategoryPatch, patch_category};
pub use query::{CategoryKey, category_tree, get_category, list_categories};
pub use tree::CategoryNode;

use crate::words::CategoryId;

/// The tree has at most this many levels.
pub const DEPTH_MAX: i32 = 8;
/// The tree has at most this many categories.
pub const CATEGORIES_MAX: i64 = 2000;

/// A category of products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Which.
    pub id: CategoryId,
    /// The category above it.
    pub parent_id: Option<CategoryId>,
    /// Its name in addresses.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// How often it changed.
    pub version: i64,
    /// Since when it is here.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

impl From<CategoryId> for Subject {
    fn from(id: CategoryId) -> Self {
        Self::new("category", id.as_uuid())
    }
}

/// What the trail says of a change: the name in addresses as it is now, or was last.
fn entry(slug: &str) -> Value {
    json!({ "slug": slug })
}
