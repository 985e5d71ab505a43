//! Idempotency keys: the same request twice has one effect and one answer (IETF draft `idempotency-key-header`).
//!
//! The key's row commits with the effect and the stored answer. Two requests with one key meet at the row's unique index:
//! the second waits for the first and is answered with the same bytes. A key is remembered for 72 hours.

use std::marker::PhantomData;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{OptionalExtension, QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use poem::{IntoResponse, Response};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchemaRef, Registry},
    types::{ToJSON, Type},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{DbError, Kind, PgConn, Problem, UserId, cached_sql};

crate::text_type! {
    /// What makes a request this request: chosen by the client, unique among the caller's requests.
    pub struct IdempotencyKey {
        min: 1, max: 255, pattern: "^[\\x21-\\x7e]+$",
        say: "1 to 255 visible ASCII characters; a UUID is a good choice", example: "9f1c6a0e-0b4e-4a53-a8ef-2f5e6f0f7f10",
    }
}

/// The header that says that an answer is a replay.
pub const REPLAYED: &str = "Idempotency-Replayed";

const MISSING: Kind = Kind::new("idempotency_key_required", 400, "The request needs an Idempotency-Key");
const REUSED: Kind = Kind::new("idempotency_key_reused", 422, "The Idempotency-Key belongs to another request");
const IN_PROGRESS: Kind = Kind::new("in_progress", 409, "The same request is still being worked on");
pub(crate) const PROBLEMS: &[Kind] = &[MISSING, REUSED, IN_PROGRESS];

/// The problem of a request that has no key and needs one.
pub fn missing() -> Problem {
    MISSING
        .problem("Send an Idempotency-Key header: a new value for a new request, the same value when you repeat one.")
}

/// The problem of a key that was used for another request.
pub fn reused() -> Problem {
    REUSED.problem("This key was used with another path or body. Use a new key for a new request.")
}

/// The problem of a request whose first sending has no answer yet.
pub fn in_progress() -> Problem {
    IN_PROGRESS
        .problem("The first request with this key has no answer yet. Send it again in a moment, with the same key.")
}

/// One use of a key: whose, which, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The caller; keys of different callers never meet.
    pub caller: UserId,
    /// The key.
    pub key: String,
    /// SHA-256 over operation and body.
    pub fingerprint: Vec<u8>,
}

impl Ticket {
    /// The ticket of `caller` for `operation` (the operation id and whatever is in the path) with `body`.
    pub fn new(caller: UserId, key: &IdempotencyKey, operation: &str, body: &impl ToJSON) -> Self {
        let mut hash = Sha256::new();
        hash.update(operation.as_bytes());
        hash.update([0]);
        hash.update(body.to_json_string().as_bytes());
        Self { caller, key: key.as_str().to_owned(), fingerprint: hash.finalize().to_vec() }
    }
}

/// An answer as it was given: its status and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: i16,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key is new and now ours: do the work, then [`complete`] it in the same transaction.
    Fresh,
    /// The work was done before: answer this.
    Stored(StoredAnswer),
    /// The first request committed its intent and has no answer yet (commands that talk to a gateway). With it comes what
    /// was noted with [`note`].
    InProgress(Option<Uuid>),
    /// The key was used for something else.
    OtherRequest,
}

type Row = (st::Binary, st::Nullable<st::SmallInt>, st::Nullable<st::Binary>, st::Nullable<st::Uuid>);

cached_sql! {
    Insert(caller: st::Uuid = UserId, key: st::Text = String, fingerprint: st::Binary = Vec<u8>, at: st::Timestamptz = DateTime<Utc>) -> st::Untyped,
    "INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
}
cached_sql! {
    Find(caller: st::Uuid = UserId, key: st::Text = String) -> Row,
    "SELECT fingerprint, status, body, about FROM kernel.idempotency_keys WHERE caller_id = $1 AND key = $2"
}
cached_sql! {
    Complete(caller: st::Uuid = UserId, key: st::Text = String, status: st::SmallInt = i16, body: st::Binary = Vec<u8>) -> st::Untyped,
    "UPDATE kernel.idempotency_keys SET status = $3, body = $4 WHERE caller_id = $1 AND key = $2"
}
cached_sql! {
    Note(caller: st::Uuid = UserId, key: st::Text = String, about: st::Uuid = Uuid) -> st::Untyped,
    "UPDATE kernel.idempotency_keys SET about = $3 WHERE caller_id = $1 AND key = $2 AND status IS NULL"
}
cached_sql! {
    Release(caller: st::Uuid = UserId, key: st::Text = String) -> st::Untyped,
    "DELETE FROM kernel.idempotency_keys WHERE caller_id = $1 AND key = $2 AND status IS NULL"
}
cached_sql! {
    Prune(before: st::Timestamptz = DateTime<Utc>) -> st::Untyped,
    "DELETE FROM kernel.idempotency_keys WHERE (caller_id, key) IN \
     (SELECT caller_id, key FROM kernel.idempotency_keys WHERE created_at < $1 LIMIT 5000)"
}

