//! What migrating needs of the database: one migrator at a time, and the floor below which a binary is too old.

use std::time::Duration;

use diesel::{OptionalExtension, QueryResult, dsl::sql, sql_types as st};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use tokio::time::{Instant, sleep};

use crate::{PgConn, db::DbError};

/// How long a migrator waits for another one, and how long it does so at a time.
const PATIENCE: Duration = Duration::from_mins(10);
const TURN: Duration = Duration::from_millis(100);

/// Waits until no other process migrates this database, then keeps others out for as long as the connection lives; answers
/// whether it came to that within ten minutes. Afterwards a statement that cannot get its table lock within five seconds gives up,
/// so that a migration never stands in the way of the traffic behind it.
///
/// # Errors
/// What the database said.
pub async fn lock_out_others(conn: &mut PgConn) -> QueryResult<bool> {
    conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = '5s'").await?;
    let began = Instant::now();
    // It asks again and again. A statement that waits sees the tables as they were, and an index that is built beside the traffic is
    // not finished before every such statement is: each would wait for the other.
    while !sql::<st::Bool>("SELECT pg_try_advisory_lock(7305809471)").get_result(conn).await? {
        if began.elapsed() > PATIENCE {
            return Ok(false);
        }
        sleep(TURN).await;
    }
    Ok(true)
}

/// Drops those of these indexes that are not finished: whoever built them beside the traffic (`CREATE INDEX CONCURRENTLY`) was
/// interrupted, and they would only be in the way of building them again.
///
/// # Errors
/// What the database said.
pub async fn drop_unfinished_indexes(conn: &mut PgConn, names: &[&str]) -> QueryResult<()> {
    let unfinished = sql::<st::Text>(
        "SELECT format('DROP INDEX CONCURRENTLY %s', i.indexrelid::regclass) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE NOT i.indisvalid AND c.relname = ANY (",
    )
    .bind::<st::Array<st::Text>, _>(names)
    .sql(")");
    for statement in unfinished.load::<String>(conn).await? {
        conn.batch_execute(&statement).await?;
    }
    Ok(())
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
