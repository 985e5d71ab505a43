//! Doing something once, however often it is asked for under one idempotency key. Both halves join the transaction that
//! does the work.

use chrono::{DateTime, Utc};
use kernel::{
    PgConn,
    idempotency::{self, Claim, JsonBytes, StoredAnswer, Ticket},
};
use poem_openapi::types::ToJSON;

use crate::error::OrderError;

/// An answer, and whether it was made for an earlier sending of the same request.
pub type Answered<T> = (JsonBytes<T>, bool);

/// Claims the key: `None` when the work is to be done now, the stored answer when it was done before.
/// Joins the caller's transaction.
pub async fn claimed<T>(
    conn: &mut PgConn,
    ticket: &Ticket,
    at: DateTime<Utc>,
) -> Result<Option<Answered<T>>, OrderError> {
    match idempotency::claim(conn, ticket, at).await? {
        Claim::Fresh => Ok(None),
        Claim::Stored(StoredAnswer { body, .. }) => Ok(Some((JsonBytes::from_bytes(body), true))),
        Claim::InProgress => Err(OrderError::InProgress),
        Claim::OtherRequest => Err(OrderError::KeyReused),
    }
}

/// Stores the answer under the key. Joins the caller's transaction.
pub async fn completed<T: ToJSON>(
    conn: &mut PgConn,
    ticket: &Ticket,
    status: i16,
    view: &T,
) -> Result<Answered<T>, OrderError> {
    let body = JsonBytes::of(view);
    idempotency::complete(conn, ticket, &StoredAnswer { status, body: body.bytes().to_vec() }).await?;
    Ok((body, false))
}
