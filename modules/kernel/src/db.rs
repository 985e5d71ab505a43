//! The way to PostgreSQL: connections, the pool, retries of lost races, and fixed SQL as prepared statements.

use std::{future::Future, time::Duration};

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod},
};
use futures_util::FutureExt;

use crate::{
    Kind, Problem, metrics,
    problem::{INVALID_REQUEST, UNAVAILABLE},
};

/// A connection to PostgreSQL. `conn: &mut PgConn` is the first parameter of whatever joins a transaction.
pub type PgConn = AsyncPgConnection;

/// A pool of connections. Deref a pooled one (`&mut *conn`) before you open a transaction on it, so that the closure is
/// handed a [`PgConn`].
pub type Pool = bb8::Pool<AsyncDieselConnectionManager<PgConn>>;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection within the wait: too busy, or the database is away.
    #[error("no database connection")]
    Pool(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The statement failed.
    #[error("the statement failed")]
    Query(#[source] QueryError),
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<bb8::RunError<diesel_async::pooled_connection::PoolError>> for DbError {
    fn from(error: bb8::RunError<diesel_async::pooled_connection::PoolError>) -> Self {
        Self::Pool(Box::new(error))
    }
}

/// Two requests changed the same thing at once, three times in a row.
const CONTENDED: Kind = Kind::new("contended", 503, "Too many requests are changing the same thing");

impl DbError {
    /// A lost race that may be won by trying again: serialisation failure (40001), deadlock (40P01), lock timeout (55P03).
    pub fn is_lost_race(&self) -> bool {
        match self {
            Self::Query(QueryError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            // diesel has no kind for these two and hides the SQLSTATE, so the (English) message has to tell. Sessions ask for
            // English; a role that may not choose needs `ALTER ROLE … SET lc_messages = 'C'` on a server that speaks otherwise.
            Self::Query(QueryError::DatabaseError(_, info)) => {
                let message = info.message();
                message.contains("deadlock detected") || message.contains("due to lock timeout")
            }
            _ => false,
        }
    }

    /// The database is away, going away, or out of time: somebody else's retry may find it back.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Pool(_) => true,
            Self::Query(QueryError::BrokenTransactionManager) => true,
            Self::Query(QueryError::DatabaseError(kind, info)) => {
                let message = info.message();
                matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand)
                    || self.is_read_only()
                    || message.contains("connection closed")
                    || message.contains("terminating connection")
                    || message.contains("the database system is")
                    || message.contains("due to statement timeout")
                    || message.contains("too many clients")
                    || message.contains("error communicating with the server")
            }
            _ => false,
        }
    }

    /// Nothing can be written on this connection: it leads to a standby, or the database is made read-only. A new one may lead
    /// elsewhere.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Query(QueryError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)))
    }

    /// The name of the constraint that refused the statement, if one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Query(QueryError::DatabaseError(_, info)) => info.constraint_name(),
            _ => None,
        }
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if error.is_lost_race() {
            return CONTENDED.problem("Nothing was changed. Send the same request again.");
        }
        if error.is_unavailable() {
            tracing::warn!(error = ?error, "database unavailable");
            if error.is_read_only() {
                return UNAVAILABLE.problem(
                    "The database takes no changes just now. Send the same request again in a moment, with the same \
                     Idempotency-Key if it has one.",
                );
            }
            return UNAVAILABLE.problem(
                "The database is busy or away. What was to be changed may have been changed all the same: send the same \
                 request again in a moment, with the same Idempotency-Key if it has one, or look first.",
            );
        }
        match &error {
            DbError::Query(QueryError::DatabaseError(DatabaseErrorKind::Unknown, info))
                if info.message().contains("out of range") =>
            {
                INVALID_REQUEST.problem("A number in the request is too large.")
            }
            _ => Self::internal(&error),
        }
    }
}

/// Names the constraint that can refuse a statement, and what that means, where it can happen.
pub trait OnConstraint<T> {
    /// `error()` if `constraint` refused the statement.
    fn on_constraint<E: From<DbError>>(self, constraint: &str, error: impl FnOnce() -> E) -> Result<T, E>;
}

impl<T> OnConstraint<T> for Result<T, QueryError> {
    fn on_constraint<E: From<DbError>>(self, constraint: &str, error: impl FnOnce() -> E) -> Result<T, E> {
        self.map_err(|cause| {
            let cause = DbError::from(cause);
            if cause.constraint() == Some(constraint) { error() } else { E::from(cause) }
        })
    }
}

