//! Doing something once, however often it is asked for under one idempotency key. Both halves join the transaction that
//! does the work; it has locked its stock row before it claims the key, as everybody does.

use chrono::{DateTime, Utc};
use kernel::{
    PgConn,
    idempotency::{self, Claim, StoredAnswer, Ticket},
};

use crate::CatalogError;

/// An answer as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The bytes.
    pub body: Vec<u8>,
    /// Whether they were made for an earlier sending of the same request.
    pub replayed: bool,
}

/// Claims the key: `None` when the work is to be done now, the stored answer when it was done before.
pub(super) async fn claimed(
    conn: &mut PgConn,
    ticket: &Ticket,
    at: DateTime<Utc>,
) -> Result<Option<Answered>, CatalogError> {
    match idempotency::claim(conn, ticket, at).await? {
        Claim::Fresh => Ok(None),
        Claim::Stored(StoredAnswer { body, .. }) => Ok(Some(Answered { body, replayed: true })),
        Claim::InProgress(_) => Err(CatalogError::InProgress),
        Claim::OtherRequest => Err(CatalogError::KeyReused),
    }
}

/// Stores the answer under the key.
pub(super) async fn completed(conn: &mut PgConn, ticket: &Ticket, body: Vec<u8>) -> Result<Answered, CatalogError> {
    let answer = StoredAnswer { status: 200, body };
    idempotency::complete(conn, ticket, &answer).await?;
    Ok(Answered { body: answer.body, replayed: false })
}
