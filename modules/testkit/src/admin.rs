//! Statements about databases, from plain threads.
//!
//! Creating and dropping happens outside any runtime: a test's own runtime may have one thread only, and `Drop` cannot
//! wait for a future.

use std::{thread, time::Duration};

use diesel::{
    Connection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_types::{Bool, Text},
};
use diesel_async::{AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper};

use crate::Failure;

/// A connection for use outside a runtime. It brings a small runtime of its own.
pub(crate) type BlockingConnection = AsyncConnectionWrapper<AsyncPgConnection>;

pub(crate) fn connect(url: &str) -> Result<BlockingConnection, Failure> {
    Ok(BlockingConnection::establish(url)?)
}

/// Runs statements one after the other; `CREATE` and `DROP DATABASE` must not share a transaction with anything.
pub(crate) fn execute(conn: &mut BlockingConnection, statement: &str) -> Result<(), Failure> {
    Ok(conn.batch_execute(statement)?)
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    answer: bool,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Whether a database of this name exists.
pub(crate) fn exists(conn: &mut BlockingConnection, name: &str) -> Result<bool, Failure> {
    // The system catalogue has no diesel schema.
    let rows = diesel::sql_query("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS answer")
        .bind::<Text, _>(name)
        .load::<Answer>(conn)?;
    Ok(rows.iter().any(|row| row.answer))
}

/// The names of all databases that start with `prefix`.
pub(crate) fn names(conn: &mut BlockingConnection, prefix: &str) -> Result<Vec<String>, Failure> {
    let rows = diesel::sql_query("SELECT datname::text AS name FROM pg_database WHERE starts_with(datname, $1)")
        .bind::<Text, _>(prefix)
        .load::<Name>(conn)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Drops a database if it is there, ending the sessions in it.
pub(crate) fn drop_database(conn: &mut BlockingConnection, name: &str) -> Result<(), Failure> {
    end_sessions(conn, name)?;
    // Only names made of letters, digits and underscores come here.
    execute(conn, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
}

/// A test that ends leaves its pool connected. `DROP … WITH (FORCE)` copes with that, but takes 100 ms to look again
/// after it has told the sessions to end; they need five.
fn end_sessions(conn: &mut BlockingConnection, name: &str) -> Result<(), Failure> {
    for _ in 0..20 {
        let rows = diesel::sql_query(
            "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) AS answer FROM pg_stat_activity WHERE datname = $1",
        )
        .bind::<Text, _>(name)
        .load::<Answer>(conn)?;
        if !rows.iter().any(|row| row.answer) {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
