//! Users in the database.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, IntoSql, OptionalExtension, QueryDsl, QueryResult, Queryable, Selectable,
    SelectableHelper, sql_types as st,
};
use diesel_async::RunQueryDsl;
use kernel::{PgConn, Role, UserId};

use crate::{AccountsError, schema::accounts::users};

diesel::define_sql_function! {
    /// Lower case, as the unique indexes have it.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// A user as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(crate) struct UserRow {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) role: String,
    pub(crate) display_name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) email_verified_at: Option<DateTime<Utc>>,
    pub(crate) disabled_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) sessions_version: i32,
}

impl UserRow {
    /// What the user may do. A CHECK knows the same three names; anything else would mean the least.
    pub(crate) fn role(&self) -> Role {
        role_named(&self.role)
    }
}

/// The role of this name in the table.
pub(crate) fn role_named(name: &str) -> Role {
    match name {
        "admin" => Role::Admin,
        "operator" => Role::Operator,
        _ => Role::Customer,
    }
}

/// The role's name in the table.
pub(crate) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// A user to be stored.
pub(crate) struct NewUser<'a> {
    pub(crate) id: UserId,
    pub(crate) username: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) role: Role,
    pub(crate) email_verified_at: Option<DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
}

/// Adds a user; a taken name or address is refused by the unique indexes.
pub(crate) async fn insert(conn: &mut PgConn, user: &NewUser<'_>) -> Result<UserRow, AccountsError> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id),
            users::username.eq(user.username),
            users::email.eq(user.email),
            users::password_hash.eq(user.password_hash),
            users::role.eq(role_name(user.role)),
            users::email_verified_at.eq(user.email_verified_at),
            users::created_at.eq(user.now),
            users::updated_at.eq(user.now),
        ))
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await
        .or_else(taken)
}

/// Says which of the two unique indexes refused the statement.
fn taken<T>(error: diesel::result::Error) -> Result<T, AccountsError> {
    let error = kernel::DbError::from(error);
    Err(match error.constraint() {
        Some("users_username_key") => AccountsError::UsernameTaken,
        Some("users_email_key") => AccountsError::EmailTaken,
        _ => error.into(),
    })
}

/// The user who logs in as `login`: an address if there is an `@` in it, a name if not.
pub(crate) async fn find_by_login(conn: &mut PgConn, login: &str) -> QueryResult<Option<UserRow>> {
    let login = login.to_lowercase();
    if login.contains('@') {
        find_by_email(conn, &login).await
    } else {
        users::table.filter(lower(users::username).eq(login)).select(UserRow::as_select()).first(conn).await.optional()
    }
}

/// The user with this address (in lower case).
pub(crate) async fn find_by_email(conn: &mut PgConn, email: &str) -> QueryResult<Option<UserRow>> {
    users::table.filter(lower(users::email).eq(email)).select(UserRow::as_select()).first(conn).await.optional()
}

/// The user with this id.
pub(crate) async fn find(conn: &mut PgConn, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table.find(id).select(UserRow::as_select()).first(conn).await.optional()
}

/// The same, locked until the transaction ends. The user's row is locked before their sessions and tokens, always.
pub(crate) async fn lock(conn: &mut PgConn, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table.find(id).select(UserRow::as_select()).for_no_key_update().first(conn).await.optional()
}

/// Replaces the password's hash.
pub(crate) async fn set_password(conn: &mut PgConn, id: UserId, hash: &str, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set((users::password_hash.eq(hash), users::updated_at.eq(now)))
        .execute(conn)
        .await
        .map(drop)
}

/// Marks the address as proven, if it is still `email` and was not proven before.
pub(crate) async fn verify_email(conn: &mut PgConn, id: UserId, email: &str, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(users::table.find(id).filter(users::email.eq(email)).filter(users::email_verified_at.is_null()))
        .set((users::email_verified_at.eq(now), users::updated_at.eq(now)))
        .execute(conn)
        .await
        .map(drop)
}

/// Gives the user a role.
pub(crate) async fn set_role(conn: &mut PgConn, id: UserId, role: Role, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set((users::role.eq(role_name(role)), users::updated_at.eq(now)))
        .execute(conn)
        .await
        .map(drop)
}

/// Says since when the user may not log in, or that they may.
pub(crate) async fn set_disabled(
    conn: &mut PgConn,
    id: UserId,
    disabled_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set((users::disabled_at.eq(disabled_at), users::updated_at.eq(now)))
        .execute(conn)
        .await
        .map(drop)
}