/// An error that may be a lost race.
pub trait MaybeLostRace {
    /// Whether the same use case may succeed when it is run again from the start.
    fn is_lost_race(&self) -> bool;
}

impl MaybeLostRace for DbError {
    fn is_lost_race(&self) -> bool {
        Self::is_lost_race(self)
    }
}

/// Gives a module's error what transactions and retries need: `From<diesel::result::Error>`, `From<RunError>` and
/// [`MaybeLostRace`]. The error must have a variant `Db(#[from] kernel::DbError)`.
#[macro_export]
macro_rules! db_error {
    ($name:ident) => {
        impl From<$crate::diesel::result::Error> for $name {
            fn from(error: $crate::diesel::result::Error) -> Self {
                Self::Db(error.into())
            }
        }
        impl From<::bb8::RunError<::diesel_async::pooled_connection::PoolError>> for $name {
            fn from(error: ::bb8::RunError<::diesel_async::pooled_connection::PoolError>) -> Self {
                Self::Db(error.into())
            }
        }
        impl $crate::db::MaybeLostRace for $name {
            fn is_lost_race(&self) -> bool {
                matches!(self, Self::Db(error) if error.is_lost_race())
            }
        }
    };
}

/// How a pool is built.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Connections at most; 8 are enough for two cores.
    pub max_size: u32,
    /// How long a caller waits for a connection before being told 503.
    pub wait: Duration,
    /// Shown in `pg_stat_activity`.
    pub application_name: &'static str,
    /// `statement_timeout`: 5 s for requests, 60 s for workers.
    pub statement_timeout: Duration,
    /// `lock_timeout`.
    pub lock_timeout: Duration,
    /// More settings of the session, as SQL.
    pub session: &'static str,
}

/// For sessions in which everything is found by an index. A statement is planned once for a session, and a plan that was made
/// while its table was empty would go on reading all of it until somebody analyses the table.
pub const BY_INDEX: &str = "SET enable_seqscan = off";

/// For sessions in which, besides, a few rows are taken from the beginning of an index, or joined by their ids: nothing else
/// may read all there is either.
pub const BY_INDEX_IN_ORDER: &str =
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_mergejoin = off; SET enable_hashjoin = off";

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_size: 8,
            wait: Duration::from_secs(1),
            application_name: "oms",
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
            session: "",
        }
    }
}

impl PoolSettings {
    fn session_sql(&self) -> String {
        // Numbers and a name of ours only; nothing from outside reaches this statement.
        format!(
            "SET application_name = '{}'; SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = 10000; SET timezone = 'UTC'; \
             SET plan_cache_mode = force_generic_plan; SET jit = off; \
             DO $$ BEGIN SET lc_messages = 'C'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; {}",
            self.application_name,
            self.statement_timeout.as_millis(),
            self.lock_timeout.as_millis(),
            self.session,
        )
    }
}

/// Opens one connection with the session settings of `settings`.
///
/// # Errors
/// What the server or the network said.
pub async fn connect(url: &str, settings: &PoolSettings) -> Result<PgConn, diesel::ConnectionError> {
    let mut conn = PgConn::establish(&noticing_death(url)).await?;
    conn.batch_execute(&settings.session_sql()).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Lets the system find out by itself that the machine of the database is gone (power, network, a move to another one): no
/// packet ever says so, and without this a request that was sent there would keep its connection for a quarter of an hour.
/// Whoever sets one of these in the URL has the last word.
fn noticing_death(url: &str) -> String {
    const LIMITS: [(&str, u32); 4] =
        [("tcp_user_timeout", 10), ("keepalives_idle", 15), ("keepalives_interval", 5), ("keepalives_retries", 3)];
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let mut url = url.to_owned();
    for (name, seconds) in LIMITS {
        if !url.contains(name) {
            let before = match is_url {
                false => ' ',
                true if url.contains('?') => '&',
                true => '?',
            };
            url.push_str(&format!("{before}{name}={seconds}"));
        }
    }
    url
}

/// How long a pool tries to open one connection. Nobody waits for it: callers have a wait of their own.
const CONNECT: Duration = Duration::from_secs(5);

/// Builds a pool. It connects when it is first asked, so it can be built while the database is away.
pub fn pool(url: &str, settings: PoolSettings) -> Pool {
    let (max_size, wait) = (settings.max_size, settings.wait);
    let mut config = ManagerConfig::<PgConn>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |url: &str| {
        let settings = settings.clone();
        let url = url.to_owned();
        async move {
            // A server that takes the connection and then says nothing must not keep its place in the pool.
            match tokio::time::timeout(CONNECT, connect(&url, &settings)).await {
                Ok(connected) => connected,
                Err(elapsed) => Err(diesel::ConnectionError::BadConnection(elapsed.to_string())),
            }
        }
        .boxed()
    });
    bb8::Pool::builder()
        .max_size(max_size)
        .connection_timeout(wait)
        .test_on_check_out(false)
        .build_unchecked(AsyncDieselConnectionManager::new_with_config(url, config))
}

