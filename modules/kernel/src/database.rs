//! Databases as a whole: made, renamed and dropped by who owns the cluster, which is `oms dev`.
//!
//! Every function wants a connection to another database than the one it is about.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult, dsl::sql, sql_types as st};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use crate::PgConn;

/// The name of a database: small letters, digits and `_`, so that it needs no quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseName(&'static str);

impl DatabaseName {
    /// The name; meant for constants, where a wrong one does not compile.
    ///
    /// # Panics
    /// When it is not of that form.
    pub const fn new(name: &'static str) -> Self {
        let mut rest = name.as_bytes();
        assert!(!rest.is_empty() && rest.len() <= 63, "a database's name has 1 to 63 characters");
        while let [byte, tail @ ..] = rest {
            assert!(matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'), "small letters, digits and '_' only");
            rest = tail;
        }
        Self(name)
    }

    /// The name.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

/// Whether there is a database of this name.
///
/// # Errors
/// What the database said.
pub async fn exists(conn: &mut PgConn, name: DatabaseName) -> QueryResult<bool> {
    let found = sql::<st::Bool>("SELECT EXISTS (SELECT FROM pg_database WHERE datname = ").bind::<st::Text, _>(name.0);
    found.sql(")").get_result(conn).await
}

/// Makes an empty database.
///
/// # Errors
/// There is one already, or what the database said.
pub async fn create(conn: &mut PgConn, name: DatabaseName) -> QueryResult<()> {
    // Names cannot be bound; this one holds nothing that could end it.
    conn.batch_execute(&format!("CREATE DATABASE {}", name.0)).await
}

/// Drops a database, whoever is connected to it; one that does not exist is fine.
///
/// # Errors
/// What the database said.
pub async fn drop(conn: &mut PgConn, name: DatabaseName) -> QueryResult<()> {
    conn.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", name.0)).await
}

/// Renames a database, after hanging up on everybody who is connected to it.
///
/// # Errors
/// The name is taken, or what the database said.
pub async fn rename(conn: &mut PgConn, from: DatabaseName, to: DatabaseName) -> QueryResult<()> {
    let hang_up =
        sql::<st::BigInt>("SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity WHERE datname = ")
            .bind::<st::Text, _>(from.0);
    let _hung_up: i64 = hang_up.get_result(conn).await?;
    conn.batch_execute(&format!("ALTER DATABASE {} RENAME TO {}", from.0, to.0)).await
}

/// The comment on a database, if there is one.
///
/// # Errors
/// What the database said.
pub async fn comment(conn: &mut PgConn, name: DatabaseName) -> QueryResult<Option<String>> {
    let text =
        sql::<st::Nullable<st::Text>>("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = ");
    let found: Option<Option<String>> = text.bind::<st::Text, _>(name.0).get_result(conn).await.optional()?;
    Ok(found.flatten())
}

/// Writes a comment on a database, or removes it.
///
/// # Errors
/// What the database said.
pub async fn set_comment(conn: &mut PgConn, name: DatabaseName, text: Option<&'static str>) -> QueryResult<()> {
    // Comments cannot be bound either; ours are constants.
    let text = text.map_or_else(|| "NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")));
    conn.batch_execute(&format!("COMMENT ON DATABASE {} IS {text}", name.0)).await
}

/// Lets the planner know what is in the database of this connection, after much was written into it.
///
/// # Errors
/// What the database said.
pub async fn analyze(conn: &mut PgConn) -> QueryResult<()> {
    conn.batch_execute("ANALYZE").await
}

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its version as a number: 150020 is 15.20.
    pub version: i32,
    /// The same for people.
    pub version_text: String,
    /// Its time.
    pub now: DateTime<Utc>,
    /// How many connections it accepts from other than superusers.
    pub max_connections: i32,
    /// How many are open.
    pub open_connections: i64,
    /// Settings that must be on lest committed data is lost, and are off.
    pub unsafe_settings: Vec<String>,
    /// Nothing can be written: it is a standby, or made read-only.
    pub is_read_only: bool,
    /// How the texts in this database are stored.
    pub encoding: String,
    /// The language of its messages, as far as this role could choose it.
    pub messages: String,
    /// Indexes that are written and not used, because building them was broken off. Of these three only what is in `schemas`.
    pub invalid_indexes: Vec<String>,
    /// Triggers that guard nothing, because somebody switched them off.
    pub triggers_off: Vec<String>,
    /// Constraints that were never checked against the rows that were there before them.
    pub unchecked_constraints: Vec<String>,
}

/// Asks the server about itself, and about what is in these schemas of the database.
///
/// # Errors
/// What the database said.
pub async fn server(conn: &mut PgConn, schemas: &[&str]) -> QueryResult<Server> {
    type Names = Vec<String>;
    type Row = ((i32, String, DateTime<Utc>, i32, i64, Names), (bool, String, String, Names, Names, Names));
    type Sql = (
        (st::Integer, st::Text, st::Timestamptz, st::Integer, st::BigInt, st::Array<st::Text>),
        (st::Bool, st::Text, st::Text, st::Array<st::Text>, st::Array<st::Text>, st::Array<st::Text>),
    );
    // What other roles' sessions do is not for everybody to see; about how many there are is.
    let (
        (version, version_text, now, max_connections, open_connections, unsafe_settings),
        (is_read_only, encoding, messages, invalid_indexes, triggers_off, unchecked_constraints),
    ) = sql::<Sql>(
        "WITH ours AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY(",
    )
    .bind::<st::Array<st::Text>, _>(schemas)
    .sql(
        ")) SELECT current_setting('server_version_num')::int, current_setting('server_version'), clock_timestamp(), \
         current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
             - coalesce(current_setting('reserved_connections', true)::int, 0), \
         (SELECT sum(numbackends)::bigint FROM pg_stat_database), \
         ARRAY(SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') \
               AND setting = 'off' ORDER BY name), \
         current_setting('transaction_read_only')::bool, current_setting('server_encoding'), current_setting('lc_messages'), \
         ARRAY(SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indexrelid IN (TABLE ours) \
               AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index WHERE index_relid IS NOT NULL) ORDER BY 1), \
         ARRAY(SELECT format('%s of %s', tgname, tgrelid::regclass) FROM pg_trigger \
               WHERE tgenabled IN ('D', 'R') AND tgrelid IN (TABLE ours) ORDER BY 1), \
         ARRAY(SELECT format('%s of %s', conname, conrelid::regclass) FROM pg_constraint \
               WHERE NOT convalidated AND conrelid IN (TABLE ours) ORDER BY 1)",
    )
    .get_result::<Row>(conn)
    .await?;
    Ok(Server {
        version,
        version_text,
        now,
        max_connections,
        open_connections,
        unsafe_settings,
        is_read_only,
        encoding,
        messages,
        invalid_indexes,
        triggers_off,
        unchecked_constraints,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_a_statement() {
        assert_eq!(DatabaseName::new("oms_1").as_str(), "oms_1");
        for name in ["", "Oms", "o ms", "oms;", "oms\"", "ä"] {
            assert!(std::panic::catch_unwind(|| DatabaseName::new(name)).is_err(), "{name:?}");
        }
    }
}
