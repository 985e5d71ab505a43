//! A program and a schema that do not fit (guarantee R-14): it says so in one line and ends; one that fits well enough runs on.

use diesel_async::SimpleAsyncConnection;
use oms::migrations;
use serde_json::json;
use testkit::TestDatabase;

use super::arrange::{assert_sound, buyers, order, shelf};
use crate::support::{client::Client, processes::Site};

/// What `oms serve`, `oms worker` and `oms gateway` say to a schema that they do not fit; nobody starts.
async fn refusals(site: &Site) -> Vec<String> {
    let mut said = Vec::new();
    for arguments in [&["serve"][..], &["serve", "--no-worker"], &["worker"]] {
        let (code, text) = site.run(arguments, &[], "").await;
        assert_eq!(code, Some(1), "{arguments:?}: {text}");
        assert_eq!(text.trim().lines().count(), 1, "{arguments:?}: {text}");
        said.push(text);
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn r_14_a_schema_that_is_too_old_is_refused_in_one_line() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    migrations::revert(database.url()).await.unwrap().unwrap();
    let undone = migrations::status(database.url()).await.unwrap().pending.remove(0);
    for said in refusals(&site).await {
        assert!(said.contains(&undone) && said.contains("run `oms migrate`"), "{said}");
    }
    let (code, said) = site.run(&["migrate"], &[], "").await;
    assert_eq!(code, Some(0), "{said}");
    let _server = site.serve_only().await;
}

#[tokio::test]
async fn r_14_a_schema_whose_floor_is_above_us_is_refused_in_one_line() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let floor = "UPDATE kernel.compatibility SET floor = '29990101000000'";
    database.connect().await.batch_execute(floor).await.unwrap();
    for said in refusals(&site).await {
        assert!(said.contains("29990101000000") && said.contains("run a newer version"), "{said}");
    }
}

#[tokio::test]
async fn r_14_an_older_replica_survives_an_expanding_migration() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let shelf = shelf(&mut conn, &[100]).await;
    let buyers = buyers(&site, &mut conn, 1).await;
    let server = site.serve_only().await;
    let mut client = Client::new(&[server.address()], 0);
    let body = order(&[(shelf[0], 1)]);
    let placed = buyers[0].post(&mut client, "/v1/orders", "before", &body).await.unwrap();
    assert_eq!(placed.status, 201, "{}", placed.text());
    // What a newer version brings: columns with a default, a table, an index, and its name among the migrations.
    conn.batch_execute(
        "ALTER TABLE orders.orders ADD COLUMN gift boolean NOT NULL DEFAULT false; \
         ALTER TABLE orders.lines ADD COLUMN engraving text; \
         ALTER TABLE catalog.stock ADD COLUMN shelf text NOT NULL DEFAULT 'A'; \
         CREATE TABLE orders.gifts (id uuid PRIMARY KEY); \
         CREATE INDEX orders_gift ON orders.orders (gift); \
         INSERT INTO public.__diesel_schema_migrations (version) VALUES ('29990101000000')",
    )
    .await
    .unwrap();
    for key in ["after-1", "after-2"] {
        let placed = buyers[0].post(&mut client, "/v1/orders", key, &body).await.unwrap();
        assert_eq!(placed.status, 201, "{}", placed.text());
    }
    let ready = client.send("GET", "/readyz", &[], "").await.unwrap();
    assert_eq!(ready.status, 200, "{}", ready.text());
    // And another one of the same age still starts beside it.
    let another = site.another().await;
    let mut client = Client::new(&[another.address()], 0);
    let placed = buyers[0].post(&mut client, "/v1/orders", "elsewhere", &body).await.unwrap();
    assert_eq!(placed.status, 201, "{}", placed.text());
    assert_eq!(placed.json()["status"], json!("pending"));
    println!("R-14: 1 order before an expanding migration, 2 after it, 1 at a replica that started after it");
    assert_sound(&database, &[]).await;
}
