//! Sessions and their refresh tokens in the database.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, Queryable, Selectable, SelectableHelper,
    sql_types as st,
};
use diesel_async::RunQueryDsl;
use kernel::{PgConn, UserId};

use crate::{
    schema::accounts::{refresh_tokens, sessions},
    session::{EndReason, RefreshTokenId, SessionId},
};

/// A session as stored.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// A refresh token as stored.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = refresh_tokens, check_for_backend(diesel::pg::Pg))]
pub(crate) struct RefreshTokenRow {
    pub(crate) id: RefreshTokenId,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) rotated_at: Option<DateTime<Utc>>,
    pub(crate) successor_id: Option<RefreshTokenId>,
}

/// Adds a session.
pub(crate) async fn insert(
    conn: &mut PgConn,
    id: SessionId,
    user: UserId,
    origin: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let row =
        (sessions::id.eq(id), sessions::user_id.eq(user), sessions::origin.eq(origin), sessions::created_at.eq(now));
    diesel::insert_into(sessions::table).values(row).execute(conn).await.map(drop)
}

/// Whether the user has opened a session from there since.
pub(crate) async fn is_known(
    conn: &mut PgConn,
    user: UserId,
    origin: &[u8],
    since: DateTime<Utc>,
) -> QueryResult<bool> {
    let known = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::origin.eq(origin))
        .filter(sessions::created_at.gt(since));
    diesel::select(diesel::dsl::exists(known)).get_result(conn).await
}

/// Adds a refresh token to a session.
pub(crate) async fn insert_token(
    conn: &mut PgConn,
    session: SessionId,
    id: RefreshTokenId,
    hash: &[u8],
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> QueryResult<()> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::id.eq(id),
            refresh_tokens::session_id.eq(session),
            refresh_tokens::token_hash.eq(hash),
            refresh_tokens::created_at.eq(now),
            refresh_tokens::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// The session that a refresh token belongs to, locked until the transaction ends.
pub(crate) async fn lock_by_token(conn: &mut PgConn, hash: &[u8]) -> QueryResult<Option<SessionRow>> {
    let session: Option<SessionId> = refresh_tokens::table
        .filter(refresh_tokens::token_hash.eq(hash))
        .select(refresh_tokens::session_id)
        .first(conn)
        .await
        .optional()?;
    let Some(session) = session else { return Ok(None) };
    sessions::table.find(session).select(SessionRow::as_select()).for_no_key_update().first(conn).await.optional()
}

/// The refresh token with this hash. Read it after its session is locked: before, it may be about to change.
pub(crate) async fn find_token(conn: &mut PgConn, hash: &[u8]) -> QueryResult<Option<RefreshTokenRow>> {
    refresh_tokens::table
        .filter(refresh_tokens::token_hash.eq(hash))
        .select(RefreshTokenRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// When a refresh token expires.
pub(crate) async fn expiry(conn: &mut PgConn, id: RefreshTokenId) -> QueryResult<Option<DateTime<Utc>>> {
    refresh_tokens::table.find(id).select(refresh_tokens::expires_at).first(conn).await.optional()
}

/// Marks a refresh token as exchanged for `successor`.
pub(crate) async fn rotate_token(
    conn: &mut PgConn,
    id: RefreshTokenId,
    successor: RefreshTokenId,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(refresh_tokens::table.find(id))
        .set((refresh_tokens::rotated_at.eq(now), refresh_tokens::successor_id.eq(successor)))
        .execute(conn)
        .await
        .map(drop)
}

/// Ends a session that is still open.
pub(crate) async fn end(conn: &mut PgConn, id: SessionId, reason: EndReason, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(sessions::table.find(id).filter(sessions::ended_at.is_null()))
        .set((sessions::ended_at.eq(now), sessions::end_reason.eq(reason.name())))
        .execute(conn)
        .await
        .map(drop)
}

/// Ends all open sessions of a user.
pub(crate) async fn end_all(conn: &mut PgConn, user: UserId, reason: EndReason, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(sessions::table.filter(sessions::user_id.eq(user)).filter(sessions::ended_at.is_null()))
        .set((sessions::ended_at.eq(now), sessions::end_reason.eq(reason.name())))
        .execute(conn)
        .await
        .map(drop)
}

kernel::cached_sql! {
    PruneTokens(now: st::Timestamptz = DateTime<Utc>) -> st::Untyped,
    "DELETE FROM accounts.refresh_tokens WHERE id IN (SELECT id FROM accounts.refresh_tokens WHERE expires_at < $1 LIMIT 5000)"
}

kernel::cached_sql! {
    Prune(before: st::Timestamptz = DateTime<Utc>) -> st::Untyped,
    "DELETE FROM accounts.sessions WHERE id IN (SELECT id FROM accounts.sessions s WHERE s.ended_at < $1 \
     OR (s.created_at < $1 AND NOT EXISTS (SELECT FROM accounts.refresh_tokens t WHERE t.session_id = s.id)) LIMIT 5000)"
}

/// Forgets expired refresh tokens, 5,000 at a time; answers how many. A statement of its own.
pub(crate) async fn prune_tokens(conn: &mut PgConn, now: DateTime<Utc>) -> QueryResult<usize> {
    PruneTokens { now: &now }.execute(conn).await
}

/// Forgets sessions that ended a week ago, with their tokens, and those whose tokens have all expired, 5,000 at a time;
/// answers how many. A statement of its own.
pub(crate) async fn prune(conn: &mut PgConn, now: DateTime<Utc>) -> QueryResult<usize> {
    Prune { before: &(now - TimeDelta::days(7)) }.execute(conn).await
}
