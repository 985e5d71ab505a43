//! Doing something once, however often it is asked for under one idempotency key. Both halves join the transaction that
//! does the work.

use chrono::{DateTime, Utc};
use kernel::{
    PgConn,
    idempotency::{self, Claim, JsonBytes, StoredAnswer, Ticket},
};
use poem_openapi::types::ToJSON;

use crate::error::OrderError;

/// An answer as it goes out.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The body, as stored under the key.
    pub body: JsonBytes<T>,
    /// Whether it was made for an earlier sending of the same request.
    pub replayed: bool,
}

/// The stored answer, if the work was done before; nothing is claimed. Joins the caller's transaction.
pub async fn stored<T>(conn: &mut PgConn, ticket: &Ticket) -> Result<Option<Answer<T>>, OrderError> {
    answer(idempotency::look_up(conn, ticket).await?)
}

/// Claims the key: `None` when the work is to be done now, the stored answer when it was done before.
/// Joins the caller's transaction.
pub async fn claimed<T>(
    conn: &mut PgConn,
    ticket: &Ticket,
    at: DateTime<Utc>,
) -> Result<Option<Answer<T>>, OrderError> {
    answer(idempotency::claim(conn, ticket, at).await?)
}

fn answer<T>(claim: Claim) -> Result<Option<Answer<T>>, OrderError> {
    match claim {
        Claim::Fresh => Ok(None),
        Claim::Stored(StoredAnswer { body, .. }) => {
            Ok(Some(Answer { body: JsonBytes::from_bytes(body), replayed: true }))
        }
        Claim::InProgress(_) => Err(OrderError::InProgress),
        Claim::OtherRequest => Err(OrderError::KeyReused),
    }
}

/// Stores the answer under the key. Joins the caller's transaction.
pub async fn completed<T: ToJSON>(
    conn: &mut PgConn,
    ticket: &Ticket,
    status: i16,
    view: &T,
) -> Result<Answer<T>, OrderError> {
    let body = JsonBytes::of(view);
    idempotency::complete(conn, ticket, &StoredAnswer { status, body: body.bytes().to_vec() }).await?;
    Ok(Answer { body, replayed: false })
}
