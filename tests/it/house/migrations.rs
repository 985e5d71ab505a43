//! The schema goes up, down, and up again, and is the same every time.

use std::{collections::BTreeMap, process::Command};

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use oms::migrations;
use testkit::TestDatabase;

/// What `pg_dump` says the schema is, without its own version, its random fence and the ledger of migrations.
fn dump(url: &str) -> String {
    let programs = devdb::find_binaries(None).unwrap();
    let output = Command::new(programs.directory().join("pg_dump"))
        .args(["--schema-only", "--no-owner", "--no-comments", "--dbname", url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("--") && !line.starts_with('\\') && !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn r_13_migrations_go_up_down_and_up() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let names = migrations::apply(url).await.unwrap();
    assert!(names.len() >= 7, "{names:?}");
    assert_eq!(migrations::apply(url).await.unwrap(), Vec::<String>::new(), "nothing is left to do");
    let first = dump(url);
    assert!(first.contains("CREATE TABLE orders.orders"));

    for _ in &names {
        assert!(migrations::revert(url).await.unwrap().is_some());
    }
    assert_eq!(migrations::revert(url).await.unwrap(), None);
    let empty = dump(url);
    assert!(!empty.replace("__diesel_schema_migrations", "").contains("CREATE SCHEMA"), "left behind: {empty}");
    let others: Vec<_> =
        empty.lines().filter(|line| line.starts_with("CREATE ") && !line.contains("__diesel")).collect();
    assert!(others.is_empty(), "left behind: {others:?}");

    migrations::apply(url).await.unwrap();
    assert_eq!(dump(url), first);
    let state = migrations::status(url).await.unwrap();
    assert_eq!((state.refusal(), state.pending, state.unknown), (None, vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_goes_back_to_where_the_one_before_ended() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let count = migrations::apply(url).await.unwrap().len();
    // The schema below each migration, on the way down and again on the way up.
    let mut below = BTreeMap::from([(count, dump(url))]);
    for applied in (1..count).rev() {
        migrations::revert(url).await.unwrap();
        below.insert(applied, dump(url));
    }
    migrations::apply(url).await.unwrap();
    assert_eq!(dump(url), below[&count]);
    for applied in (1..count).rev() {
        migrations::revert(url).await.unwrap();
        assert_eq!(dump(url), below[&applied], "after {applied} migrations");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_13_three_migrators_at_once_do_it_once() {
    let database = TestDatabase::empty().await;
    let migrators = [(); 3].map(|()| {
        let url = database.url().to_owned();
        tokio::spawn(async move { migrations::apply(&url).await })
    });
    let mut applied = Vec::new();
    for migrator in migrators {
        applied.push(migrator.await.unwrap().unwrap().len());
    }
    applied.sort_unstable();
    assert!(applied[..2] == [0, 0] && applied[2] > 0, "{applied:?}");
    println!("R-13: of three migrators at once one applied {} migrations and two had nothing to do", applied[2]);
}

/// A database as it was before the migration with this name, and the names of that one and all after it.
async fn before(name: &str) -> (TestDatabase, Vec<String>) {
    let database = TestDatabase::empty().await;
    let mut names = migrations::apply(database.url()).await.unwrap();
    let missing = names.split_off(names.iter().position(|other| other.ends_with(name)).unwrap());
    for _ in &missing {
        migrations::revert(database.url()).await.unwrap();
    }
    (database, missing)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_stock_before_offers_were_kept_gets_its_offer() {
    const VARIANTS: i64 = 2_500;
    let (database, missing) = before("catalog_offers").await;
    let url = database.url();
    let mut conn = database.connect().await;
    conn.batch_execute(&format!(
        "INSERT INTO catalog.businesses (id, name, city, country, created_at, updated_at) \
             VALUES (gen_random_uuid(), 'Shop', 'Hanoi', 'VN', now(), now()); \
         INSERT INTO catalog.products (id, business_id, name, currency, from_price_minor, created_at, updated_at) \
             SELECT gen_random_uuid(), id, 'Tea', 'USD', 100, now(), now() FROM catalog.businesses; \
         INSERT INTO catalog.variants (id, product_id, business_id, sku, name, price_minor, position, created_at, updated_at) \
             SELECT gen_random_uuid(), p.id, business_id, 'TEA-' || n, 'no. ' || n, n, n, now(), now() \
             FROM catalog.products p, generate_series(1, {VARIANTS}) n; \
         INSERT INTO catalog.stock (variant_id) SELECT id FROM catalog.variants"
    ))
    .await
    .unwrap();
    assert_eq!(migrations::apply(url).await.unwrap(), missing);
    let found: i64 = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "(SELECT count(*) FROM catalog.stock s JOIN catalog.variants v ON v.id = s.variant_id \
          WHERE s.sku = v.sku AND s.name = 'Tea, ' || v.name AND s.unit_price_minor = v.price_minor AND s.sellable)",
    ))
    .get_result(&mut conn)
    .await
    .unwrap();
    assert_eq!(found, VARIANTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_cannot_be_finished_is_built_when_it_is_run_again() {
    let (database, missing) = before("orders_seasons").await;
    let url = database.url();
    let indexes = async |validity: &str| {
        let sql = format!(
            "(SELECT count(*) FROM pg_index WHERE {validity} AND indexrelid = to_regclass('orders.orders_seasons'))"
        );
        let number = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(&sql));
        number.get_result::<i64>(&mut database.connect().await).await.unwrap()
    };
    // Somebody's transaction takes longer than the migration waits; others go on meanwhile.
    let mut slow = database.connect().await;
    slow.batch_execute("BEGIN; LOCK TABLE orders.orders IN ROW EXCLUSIVE MODE").await.unwrap();
    let migrator = {
        let url = url.to_owned();
        tokio::spawn(async move { migrations::apply(&url).await })
    };
    let mut other = database.connect().await;
    while !migrator.is_finished() {
        other.batch_execute("SET lock_timeout = '1s'; UPDATE orders.orders SET note = note").await.unwrap();
    }
    migrator.await.unwrap().unwrap_err();
    assert_eq!(indexes("NOT indisvalid").await, 1);
    slow.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(migrations::apply(url).await.unwrap(), missing);
    assert_eq!(indexes("indisvalid").await, 1);
    // It was finished, but that was not written down any more.
    for _ in &missing[1..] {
        migrations::revert(url).await.unwrap();
    }
    slow.batch_execute(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    )
    .await
    .unwrap();
    assert_eq!(migrations::apply(url).await.unwrap(), missing);
}