/// Runs a use case again when it lost a race, three times at most, each in a transaction of its own.
///
/// The closure has no parameters and takes its connection inside; one that is handed `&mut PgConn` does not satisfy
/// poem's `Send` bound.
///
/// # Errors
/// What the last attempt said.
pub async fn retrying<T, E, F, Fut>(mut attempt: F) -> Result<T, E>
where
    E: MaybeLostRace,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    for pause_ms in [5, 25] {
        match metrics::when_committed(attempt()).await {
            Err(error) if error.is_lost_race() => {
                tracing::debug!("lost a race; trying again");
                // Spread by the low bits of a fresh id, so that two losers do not meet again.
                let spread = u64::from(crate::UserId::new().as_uuid().as_bytes().last().copied().unwrap_or(0)) % 16;
                tokio::time::sleep(Duration::from_millis(pause_ms + spread)).await;
            }
            outcome => return outcome,
        }
    }
    metrics::when_committed(attempt()).await
}

pub(crate) const PROBLEMS: &[Kind] = &[CONTENDED];

/// Fixed SQL as a statement that diesel prepares once for each connection (`sql_query` never is).
///
/// ```ignore
/// kernel::cached_sql! {
///     LockStock(variants: Array<Uuid> = Vec<VariantId>) -> (Uuid, Integer),
///     "SELECT variant_id, on_hand FROM catalog.stock WHERE variant_id = ANY($1) ORDER BY variant_id FOR UPDATE"
/// }
/// let rows: Vec<(VariantId, i32)> = LockStock { variants: &variants }.load(conn).await?;
/// ```
/// Use `Untyped` as the row type of a statement that returns nothing, and `execute` it. A statement without parameters is
/// a unit struct: `ListStates.load(conn)`.
#[macro_export]
macro_rules! cached_sql {
    ($(#[$meta:meta])* $name:ident () -> $row:ty, $sql:expr) => {
        $(#[$meta])*
        struct $name;
        impl $crate::diesel::query_builder::QueryFragment<$crate::diesel::pg::Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: $crate::diesel::query_builder::AstPass<'_, 'b, $crate::diesel::pg::Pg>) -> $crate::diesel::QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }
        impl $crate::diesel::query_builder::QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }
        impl $crate::diesel::query_builder::Query for $name {
            type SqlType = $row;
        }
    };
    ($(#[$meta:meta])* $name:ident ( $($field:ident : $sql_type:ty = $rust_type:ty),* $(,)? ) -> $row:ty, $sql:expr) => {
        $(#[$meta])*
        struct $name<'a> { $($field: &'a $rust_type,)* }
        impl $crate::diesel::query_builder::QueryFragment<$crate::diesel::pg::Pg> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: $crate::diesel::query_builder::AstPass<'_, 'b, $crate::diesel::pg::Pg>) -> $crate::diesel::QueryResult<()> {
                out.push_sql($sql);
                $( out.push_bind_param_value_only::<$sql_type, _>(self.$field)?; )*
                Ok(())
            }
        }
        impl $crate::diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }
        impl $crate::diesel::query_builder::Query for $name<'_> {
            type SqlType = $row;
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_05_connections_notice_that_the_other_machine_is_gone() {
        let plain = noticing_death("postgres://oms@127.0.0.1/oms");
        assert!(plain.starts_with("postgres://oms@127.0.0.1/oms?tcp_user_timeout=10&keepalives_idle=15&"), "{plain}");
        let own = noticing_death("postgres://oms@127.0.0.1/oms?tcp_user_timeout=60");
        assert!(own.starts_with("postgres://oms@127.0.0.1/oms?tcp_user_timeout=60&keepalives_idle=15&"), "{own}");
        let words = noticing_death("host=127.0.0.1 dbname=oms");
        assert!(words.starts_with("host=127.0.0.1 dbname=oms tcp_user_timeout=10 keepalives_idle=15 "), "{words}");
    }
}
