//! `oms audit`: recomputes what must be true, on the live database, and reports every difference.
//!
//! Each module answers for its own tables. What must agree between modules is checked here, in `audit.sql`, the one
//! read-only SQL file of the composition root. Everything is read in one snapshot, by two connections at once, so that work
//! that goes on meanwhile is no difference; the gateway's book is asked over HTTP afterwards.

use std::time::{Duration, Instant};

use diesel::{QueryResult, QueryableByName, sql_types as st};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use kernel::{
    Difference, PgConn,
    db::{self, PoolSettings},
};
use payments::Gateway;

/// Why the audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database cannot be reached.
    #[error("the database cannot be reached")]
    Connect(#[source] diesel::ConnectionError),
    /// A check could not be run.
    #[error("a check could not be run")]
    Query(#[from] diesel::result::Error),
}

/// What an audit found.
#[derive(Debug)]
pub struct Report {
    /// Every difference; none means that the books agree.
    pub differences: Vec<Difference>,
    /// How many orders were looked at.
    pub orders: i64,
    /// How many movements of stock.
    pub movements: i64,
    /// How long it took.
    pub took: Duration,
}

/// Checks are aggregates over whole tables: planned for the tables as they are, with room to sort and hash.
const READING: &str = "SET plan_cache_mode = auto; SET work_mem = '64MB'; SET idle_in_transaction_session_timeout = 0; \
     BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

#[derive(QueryableByName)]
struct Snapshot {
    #[diesel(sql_type = st::Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = st::BigInt)]
    orders: i64,
    #[diesel(sql_type = st::BigInt)]
    movements: i64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = st::Text)]
    subject: String,
    #[diesel(sql_type = st::Text)]
    detail: String,
}

/// Audits the database and, when gateways are given, their books.
///
/// # Errors
/// When the database cannot be asked. A gateway that does not answer is a difference.
pub async fn audit(database_url: &str, gateways: &[&dyn Gateway]) -> Result<Report, AuditError> {
    let began = Instant::now();
    let settings = PoolSettings {
        application_name: "oms audit",
        statement_timeout: Duration::from_secs(600),
        ..PoolSettings::default()
    };
    let mut conn = db::connect(database_url, &settings).await.map_err(AuditError::Connect)?;
    let mut second = db::connect(database_url, &settings).await.map_err(AuditError::Connect)?;
    conn.batch_execute(READING).await?;
    let Snapshot { name } = diesel::sql_query("SELECT pg_export_snapshot() AS name").get_result(&mut conn).await?;
    second.batch_execute(&format!("{READING}; SET TRANSACTION SNAPSHOT '{name}'")).await?;
    let (differences, of_orders) = tokio::try_join!(all_but_orders(&mut conn), orders::audit(&mut second))?;
    let mut differences: Vec<_> = differences.into_iter().chain(of_orders).collect();
    let counts: Counts = diesel::sql_query(
        "SELECT (SELECT count(*) FROM orders.orders) AS orders, (SELECT count(*) FROM catalog.stock_movements) AS movements",
    )
    .get_result(&mut conn)
    .await?;
    conn.batch_execute("COMMIT").await?;
    for gateway in gateways {
        differences.extend(payments::audit_book(&mut conn, *gateway).await?);
    }
    Ok(Report { differences, orders: counts.orders, movements: counts.movements, took: began.elapsed() })
}

async fn all_but_orders(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let mut differences = accounts::audit(conn).await?;
    differences.extend(catalog::audit(conn).await?);
    differences.extend(payments::audit(conn).await?);
    differences.extend(jobs::audit(conn).await?);
    differences.extend(between_modules(conn).await?);
    Ok(differences)
}

async fn between_modules(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let mut differences = Vec::new();
    for (check, sql) in checks() {
        let named = format!("SELECT x.subject, x.detail FROM ({sql}) AS x (subject, detail) LIMIT 1000");
        let found: Vec<Found> = diesel::sql_query(named).load(conn).await?;
        differences.extend(found.into_iter().map(|found| Difference::new(check, found.subject, found.detail)));
    }
    Ok(differences)
}

/// The names and statements of `audit.sql`.
fn checks() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("audit.sql").split("-- check: ").skip(1).filter_map(|check| {
        let (name, sql) = check.split_once('\n')?;
        Some((name.trim(), sql.trim().trim_end_matches(';')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_name_and_one_statement() {
        let checks: Vec<_> = checks().collect();
        assert!(checks.len() >= 10);
        for (name, sql) in checks {
            assert!(name.starts_with("audit.") && sql.starts_with("SELECT") && !sql.contains(';'), "{name}: {sql}");
        }
    }
}