/// Makes every access token of the user one of yesterday's; answers the version that the next ones carry.
pub(crate) async fn next_sessions_version(conn: &mut PgConn, id: UserId, now: DateTime<Utc>) -> QueryResult<i32> {
    diesel::update(users::table.find(id))
        .set((users::sessions_version.eq(users::sessions_version + 1), users::sessions_changed_at.eq(now)))
        .returning(users::sessions_version)
        .get_result(conn)
        .await
}

kernel::cached_sql! {
    SessionsChanged(since: st::Timestamptz = DateTime<Utc>) -> (st::Uuid, st::Integer),
    "SELECT id, sessions_version FROM accounts.users WHERE sessions_changed_at >= $1"
}

/// Whose sessions were ended since then, and from which version on they are good.
pub(crate) async fn sessions_changed(conn: &mut PgConn, since: DateTime<Utc>) -> QueryResult<Vec<(UserId, i32)>> {
    SessionsChanged { since: &since }.load(conn).await
}

/// Everybody who is an administrator and can act as one, locked in a fixed order until the transaction ends: whoever takes
/// an administrator away holds all of them still.
pub(crate) async fn lock_admins(conn: &mut PgConn) -> QueryResult<Vec<UserId>> {
    users::table
        .filter(users::role.eq(role_name(Role::Admin)))
        .filter(users::disabled_at.is_null())
        .order(users::id)
        .select(users::id)
        .for_no_key_update()
        .load(conn)
        .await
}

diesel::infix_operator!(ByteWiseFrom, " ~>=~ ", backend: diesel::pg::Pg);
diesel::infix_operator!(ByteWiseBelow, " ~<~ ", backend: diesel::pg::Pg);

/// Which users; each condition narrows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Whose name or address begins like this.
    pub(crate) begins: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) is_disabled: Option<bool>,
}

/// Users, the newest first; those before `after`, when it is given.
pub(crate) async fn search(
    conn: &mut PgConn,
    wanted: Wanted,
    after: Option<UserId>,
    limit: i64,
) -> QueryResult<Vec<UserRow>> {
    let mut query = users::table.order(users::id.desc()).limit(limit).select(UserRow::as_select()).into_boxed();
    if let Some(from) = wanted.begins.map(|begins| begins.to_lowercase()) {
        // A range, because no plan that is made before the pattern is known turns LIKE into one.
        let to = format!("{from}\u{10ffff}");
        let text = |text: &str| text.to_owned().into_sql::<st::Text>();
        let name = ByteWiseFrom::new(lower(users::username), text(&from))
            .and(ByteWiseBelow::new(lower(users::username), text(&to)));
        let email = ByteWiseFrom::new(users::email, text(&from)).and(ByteWiseBelow::new(users::email, text(&to)));
        query = query.filter(name.or(email));
    }
    if let Some(role) = wanted.role {
        query = query.filter(users::role.eq(role_name(role)));
    }
    match wanted.is_disabled {
        Some(true) => query = query.filter(users::disabled_at.is_not_null()),
        Some(false) => query = query.filter(users::disabled_at.is_null()),
        None => {}
    }
    if let Some(after) = after {
        query = query.filter(users::id.lt(after));
    }
    query.load(conn).await
}

/// What a user changes about themselves: `None` leaves it, `Some(None)` removes it.
#[derive(Debug, Clone, Default, diesel::AsChangeset)]
#[diesel(table_name = users)]
pub(crate) struct ProfileChange {
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<Option<String>>,
    pub(crate) phone: Option<Option<String>>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Changes what the user says about themselves, unless they are disabled.
pub(crate) async fn change_profile(
    conn: &mut PgConn,
    id: UserId,
    change: &ProfileChange,
) -> Result<Option<UserRow>, AccountsError> {
    diesel::update(users::table.find(id).filter(users::disabled_at.is_null()))
        .set(change)
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await
        .optional()
        .or_else(taken)
}

/// Names and addresses of many users.
pub(crate) async fn names(conn: &mut PgConn, ids: &[UserId]) -> QueryResult<Vec<(UserId, String, String)>> {
    users::table.filter(users::id.eq_any(ids)).select((users::id, users::username, users::email)).load(conn).await
}

/// The newest users, of one role or of all.
pub(crate) async fn newest(conn: &mut PgConn, role: Option<Role>, limit: i64) -> QueryResult<Vec<UserRow>> {
    let query = users::table.order((users::created_at.desc(), users::id.desc())).limit(limit);
    let query = query.select(UserRow::as_select()).into_boxed();
    match role {
        Some(role) => query.filter(users::role.eq(role_name(role))).load(conn).await,
        None => query.load(conn).await,
    }
}
