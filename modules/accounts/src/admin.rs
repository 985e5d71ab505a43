//! What operators do to accounts from the command line.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{
    EmailAddress, PgConn, Role, UserId,
    trail::{self, Actor},
};
use serde_json::json;

use crate::{
    AccountsError, Decision, HashedPassword, Username, reset_password,
    session::EndReason,
    standing,
    store::users::{self, NewUser, UserRow},
};

/// An account as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The name they log in with.
    pub username: String,
    /// Their address.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Since when the address is proven; they cannot log in before.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Since when they may not log in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When they registered.
    pub created_at: DateTime<Utc>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            role: row.role(),
            username: row.username,
            email: row.email,
            email_verified_at: row.email_verified_at,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        }
    }
}

/// Adds an account; no mail is sent. Hash the password first, with [`crate::Hasher::hash`]: that takes a moment, and
/// nothing slow happens inside a transaction. Joins the caller's transaction.
///
/// # Errors
/// [`AccountsError::UsernameTaken`], [`AccountsError::EmailTaken`], or what the database said.
pub async fn create_user(
    conn: &mut PgConn,
    username: &Username,
    email: &EmailAddress,
    password: &HashedPassword,
    role: Role,
    is_verified: bool,
    now: DateTime<Utc>,
) -> Result<User, AccountsError> {
    let user = NewUser {
        id: UserId::new(),
        username: username.as_str(),
        email: &email.normalised(),
        password_hash: password.as_str(),
        role,
        email_verified_at: is_verified.then_some(now),
        now,
    };
    users::insert(conn, &user).await.map(User::from)
}

/// [`create_user`] for an administrator whose address needs no proof, and an entry in the trail. A use case of its own.
///
/// # Errors
/// As [`create_user`].
pub async fn create_admin(
    conn: &mut PgConn,
    username: &Username,
    email: &EmailAddress,
    password: &HashedPassword,
    now: DateTime<Utc>,
) -> Result<User, AccountsError> {
    conn.transaction(async |conn| {
        let user = create_user(conn, username, email, password, Role::Admin, true, now).await?;
        let changes = json!({ "username": user.username, "role": "admin" });
        trail::record(conn, Actor::Console, "user.created", user.id, changes, now).await?;
        Ok(user)
    })
    .await
}

/// The account that logs in as `login`: a user name or an e-mail address. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn find(conn: &mut PgConn, login: &str) -> Result<Option<User>, AccountsError> {
    Ok(users::find_by_login(conn, login).await?.map(User::from))
}

/// Disables or enables a user or gives them a role; their sessions end. Access tokens that are out hold for another second
/// (see [`crate::Doors`]). A use case of its own.
///
/// # Errors
/// [`AccountsError::UnknownUser`]; [`AccountsError::LastAdmin`]; [`AccountsError::OwnAccount`]; what the database said.
pub async fn decide(
    conn: &mut PgConn,
    by: Actor,
    id: UserId,
    decision: &Decision,
    now: DateTime<Utc>,
) -> Result<User, AccountsError> {
    standing::decide(conn, by, id, decision, now).await.map(User::from)
}

/// Gives a user a new password: their sessions end, their reset links die, and they are told by mail. A use case of its
/// own.
///
/// # Errors
/// [`AccountsError::UnknownUser`], or what the database said.
pub async fn reset_password(
    conn: &mut PgConn,
    id: UserId,
    password: &HashedPassword,
    now: DateTime<Utc>,
) -> Result<(), AccountsError> {
    conn.transaction(async |conn| {
        let user = users::lock(conn, id).await?.ok_or(AccountsError::UnknownUser)?;
        reset_password::replace(conn, &user, password, EndReason::PasswordReset, now).await?;
        trail::record(conn, Actor::Console, "user.password_reset", id, json!({}), now).await?;
        Ok(())
    })
    .await
}

/// The newest accounts, `limit` at most; only those with `role`, if one is given.
///
/// # Errors
/// What the database said.
pub async fn list(conn: &mut PgConn, role: Option<Role>, limit: i64) -> Result<Vec<User>, AccountsError> {
    Ok(users::newest(conn, role, limit).await?.into_iter().map(User::from).collect())
}
