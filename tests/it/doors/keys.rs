//! Programs come with keys: as their owner, in a role, for what they were made for, until revoked.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    app::{Person, TestApp},
    shop::text,
};

/// A key that administrator `by` makes; what was answered.
async fn make(app: &TestApp, by: &Person, owner: &Person, role: &str, scopes: &[&str]) -> Value {
    let body = json!({ "name": "Warehouse", "owner_id": owner.id.to_string(), "role": role, "scopes": scopes });
    app.post(by, "/api-keys", body).await.ok(201)
}

async fn call(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let (bearer, fresh) = (format!("Bearer {key}"), app.key());
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", fresh.as_str())];
    app.send(None, method, path, &headers, body.map(|body| body.to_string())).await
}

async fn see(app: &TestApp, key: &str, path: &str) -> Answer {
    call(app, key, Method::GET, path, None).await
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_hash() {
    let app = TestApp::new().await;
    let (ada, alice) = (app.admin().await, app.customer("alice").await);
    let made = make(&app, &ada, &alice, "customer", &["orders:read", "orders:read", "stock:write"]).await;
    let (key, about) = (text(&made, "key"), &made["api_key"]);
    let prefix = text(about, "prefix");
    assert!(key.starts_with(&prefix) && prefix.starts_with("oms_live_") && key.len() == prefix.len() + 44, "{prefix}");
    assert_eq!(about["scopes"], json!(["orders:read", "stock:write"]));
    assert_eq!((text(about, "owner_id"), text(about, "created_by")), (alice.id.to_string(), ada.id.to_string()));
    let listed = app.get(&ada, "/api-keys").await.ok(200);
    assert_eq!(listed["data"], json!([about]));
    let secret = key.rsplit_once('_').map_or(key.as_str(), |_| key.split_at(prefix.len() + 1).1).to_owned();
    assert!(!listed.to_string().contains(&secret));
    // No table has it: not the keys, not the trail, not a stored answer.
    for table in ["accounts.api_keys", "kernel.trail", "kernel.idempotency_keys", "jobs.jobs"] {
        assert_eq!(app.number(&format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{secret}%'")).await, 0);
    }
    assert_eq!(app.get(&ada, &format!("/api-keys?owner_id={}", ada.id)).await.ok(200)["data"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn a_key_does_what_it_is_good_for_as_its_owner_and_nothing_else() {
    let app = TestApp::new().await;
    let (ada, alice, mallory) = (app.admin().await, app.customer("alice").await, app.customer("mallory").await);
    let variant = app.variant().create().await;
    let (mine, others) = (app.place(&alice, &[(&variant, 1)]).await, app.place(&mallory, &[(&variant, 1)]).await);
    let key = text(&make(&app, &ada, &alice, "customer", &["orders:read"]).await, "key");

    assert_eq!(see(&app, &key, "/orders").await.ok(200)["data"][0]["id"], mine.as_str());
    see(&app, &key, &format!("/orders/{mine}")).await.ok(200);
    see(&app, &key, &format!("/orders/{others}")).await.problem(404, "not_found");
    let refused = call(&app, &key, Method::POST, "/orders", Some(json!({}))).await.problem(403, "insufficient_scope");
    assert!(text(&refused, "detail").contains("'orders:write'"), "{refused}");
    see(&app, &key, "/my/businesses").await.problem(403, "insufficient_scope");
    // Nothing about people is for keys, whatever they are good for.
    let scopes = ["orders:read", "orders:write", "catalog:read", "catalog:write", "stock:read", "stock:write"];
    let all = text(&make(&app, &ada, &alice, "customer", &scopes).await, "key");
    let members = format!("/businesses/{}/members", app.default_shop().await.id);
    for path in ["/me", "/api-keys", "/admin/users", "/admin/trail", members.as_str()] {
        let refused = see(&app, &all, path).await.problem(403, "insufficient_scope");
        assert!(text(&refused, "detail").contains("for people"), "{refused}");
    }
    see(&app, &all, "/admin/orders").await.problem(403, "forbidden");
    let lines = json!({ "currency": "USD", "lines": [{ "variant_id": variant, "quantity": 1 }] });
    let placed = call(&app, &all, Method::POST, "/orders?dry_run=true", Some(lines)).await;
    assert!(!matches!(placed.status, 401 | 403), "{}", placed.text());
    app.finish().await;
}

#[tokio::test]
async fn a_key_is_never_above_its_owner_and_never_an_administrator() {
    let app = TestApp::new().await;
    let (ada, olga, alice) = (app.admin().await, app.operator().await, app.customer("alice").await);
    let attempt = async |owner: Option<&Person>, role: &str| {
        let body = json!({ "name": "x", "owner_id": owner.map(|one| one.id.to_string()), "role": role,
            "scopes": ["orders:read"] });
        app.post(&ada, "/api-keys", body).await
    };
    attempt(Some(&alice), "operator").await.problem(409, "key_above_owner");
    attempt(None, "admin").await.problem(409, "key_above_owner");
    let key = text(&attempt(Some(&olga), "operator").await.ok(201), "key");
    see(&app, &key, "/admin/orders").await.ok(200);
    // The owner's role sinks, and the key's with it.
    let body = json!({ "role": "customer" }).to_string();
    app.send(Some(&ada), Method::PUT, &format!("/admin/users/{}/role", olga.id), &[], Some(body)).await.ok(200);
    see(&app, &key, "/admin/orders").await.problem(403, "forbidden");
    see(&app, &key, "/orders").await.ok(200);
    // The owner is disabled, and the key is out.
    app.post(&ada, &format!("/admin/users/{}/disable", olga.id), json!({})).await.ok(200);
    see(&app, &key, "/orders").await.problem(401, "unauthenticated");
    let nobody = json!({ "name": "x", "owner_id": uuid::Uuid::nil(), "scopes": ["orders:read"] });
    app.post(&ada, "/api-keys", nobody).await.problem(404, "not_found");
    for person in [&alice, &ada] {
        let scopes: [&str; 0] = [];
        let status = app.post(person, "/api-keys", json!({ "name": "x", "scopes": scopes })).await.status;
        assert_eq!(status, if person.name == "ada" { 400 } else { 403 });
    }
    app.finish().await;
}

#[tokio::test]
async fn who_is_no_administrator_any_more_makes_and_ends_no_key() {
    let app = TestApp::new().await;
    let (ada, alice) = (app.admin().await, app.customer("alice").await);
    let id = text(&make(&app, &ada, &alice, "customer", &["orders:read"]).await["api_key"], "id");
    // In another process, a moment ago: her access token still says otherwise here.
    let lowered = "UPDATE accounts.users SET role = 'customer' WHERE username = 'ada'";
    diesel_async::SimpleAsyncConnection::batch_execute(&mut app.database.connect().await, lowered).await.unwrap();
    let body = json!({ "name": "x", "owner_id": alice.id.to_string(), "scopes": ["orders:read"] });
    app.post(&ada, "/api-keys", body).await.problem(401, "unauthenticated");
    app.send(Some(&ada), Method::DELETE, &format!("/api-keys/{id}"), &[], None).await.problem(401, "unauthenticated");
    assert_eq!(app.number("SELECT count(*) FROM accounts.api_keys WHERE revoked_at IS NULL").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_key_ends_when_it_is_revoked_and_when_its_time_is_over() {
    let app = TestApp::new().await;
    let (ada, alice) = (app.admin().await, app.customer("alice").await);
    let made = make(&app, &ada, &alice, "customer", &["orders:read"]).await;
    let (key, id) = (text(&made, "key"), text(&made["api_key"], "id"));
    see(&app, &key, "/orders").await.ok(200);
    for _ in 0..2 {
        app.send(Some(&ada), Method::DELETE, &format!("/api-keys/{id}"), &[], None).await.ok(204);
        see(&app, &key, "/orders").await.problem(401, "unauthenticated");
    }
    let nothing = format!("/api-keys/{}", uuid::Uuid::nil());
    app.send(Some(&ada), Method::DELETE, &nothing, &[], None).await.problem(404, "not_found");

    let ends = app.now() + TimeDelta::minutes(5);
    let body =
        |ends: chrono::DateTime<chrono::Utc>| json!({ "name": "Short", "scopes": ["orders:read"], "expires_at": ends });
    let short = text(&app.post(&ada, "/api-keys", body(ends)).await.ok(201), "key");
    see(&app, &short, "/orders").await.ok(200);
    app.advance_minutes(6);
    see(&app, &short, "/orders").await.problem(401, "unauthenticated");
    app.post(&ada, "/api-keys", body(ends)).await.problem(409, "key_ends_in_the_past");
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_quite_a_key_does_not_hold() {
    let app = TestApp::new().await;
    let (ada, alice) = (app.admin().await, app.customer("alice").await);
    let made = make(&app, &ada, &alice, "customer", &["orders:read"]).await;
    let (key, prefix) = (text(&made, "key"), text(&made["api_key"], "prefix"));
    let other = text(&make(&app, &ada, &alice, "customer", &["orders:read"]).await, "key");
    let secret = &key[prefix.len() + 1..];
    let wrong = [
        prefix.clone(),
        format!("{prefix}_"),
        format!("{prefix}-{secret}"),
        format!("{prefix}_{secret}A"),
        format!("{prefix}_{}", &secret[1..]),
        format!("{prefix}_{}", "A".repeat(43)),
        format!("{prefix}_{}", &other[prefix.len() + 1..]),
        format!("oms_live_000000000000_{secret}"),
        format!("oms_test_{}", &key[9..]),
        key.to_uppercase(),
        format!("oms_live_äöü{}", &key[12..]),
    ];
    for wrong in wrong.iter().filter(|wrong| wrong.is_ascii()) {
        see(&app, wrong, "/orders").await.problem(401, "unauthenticated");
    }
    see(&app, &key, "/orders").await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn that_a_key_is_used_is_written_down_once_a_minute_at_most() {
    let app = TestApp::new().await;
    let (ada, alice) = (app.admin().await, app.customer("alice").await);
    let key = text(&make(&app, &ada, &alice, "customer", &["orders:read"]).await, "key");
    let used = async || app.get(&ada, "/api-keys").await.ok(200)["data"][0].get("last_used_at").cloned();
    app.wiring.doors.write_down_use().await;
    assert_eq!(used().await, None);
    for _ in 0..5 {
        see(&app, &key, "/orders").await.ok(200);
    }
    app.wiring.doors.write_down_use().await;
    let first = used().await;
    assert!(first.is_some());
    app.clock.advance(TimeDelta::seconds(30));
    see(&app, &key, "/orders").await.ok(200);
    app.wiring.doors.write_down_use().await;
    assert_eq!(used().await, first, "within the minute nothing is written");
    app.clock.advance(TimeDelta::seconds(31));
    see(&app, &key, "/orders").await.ok(200);
    app.wiring.doors.write_down_use().await;
    assert_ne!(used().await, first);
    app.finish().await;
}
