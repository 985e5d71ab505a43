//! What staff decide about people: whether they may come in, and what they may do.
//!
//! Sessions end with every such change. Nobody decides about themselves, and somebody is always left who can decide.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{
    PgConn, Role, UserId,
    trail::{self, Actor},
};
use serde_json::{Value, json};

use crate::{
    AccountsError,
    session::{self, EndReason},
    store::users::{self, UserRow, role_name},
};

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They may not come in any more; why, in the decider's words.
    Disable(Option<String>),
    /// They may come in again.
    Enable,
    /// What they may do.
    Role(Role),
}

impl Decision {
    fn changes(&self, user: &UserRow) -> bool {
        match self {
            Self::Disable(_) => user.disabled_at.is_none(),
            Self::Enable => user.disabled_at.is_some(),
            Self::Role(role) => user.role() != *role,
        }
    }

    fn takes_an_admin_away(&self) -> bool {
        match self {
            Self::Disable(_) => true,
            Self::Enable => false,
            Self::Role(role) => *role != Role::Admin,
        }
    }

    fn entry(&self, user: &UserRow) -> (&'static str, Value) {
        match self {
            Self::Disable(reason) => ("user.disabled", json!({ "reason": reason })),
            Self::Enable => ("user.enabled", json!({})),
            Self::Role(role) => {
                ("user.role_changed", json!({ "from": role_name(user.role()), "to": role_name(*role) }))
            }
        }
    }
}

/// Locks the rows of all administrators and answers whose they are; the caller's is among them. Joins the caller's
/// transaction.
pub(crate) async fn admins(conn: &mut PgConn, by: Actor) -> Result<Vec<UserId>, AccountsError> {
    let admins = users::lock_admins(conn).await?;
    match by {
        // What the access token says may be a second old; the row is not.
        Actor::Caller(caller) if !admins.contains(&caller.user_id) => Err(AccountsError::Gone),
        _ => Ok(admins),
    }
}

/// Carries out a decision about a user; one that changes nothing leaves no trace. A use case of its own.
pub(crate) async fn decide(
    conn: &mut PgConn,
    by: Actor,
    id: UserId,
    decision: &Decision,
    now: DateTime<Utc>,
) -> Result<UserRow, AccountsError> {
    conn.transaction(async |conn| {
        let admins = admins(conn, by).await?;
        if matches!(by, Actor::Caller(caller) if caller.user_id == id) {
            return Err(AccountsError::OwnAccount);
        }
        let user = users::lock(conn, id).await?.ok_or(AccountsError::UnknownUser)?;
        if !decision.changes(&user) {
            return Ok(user);
        }
        if decision.takes_an_admin_away() && admins == [id] {
            return Err(AccountsError::LastAdmin);
        }
        match decision {
            Decision::Disable(_) => {
                users::set_disabled(conn, id, Some(now), now).await?;
                session::end_all(conn, id, EndReason::Disabled, now).await?;
            }
            Decision::Enable => users::set_disabled(conn, id, None, now).await?,
            Decision::Role(role) => {
                users::set_role(conn, id, *role, now).await?;
                session::end_all(conn, id, EndReason::RoleChange, now).await?;
            }
        }
        let (action, changes) = decision.entry(&user);
        trail::record(conn, by, action, id, changes, now).await?;
        users::find(conn, id).await?.ok_or(AccountsError::UnknownUser)
    })
    .await
}
