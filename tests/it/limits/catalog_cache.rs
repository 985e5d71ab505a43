//! what strangers see of the catalog is kept for a moment while Redis is there.

use std::time::Duration;

use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use kernel::{Role, UserId};
use reqwest::Method;
use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    journeys::arrange::shelf,
    support::{
        app::{Person, TestApp},
        client::Client,
        processes::Site,
        redis::Redis,
        shop::text,
    },
};

impl TestApp {
    /// Behind the API's back, so that nobody is told.
    async fn rename_by_hand(&self, product: &str, name: &str) {
        diesel::sql_query(format!(
            "UPDATE catalog.products SET name = '{name}', updated_at = now() WHERE id = '{product}'"
        ))
        .execute(&mut self.database.connect().await)
        .await
        .unwrap();
    }

    async fn name_of(&self, who: Option<&Person>, product: &str) -> String {
        text(&self.send(who, Method::GET, &format!("/products/{product}"), &[], None).await.ok(200), "name")
    }

    /// Whether strangers are shown what was kept.
    async fn is_kept(&self, product: &str) -> bool {
        self.rename_by_hand(product, "Before").await;
        // What was kept from earlier is gone.
        sleep(Duration::from_millis(2_100)).await;
        let before = self.name_of(None, product).await;
        self.rename_by_hand(product, "After").await;
        assert_eq!(before, "Before");
        self.name_of(None, product).await == "Before"
    }
}

#[tokio::test]
async fn r_03_strangers_are_shown_what_was_kept_until_the_catalog_changes_or_redis_is_away() {
    let redis = Redis::start().await;
    let app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let product = app.variant().product().await;
    let (id, variant) = (text(&product, "id"), text(&product["variants"][0], "id"));
    let seller = app.default_shop().await.owner.clone();
    app.name_of(None, &id).await;
    sleep(Duration::from_millis(500)).await;

    assert!(app.is_kept(&id).await);
    // Who shows a token, or has seen it already, is shown what is.
    assert_eq!(app.name_of(Some(&seller), &id).await, "After");
    let path = format!("/products/{id}");
    let (first, kept) = (
        app.send(None, Method::GET, &path, &[("if-none-match", "\"0\"")], None).await,
        app.send(None, Method::GET, &path, &[], None).await,
    );
    assert_eq!((text(&first.ok(200), "name"), text(&kept.ok(200), "name")), ("After".into(), "Before".into()));
    // What is kept is the same answer, to the header.
    for name in ["content-type", "cache-control", "x-content-type-options"] {
        assert_eq!(first.header(name), kept.header(name), "{name}");
    }
    let tag = kept.header("etag").unwrap();
    assert_ne!(Some(tag), first.header("etag"));
    app.send(None, Method::GET, &path, &[("if-none-match", first.header("etag").unwrap())], None).await.ok(304);

    // A change over the API is seen by everybody at once: here, goods come in.
    let receive = format!("/variants/{variant}/stock/receive");
    app.command(&seller, &receive, &app.key(), json!({ "quantity": 5 })).await.ok(200);
    let shown = app.send(None, Method::GET, &path, &[], None).await.ok(200);
    assert_eq!((text(&shown, "name").as_str(), shown["available"].as_i64()), ("After", Some(15)));

    // Many at once are shown the same, and it is right two seconds after an order.
    let alice = app.customer("alice").await;
    app.place(&alice, &[(&variant, 4)]).await;
    let all = join_all((0..50).map(|_| app.send(None, Method::GET, &path, &[], None))).await;
    assert!(all.iter().all(|answer| answer.body == all[0].body));
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(app.send(None, Method::GET, &path, &[], None).await.ok(200)["available"], 11);

    redis.freeze();
    assert!(!app.is_kept(&id).await);
    redis.thaw();
    app.finish().await;
}

