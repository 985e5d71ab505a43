//! API keys in the database.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, JoinOnDsl, OptionalExtension, QueryDsl, QueryResult,
    Queryable, Selectable, SelectableHelper,
};
use diesel_async::RunQueryDsl;
use kernel::{ApiKeyId, PgConn, UserId};

use crate::schema::accounts::{api_keys, users};

/// A key as stored, without what proves it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
pub(crate) struct ApiKeyRow {
    pub(crate) id: ApiKeyId,
    pub(crate) prefix: String,
    pub(crate) name: String,
    pub(crate) owner_id: UserId,
    pub(crate) role: String,
    pub(crate) scopes: Vec<Option<String>>,
    pub(crate) created_by: UserId,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
}

/// A key to be stored.
#[derive(Insertable)]
#[diesel(table_name = api_keys)]
pub(crate) struct NewApiKeyRow<'a> {
    pub(crate) id: ApiKeyId,
    pub(crate) prefix: &'a str,
    pub(crate) secret_hash: &'a [u8],
    pub(crate) name: &'a str,
    pub(crate) owner_id: UserId,
    pub(crate) role: &'a str,
    pub(crate) scopes: Vec<Option<&'a str>>,
    pub(crate) created_by: UserId,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// Adds a key.
pub(crate) async fn insert(conn: &mut PgConn, key: NewApiKeyRow<'_>) -> QueryResult<ApiKeyRow> {
    diesel::insert_into(api_keys::table).values(key).returning(ApiKeyRow::as_returning()).get_result(conn).await
}

/// Keys, the newest first; of one owner, when one is given, and before `after`.
pub(crate) async fn list(
    conn: &mut PgConn,
    owner: Option<UserId>,
    after: Option<ApiKeyId>,
    limit: i64,
) -> QueryResult<Vec<ApiKeyRow>> {
    let mut query = api_keys::table.order(api_keys::id.desc()).limit(limit).select(ApiKeyRow::as_select()).into_boxed();
    if let Some(owner) = owner {
        query = query.filter(api_keys::owner_id.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(api_keys::id.lt(after));
    }
    query.load(conn).await
}

/// The key with this id.
pub(crate) async fn find(conn: &mut PgConn, id: ApiKeyId) -> QueryResult<Option<ApiKeyRow>> {
    api_keys::table.find(id).select(ApiKeyRow::as_select()).first(conn).await.optional()
}

/// Ends a key that has not been ended; answers whether it was so.
pub(crate) async fn revoke(conn: &mut PgConn, id: ApiKeyId, now: DateTime<Utc>) -> QueryResult<bool> {
    let ended = diesel::update(api_keys::table.find(id).filter(api_keys::revoked_at.is_null()))
        .set(api_keys::revoked_at.eq(now))
        .execute(conn)
        .await?;
    Ok(ended == 1)
}

/// What it takes to let a key in.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct LiveKey {
    pub(crate) id: ApiKeyId,
    pub(crate) prefix: String,
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) owner_id: UserId,
    pub(crate) role: String,
    pub(crate) owner_role: String,
    pub(crate) scopes: Vec<Option<String>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// Every key that can open something: not ended, not expired, its owner not disabled.
pub(crate) async fn live(conn: &mut PgConn, now: DateTime<Utc>) -> QueryResult<Vec<LiveKey>> {
    api_keys::table
        .inner_join(users::table.on(users::id.eq(api_keys::owner_id)))
        .filter(api_keys::revoked_at.is_null())
        .filter(users::disabled_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
        .select((
            api_keys::id,
            api_keys::prefix,
            api_keys::secret_hash,
            api_keys::owner_id,
            api_keys::role,
            users::role,
            api_keys::scopes,
            api_keys::expires_at,
        ))
        .load(conn)
        .await
}

/// Writes down that these keys were used, unless somebody did within the last minute.
pub(crate) async fn touch(conn: &mut PgConn, ids: &[ApiKeyId], now: DateTime<Utc>) -> QueryResult<()> {
    let long_ago = now - TimeDelta::minutes(1);
    diesel::update(
        api_keys::table
            .filter(api_keys::id.eq_any(ids))
            .filter(api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(long_ago))),
    )
    .set(api_keys::last_used_at.eq(now))
    .execute(conn)
    .await
    .map(drop)
}
