//! How siblings reach a person by mail.

use diesel::QueryResult;
use kernel::{PgConn, UserId};

use crate::store::users;

/// A person as a mail addresses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Whose it is.
    pub user_id: UserId,
    /// What they are called.
    pub username: String,
    /// Where mail reaches them.
    pub email: String,
}

/// The contact of `id`, if there is such a user. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn contact(conn: &mut PgConn, id: UserId) -> QueryResult<Option<Contact>> {
    Ok(contacts(conn, &[id]).await?.pop())
}

/// The contacts of those of `ids` that are users, in no particular order. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn contacts(conn: &mut PgConn, ids: &[UserId]) -> QueryResult<Vec<Contact>> {
    let rows = users::names(conn, ids).await?;
    Ok(rows.into_iter().map(|(user_id, username, email)| Contact { user_id, username, email }).collect())
}