#[tokio::test]
async fn a_kept_product_that_is_what_it_was_is_not_read_again() {
    let redis = Redis::start().await;
    let app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let product = app.variant().product().await;
    let (id, variant) = (text(&product, "id"), text(&product["variants"][0], "id"));
    let over = Duration::from_millis(2_100);
    app.name_of(None, &id).await;
    sleep(Duration::from_millis(500)).await;
    let name = app.name_of(None, &id).await;

    // Nothing that could be seen has happened to it, so this is not found.
    diesel::sql_query(format!("UPDATE catalog.products SET name = 'Unseen' WHERE id = '{id}'"))
        .execute(&mut app.database.connect().await)
        .await
        .unwrap();
    sleep(over).await;
    assert_eq!(app.name_of(None, &id).await, name);
    sleep(over).await;
    assert_eq!(app.name_of(None, &id).await, name);

    let alice = app.customer("alice").await;
    app.place(&alice, &[(&variant, 1)]).await;
    sleep(over).await;
    assert_eq!(app.name_of(None, &id).await, "Unseen", "its stock has moved");
    app.finish().await;
}

#[tokio::test]
async fn a_product_that_is_wanted_is_confirmed_along_with_others() {
    let redis = Redis::start().await;
    let app = TestApp::with(&[("REDIS_URL", &redis.url())]).await;
    let [wanted, unwanted, other] =
        [app.variant().product().await, app.variant().product().await, app.variant().product().await];
    let [wanted_id, unwanted_id] = [&wanted, &unwanted].map(|product| text(product, "id"));
    app.name_of(None, &wanted_id).await;
    sleep(Duration::from_millis(500)).await;
    let names = [app.name_of(None, &wanted_id).await, app.name_of(None, &unwanted_id).await];
    app.name_of(None, &wanted_id).await;
    diesel::sql_query("UPDATE catalog.products SET name = 'Unseen'")
        .execute(&mut app.database.connect().await)
        .await
        .unwrap();
    // Their two seconds are over when the database is asked for another product, and then their stock moves.
    sleep(Duration::from_millis(2_100)).await;
    app.name_of(None, &text(&other, "id")).await;
    let alice = app.customer("alice").await;
    let variants = [&wanted, &unwanted].map(|product| text(&product["variants"][0], "id"));
    app.place(&alice, &[(&variants[0], 1), (&variants[1], 1)]).await;
    assert_eq!(app.name_of(None, &wanted_id).await, names[0], "it was asked for when the other one was");
    assert_eq!(app.name_of(None, &unwanted_id).await, "Unseen", "nobody had looked at it again");
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(app.name_of(None, &wanted_id).await, "Unseen", "no answer is older than two seconds");
    app.finish().await;
}

#[tokio::test]
async fn a_change_at_one_server_is_seen_at_once_at_the_other() {
    let redis = Redis::start().await;
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("REDIS_URL", &redis.url());
    let mut conn = database.connect().await;
    shelf(&mut conn, &[5]).await;
    let product: Id = diesel::sql_query("SELECT id FROM catalog.products").get_result(&mut conn).await.unwrap();
    let product = format!("/v1/products/{}", product.id);
    let servers = [site.serve_only().await, site.another().await];
    let mut clients = servers.each_ref().map(|server| Client::new(&[server.address()], 0));
    let authorization = format!("Bearer {}", site.keys().token_for(UserId::new(), Role::Admin).unwrap());
    for number in 0..20 {
        // What Redis has forgotten is not taken for what it was.
        if number == 10 {
            redis.flush().await;
        }
        let shown = clients[number % 2].send("GET", &product, &[], "").await.unwrap();
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("if-match", shown.header("etag").unwrap()),
        ];
        let name = format!("No {number}");
        let body = json!({ "slug": format!("number-{number}"), "name": name }).to_string();
        let made = clients[number % 2].send("POST", "/v1/categories", &headers[..2], &body).await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text());
        let body = json!({ "name": name }).to_string();
        let renamed = clients[(number + 1) % 2].send("PATCH", &product, &headers, &body).await.unwrap();
        assert_eq!(renamed.status, 200, "{}", renamed.text());
        for client in &mut clients {
            for _look in 0..3 {
                let seen = client.send("GET", "/v1/categories", &[], "").await.unwrap().json();
                assert_eq!(seen["data"].as_array().unwrap().len(), number + 1);
                let seen = client.send("GET", &product, &[], "").await.unwrap().json();
                assert_eq!(text(&seen, "name"), name);
                let seen = client.send("GET", "/v1/products", &[], "").await.unwrap().json();
                assert_eq!(text(&seen["data"][0], "name"), name);
            }
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: uuid::Uuid,
}
