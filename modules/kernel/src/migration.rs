//! What migrating needs of the database: one migrator at a time, and the floor below which a binary is too old.

use diesel::{OptionalExtension, QueryResult, dsl::sql, sql_types as st};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use crate::{PgConn, db::DbError};

/// Waits until no other process migrates this database, then keeps others out for as long as the connection lives.
/// Afterwards a statement that cannot get its table lock within five seconds gives up, so that a migration never stands
/// in the way of the traffic behind it.
///
/// # Errors
/// What the database said; no migrator takes longer than ten minutes.
pub async fn lock_out_others(conn: &mut PgConn) -> QueryResult<()> {
    conn.batch_execute(
        "SET lock_timeout = '10min'; SET statement_timeout = 0; SELECT pg_advisory_lock(7305809471); SET lock_timeout = '5s'",
    )
    .await
}

/// Whether the database answers.
///
/// # Errors
/// What the database said.
pub async fn ping(conn: &mut PgConn) -> QueryResult<()> {
    sql::<st::Integer>("SELECT 1").get_result::<i32>(conn).await.map(drop)
}

fn is_missing_table(error: &diesel::result::Error) -> bool {
    matches!(error, diesel::result::Error::DatabaseError(_, info) if info.message().contains("does not exist"))
}

/// The versions of all applied migrations, sorted; none on an empty database.
///
/// # Errors
/// What the database said.
pub async fn applied(conn: &mut PgConn) -> Result<Vec<String>, DbError> {
    let versions = sql::<st::Text>("SELECT version::text FROM public.__diesel_schema_migrations ORDER BY version");
    match versions.load(conn).await {
        Err(error) if is_missing_table(&error) => Ok(Vec::new()),
        outcome => Ok(outcome?),
    }
}

/// The version of the migration that a binary must know to work on this schema; `None` on an empty database.
///
/// # Errors
/// What the database said.
pub async fn compatibility_floor(conn: &mut PgConn) -> Result<Option<String>, DbError> {
    match sql::<st::Text>("SELECT floor FROM kernel.compatibility").get_result(conn).await.optional() {
        Err(error) if is_missing_table(&error) => Ok(None),
        outcome => Ok(outcome?),
    }
}