/// What is known of the key, without claiming it: [`Claim::Fresh`] when nothing is. For commands that lock rows before they
/// claim. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn look_up(conn: &mut PgConn, ticket: &Ticket) -> QueryResult<Claim> {
    Ok(found(conn, ticket).await?.unwrap_or(Claim::Fresh))
}

/// Claims the key. If somebody else's transaction holds it, waits for that to end (at most `lock_timeout`).
/// Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn claim(conn: &mut PgConn, ticket: &Ticket, now: DateTime<Utc>) -> QueryResult<Claim> {
    let Ticket { caller, key, fingerprint } = ticket;
    if (Insert { caller, key, fingerprint, at: &now }).execute(conn).await? == 1 {
        return Ok(Claim::Fresh);
    }
    // Nothing: the holder was refused and took its claim back between our two statements.
    Ok(found(conn, ticket).await?.unwrap_or(Claim::InProgress(None)))
}

async fn found(conn: &mut PgConn, ticket: &Ticket) -> QueryResult<Option<Claim>> {
    let found: Option<(Vec<u8>, Option<i16>, Option<Vec<u8>>, Option<Uuid>)> =
        Find { caller: &ticket.caller, key: &ticket.key }.get_result(conn).await.optional()?;
    Ok(found.map(|found| match found {
        (other, ..) if other != ticket.fingerprint => Claim::OtherRequest,
        (_, Some(status), Some(body), _) => Claim::Stored(StoredAnswer { status, body }),
        (_, _, _, about) => Claim::InProgress(about),
    }))
}

/// Stores the answer under the key. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn complete(conn: &mut PgConn, ticket: &Ticket, answer: &StoredAnswer) -> QueryResult<()> {
    Complete { caller: &ticket.caller, key: &ticket.key, status: &answer.status, body: &answer.body }
        .execute(conn)
        .await
        .map(drop)
}

/// Writes down what the claimed key's request has begun, for whoever repeats it before there is an answer. Joins the
/// caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn note(conn: &mut PgConn, ticket: &Ticket, about: Uuid) -> QueryResult<()> {
    Note { caller: &ticket.caller, key: &ticket.key, about: &about }.execute(conn).await.map(drop)
}

/// Gives an unanswered key back, because the request was refused and may be tried again. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn release(conn: &mut PgConn, ticket: &Ticket) -> QueryResult<()> {
    Release { caller: &ticket.caller, key: &ticket.key }.execute(conn).await.map(drop)
}

/// Whether a statement failed because somebody else has used one of its keys meanwhile; whoever looks again finds it.
pub fn is_taken(error: &DbError) -> bool {
    error.constraint() == Some("idempotency_keys_pkey")
}

/// Forgets keys older than 72 hours, 5,000 at a time; answers how many. A use case of its own.
///
/// # Errors
/// What the database said.
pub async fn prune(conn: &mut PgConn, now: DateTime<Utc>) -> QueryResult<usize> {
    Prune { before: &(now - TimeDelta::hours(72)) }.execute(conn).await
}

/// A JSON answer as bytes that can be stored and replayed; in the API document it is a `T`.
#[derive(Debug, Clone)]
pub struct JsonBytes<T> {
    body: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T: ToJSON> JsonBytes<T> {
    /// The bytes of `value`.
    pub fn of(value: &T) -> Self {
        Self::from_bytes(value.to_json_string().into_bytes())
    }
}

impl<T: Serialize> JsonBytes<T> {
    /// The bytes of `value`, written straight away: what [`JsonBytes::of`] makes by way of a tree of values, for the hot path.
    ///
    /// # Errors
    /// What serde said.
    pub fn written(value: &T) -> serde_json::Result<Self> {
        serde_json::to_vec(value).map(Self::from_bytes)
    }
}

impl<T> JsonBytes<T> {
    /// Bytes that were made by [`JsonBytes::of`] or [`JsonBytes::written`].
    pub fn from_bytes(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), of: PhantomData }
    }

    /// The bytes, to be stored.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }
}

impl<T: Type> Payload for JsonBytes<T> {
    const CONTENT_TYPE: &'static str = "application/json; charset=utf-8";
    fn check_content_type(_content_type: &str) -> bool {
        false
    }
    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }
    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Send> IntoResponse for JsonBytes<T> {
    fn into_response(self) -> Response {
        Response::builder().content_type("application/json; charset=utf-8").body(self.body)
    }
}
