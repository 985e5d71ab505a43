//! A database per test, against the real PostgreSQL of this machine.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{collections::HashSet, time::Instant};

use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use kernel::PgConn;
use testkit::TestDatabase;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn count(conn: &mut PgConn, from: &str) -> i64 {
    let row: Count = diesel::sql_query(format!("SELECT count(*) AS count FROM {from}")).get_result(conn).await.unwrap();
    row.count
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_databases_side_by_side_know_nothing_of_each_other() {
    let _warm = TestDatabase::new().await;
    let began = Instant::now();
    let tests: Vec<_> = (0..20)
        .map(|number: i64| {
            tokio::spawn(async move {
                let began = Instant::now();
                let database = TestDatabase::new().await;
                let took = began.elapsed();
                let mut conn = database.connect().await;
                conn.batch_execute("CREATE TABLE own (n bigint)").await.unwrap();
                conn.batch_execute(&format!("INSERT INTO own SELECT generate_series(1, {number})")).await.unwrap();
                assert_eq!(count(&mut conn, "own").await, number);
                (database.name().to_owned(), took)
            })
        })
        .collect();
    let mut names = HashSet::new();
    for test in tests {
        let (name, took) = test.await.unwrap();
        println!("{name}: {took:?}");
        names.insert(name);
    }
    println!("twenty databases made, used and dropped in {:?}", began.elapsed());
    assert_eq!(names.len(), 20);
    let admin = kernel::db::connect(&testkit::admin_url().await, &kernel::db::PoolSettings::default()).await;
    let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    assert_eq!(count(&mut admin.unwrap(), &format!("pg_database WHERE datname IN ({list})")).await, 0);
}

#[tokio::test]
async fn a_database_has_every_migration_and_a_pool() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let mut conn = pool.get().await.unwrap();
    let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations")).unwrap().count();
    let applied = count(&mut conn, "__diesel_schema_migrations").await;
    assert_eq!(applied, i64::try_from(migrations).unwrap());
}

#[tokio::test]
async fn an_empty_database_has_no_tables_of_ours() {
    let database = TestDatabase::empty().await;
    let mut conn = database.connect().await;
    let tables = "pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    assert_eq!(count(&mut conn, tables).await, 0);
}

#[tokio::test]
async fn a_database_is_dropped_although_its_connections_are_still_open() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    drop(database);
    assert!(conn.batch_execute("SELECT 1").await.is_err());
}
