//! Who works for a business: owners decide.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{BusinessId, Caller, PgConn, UserId, db::OnConstraint};

use super::{MemberRole, require_owner};
use crate::{
    CatalogError, HasAccount,
    schema::catalog::{businesses, members},
};

/// At most this many people work for a business.
const MEMBERS_MAX: i64 = 100;

/// Somebody who works for a business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: MemberRole,
    /// Since when.
    pub added_at: DateTime<Utc>,
}

/// Locks the business row, so that two owners cannot remove each other at once. Joins the caller's transaction.
async fn lock(conn: &mut PgConn, id: BusinessId) -> Result<(), CatalogError> {
    businesses::table.find(id).select(businesses::id).for_update().first::<BusinessId>(conn).await?;
    Ok(())
}

async fn load(conn: &mut PgConn, id: BusinessId) -> Result<Vec<Member>, CatalogError> {
    let rows: Vec<(UserId, String, DateTime<Utc>)> = members::table
        .filter(members::business_id.eq(id))
        .order((members::added_at, members::user_id))
        .limit(MEMBERS_MAX)
        .select((members::user_id, members::role, members::added_at))
        .load(conn)
        .await?;
    rows.into_iter()
        .map(|(user_id, role, added_at)| Ok(Member { user_id, role: MemberRole::parse(&role)?, added_at }))
        .collect()
}

/// The people who work for a business, the first ones first. For its owners.
///
/// # Errors
/// Not the caller's business; the caller does not own it; what the database said.
pub async fn list_members(conn: &mut PgConn, caller: &Caller, id: BusinessId) -> Result<Vec<Member>, CatalogError> {
    require_owner(conn, caller, id).await?;
    load(conn, id).await
}

/// Lets somebody work for a business. For its owners.
///
/// # Errors
/// Not the caller's business; the caller does not own it; nobody has that account; already a member; too many; what the database said.
pub async fn add_member(
    conn: &mut PgConn,
    caller: &Caller,
    id: BusinessId,
    (user_id, has_account): (UserId, HasAccount),
    role: MemberRole,
    at: DateTime<Utc>,
) -> Result<Member, CatalogError> {
    conn.transaction(async |conn| {
        require_owner(conn, caller, id).await?;
        lock(conn, id).await?;
        if !has_account(conn, user_id).await? {
            return Err(CatalogError::NotFound("account"));
        }
        let count: i64 = members::table.filter(members::business_id.eq(id)).count().get_result(conn).await?;
        if count >= MEMBERS_MAX {
            return Err(CatalogError::TooManyMembers(MEMBERS_MAX));
        }
        diesel::insert_into(members::table)
            .values((
                members::business_id.eq(id),
                members::user_id.eq(user_id),
                members::role.eq(role.as_str()),
                members::added_at.eq(at),
            ))
            .execute(conn)
            .await
            .on_constraint("members_pkey", || CatalogError::AlreadyMember)?;
        Ok(Member { user_id, role, added_at: at })
    })
    .await
}

/// Ends somebody's work for a business. For its owners, and for anybody about themselves.
///
/// # Errors
/// Not the caller's business; the caller does not own it; no such member; the last owner; what the database said.
pub async fn remove_member(
    conn: &mut PgConn,
    caller: &Caller,
    id: BusinessId,
    user_id: UserId,
) -> Result<(), CatalogError> {
    conn.transaction(async |conn| {
        if caller.user_id != user_id {
            require_owner(conn, caller, id).await?;
        }
        lock(conn, id).await.map_err(|error| match error {
            CatalogError::Db(kernel::DbError::Query(diesel::result::Error::NotFound)) => {
                CatalogError::NotFound("business")
            }
            other => other,
        })?;
        let members = load(conn, id).await?;
        let leaving = members.iter().find(|member| member.user_id == user_id);
        let leaving = leaving.ok_or(CatalogError::NotFound("member"))?;
        let owners = members.iter().filter(|member| member.role == MemberRole::Owner).count();
        if leaving.role == MemberRole::Owner && owners == 1 {
            return Err(CatalogError::LastOwner);
        }
        diesel::delete(members::table.find((id, user_id))).execute(conn).await?;
        Ok(())
    })
    .await
}
