//! Sellers and the people who work for them.

mod create;
mod logo;
mod members;
mod patch;
mod query;

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, Caller, PgConn, UserId, cached_sql};

pub use create::{NewBusiness, create_business};
pub use logo::set_logo;
pub use members::{Member, add_member, list_members, remove_member};
pub use patch::{BusinessPatch, patch_business};
pub use query::{BusinessKey, get_business, list_businesses, list_my_businesses};

use crate::CatalogError;

/// A seller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Business {
    /// Which.
    pub id: BusinessId,
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub city: String,
    /// Country code.
    pub country: String,
    /// What it says about itself.
    pub description: String,
    /// How to reach it.
    pub phone: Option<String>,
    /// Name of the stored picture.
    pub logo: Option<String>,
    /// How often it changed.
    pub version: i64,
    /// Since when it is here.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberRole {
    /// Everything, and decides who else is a member.
    Owner,
    /// The business's affairs: its page, products, stock and orders.
    Manager,
}

impl MemberRole {
    /// The role as the database writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
        }
    }

    fn parse(text: &str) -> Result<Self, CatalogError> {
        match text {
            "owner" => Ok(Self::Owner),
            "manager" => Ok(Self::Manager),
            _ => Err(CatalogError::BadRow("role")),
        }
    }
}

cached_sql! {
    RoleOf(business: st::Uuid = BusinessId, user: st::Uuid = UserId) -> st::Text,
    "SELECT role FROM catalog.members WHERE business_id = $1 AND user_id = $2"
}
cached_sql! {
    BusinessesOf(user: st::Uuid = UserId) -> st::Uuid,
    "SELECT business_id FROM catalog.members WHERE user_id = $1 ORDER BY business_id"
}

/// The businesses that a person works for. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn businesses_of(conn: &mut PgConn, user: UserId) -> QueryResult<Vec<BusinessId>> {
    BusinessesOf { user: &user }.load(conn).await
}

/// Whether a person works for a business. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn is_member(conn: &mut PgConn, user: UserId, business: BusinessId) -> QueryResult<bool> {
    Ok(RoleOf { business: &business, user: &user }.get_result::<String>(conn).await.optional()?.is_some())
}

/// What the caller is in the business; a business they have no part in does not exist for them. Joins.
pub(crate) async fn role_of(
    conn: &mut PgConn,
    caller: &Caller,
    business: BusinessId,
) -> Result<MemberRole, CatalogError> {
    let role: Option<String> =
        RoleOf { business: &business, user: &caller.user_id }.get_result(conn).await.optional()?;
    role.map_or(Err(CatalogError::NotFound("business")), |role| MemberRole::parse(&role))
}

/// Refuses strangers, as if there were no business. Joins the caller's transaction.
///
/// # Errors
/// Not the caller's business; what the database said.
pub async fn require_member(conn: &mut PgConn, caller: &Caller, business: BusinessId) -> Result<(), CatalogError> {
    role_of(conn, caller, business).await.map(drop)
}

/// Refuses members who do not own the business, and strangers as if there were no business. Joins.
pub(crate) async fn require_owner(
    conn: &mut PgConn,
    caller: &Caller,
    business: BusinessId,
) -> Result<(), CatalogError> {
    match role_of(conn, caller, business).await? {
        MemberRole::Owner => Ok(()),
        MemberRole::Manager => Err(CatalogError::OwnersOnly),
    }
}
