//! Mailed tokens in the database.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, Queryable, Selectable, SelectableHelper,
    sql_types as st,
};
use diesel_async::RunQueryDsl;
use kernel::{PgConn, UserId};

use crate::{
    OneTimeTokenId,
    one_time::Purpose,
    schema::accounts::one_time_tokens::{self, dsl},
    store::users::UserRow,
};

/// A mailed token as stored.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = one_time_tokens, check_for_backend(diesel::pg::Pg))]
pub(crate) struct OneTimeTokenRow {
    pub(crate) id: OneTimeTokenId,
    pub(crate) user_id: UserId,
    pub(crate) email: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) used_at: Option<DateTime<Utc>>,
}

impl OneTimeTokenRow {
    /// Whether it can still be used.
    pub(crate) fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.used_at.is_none() && self.expires_at > now
    }
}

/// Adds a token for `user`, good from now on.
pub(crate) async fn insert(
    conn: &mut PgConn,
    id: OneTimeTokenId,
    user: &UserRow,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(one_time_tokens::table)
        .values((
            dsl::id.eq(id),
            dsl::user_id.eq(user.id),
            dsl::purpose.eq(purpose.name()),
            dsl::email.eq(&user.email),
            dsl::created_at.eq(now),
            dsl::expires_at.eq(now + purpose.lifetime()),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// The token `id`, if it is one for this purpose.
pub(crate) async fn find(
    conn: &mut PgConn,
    id: OneTimeTokenId,
    purpose: Purpose,
) -> QueryResult<Option<OneTimeTokenRow>> {
    one_time_tokens::table
        .find(id)
        .filter(dsl::purpose.eq(purpose.name()))
        .select(OneTimeTokenRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// How many tokens for this purpose `user` was given since then.
pub(crate) async fn count_since(
    conn: &mut PgConn,
    user: UserId,
    purpose: Purpose,
    since: DateTime<Utc>,
) -> QueryResult<i64> {
    one_time_tokens::table
        .filter(dsl::user_id.eq(user))
        .filter(dsl::purpose.eq(purpose.name()))
        .filter(dsl::created_at.gt(since))
        .count()
        .get_result(conn)
        .await
}

/// Uses the token up; answers whether it could still be used.
pub(crate) async fn use_up(conn: &mut PgConn, id: OneTimeTokenId, now: DateTime<Utc>) -> QueryResult<bool> {
    let used =
        diesel::update(one_time_tokens::table.find(id).filter(dsl::used_at.is_null()).filter(dsl::expires_at.gt(now)))
            .set(dsl::used_at.eq(now))
            .execute(conn)
            .await?;
    Ok(used == 1)
}

/// Uses up all tokens of `user` for this purpose.
pub(crate) async fn use_up_all(
    conn: &mut PgConn,
    user: UserId,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(
        one_time_tokens::table
            .filter(dsl::user_id.eq(user))
            .filter(dsl::purpose.eq(purpose.name()))
            .filter(dsl::used_at.is_null()),
    )
    .set(dsl::used_at.eq(now))
    .execute(conn)
    .await
    .map(drop)
}

kernel::cached_sql! {
    Prune(before: st::Timestamptz = DateTime<Utc>) -> st::Untyped,
    "DELETE FROM accounts.one_time_tokens WHERE id IN (SELECT id FROM accounts.one_time_tokens WHERE expires_at < $1 LIMIT 5000)"
}

/// Forgets tokens that expired a day ago, 5,000 at a time; answers how many. A statement of its own.
pub(crate) async fn prune(conn: &mut PgConn, now: DateTime<Utc>) -> QueryResult<usize> {
    Prune { before: &(now - TimeDelta::days(1)) }.execute(conn).await
}
