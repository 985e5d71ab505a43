//! What staff do is written down where nobody can rewrite it.

use diesel_async::SimpleAsyncConnection;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::{Person, TestApp},
    shop::text,
};

async fn entries(app: &TestApp, ada: &Person, query: &str) -> Vec<Value> {
    app.get(ada, &format!("/admin/trail{query}")).await.ok(200)["data"].as_array().unwrap().clone()
}

fn actions(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| text(entry, "action")).collect()
}

#[tokio::test]
async fn s_11_what_staff_do_leaves_a_trail() {
    let app = TestApp::new().await;
    let (ada, olga, alice) = (app.admin().await, app.operator().await, app.customer("alice").await);
    let shop = app.seller("sam").await;
    let product = app.variant().of(&shop).product().await;
    let (id, variant) = (text(&product, "id"), text(&product["variants"][0], "id"));
    let order = app.place(&alice, &[(&variant, 1)]).await;
    assert_eq!(entries(&app, &ada, "").await, Vec::<Value>::new(), "what people do with their own is their affair");

    let put = async |by: &Person, path: String, body: Value| {
        app.send(Some(by), Method::PUT, &path, &[], Some(body.to_string())).await
    };
    put(&ada, format!("/admin/users/{}/role", alice.id), json!({ "role": "operator" })).await.ok(200);
    app.post(&ada, &format!("/admin/users/{}/disable", alice.id), json!({ "reason": "A test" })).await.ok(200);
    app.send(Some(&ada), Method::POST, &format!("/admin/users/{}/enable", alice.id), &[], None).await.ok(200);
    let made = app.post(&ada, "/api-keys", json!({ "name": "x", "scopes": ["stock:write"] })).await.ok(201);
    let key_id = text(&made["api_key"], "id");
    let changed = app.get(&olga, &format!("/products/{id}")).await;
    let tag = changed.header("etag").unwrap().to_owned();
    let patch = json!({ "name": "Another name" }).to_string();
    app.send(Some(&olga), Method::PATCH, &format!("/products/{id}"), &[("if-match", &tag)], Some(patch)).await.ok(200);
    app.command(&olga, &format!("/variants/{variant}/stock/receive"), &app.key(), json!({ "quantity": 2 }))
        .await
        .ok(200);
    app.count(&olga, &variant, 20).await.ok(200);
    app.command(&olga, "/admin/exports", &app.key(), json!({ "what": "orders" })).await.ok(202);
    put(&olga, format!("/orders/{order}/tags"), json!({ "tags": ["gift"] })).await.ok(200);
    app.post(&olga, "/categories", json!({ "slug": "tea", "name": "Tea" })).await.ok(201);
    app.send(Some(&ada), Method::DELETE, &format!("/api-keys/{key_id}"), &[], None).await.ok(204);

    let all = entries(&app, &ada, "?limit=100").await;
    let mut told = actions(&all);
    told.reverse();
    let expected = [
        "user.role_changed",
        "user.disabled",
        "user.enabled",
        "api_key.created",
        "product.changed",
        "stock.received",
        "stock.counted",
        "export.requested",
        "order.tagged",
        "category.created",
        "api_key.revoked",
    ];
    assert_eq!(told, expected);
    for entry in &all {
        assert!(entry["request_id"].is_string() && entry["at"].is_string(), "{entry}");
    }
    let by_olga = entries(&app, &ada, &format!("?actor_id={}", olga.id)).await;
    assert_eq!(by_olga.len(), 6);
    assert!(by_olga.iter().all(|entry| entry["actor_role"] == "operator"));
    let about_alice = entries(&app, &ada, &format!("?subject_id={}", alice.id)).await;
    assert_eq!(actions(&about_alice), ["user.enabled", "user.disabled", "user.role_changed"]);
    assert_eq!(about_alice[1]["changes"], json!({ "reason": "A test" }));
    assert_eq!(about_alice[2]["changes"], json!({ "from": "customer", "to": "operator" }));
    let counted = entries(&app, &ada, "?action=stock.counted").await;
    assert_eq!(counted[0]["changes"], json!({ "on_hand": 20, "difference": 8 }));
    assert_eq!((text(&counted[0], "subject_kind"), text(&counted[0], "subject_id")), ("variant".to_owned(), variant));
    // Page by page it is the same.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&ada, &format!("/admin/trail?limit=4{cursor}")).await.ok(200);
        paged.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);
    assert!(entries(&app, &ada, "?since=2099-01-01T00:00:00Z").await.is_empty());
    assert_eq!(entries(&app, &ada, "?until=2099-01-01T00:00:00Z&limit=100").await.len(), all.len());
    println!("S-11: {} kinds of action in the trail", expected.len());
    app.finish().await;
}

#[tokio::test]
async fn s_11_a_refused_action_leaves_no_trail_and_a_keys_action_names_the_key() {
    let app = TestApp::new().await;
    let (ada, olga) = (app.admin().await, app.operator().await);
    let variant = app.variant().stock(0).create().await;
    let made = app.post(
        &ada,
        "/api-keys",
        json!({ "name": "x", "owner_id": olga.id.to_string(), "role": "operator",
        "scopes": ["stock:write"] }),
    );
    let made = made.await.ok(201);
    let bearer = format!("Bearer {}", text(&made, "key"));
    let receive = async |quantity: i64, key: &str| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        let (path, body) = (format!("/variants/{variant}/stock/receive"), json!({ "quantity": quantity }).to_string());
        app.send(None, Method::POST, &path, &headers, Some(body)).await
    };
    let key = app.key();
    receive(5, &key).await.ok(200);
    receive(5, &key).await.ok(200);
    assert_eq!(receive(1_000_000_000, &app.key()).await.status / 100, 4);
    app.post(&ada, &format!("/admin/users/{}/disable", ada.id), json!({})).await.problem(409, "own_account");
    let told = entries(&app, &ada, "").await;
    assert_eq!(actions(&told), ["stock.received", "api_key.created"], "once, although it was sent twice");
    assert_eq!(told[0]["actor_id"], olga.id.to_string());
    assert_eq!(told[0]["api_key_id"], made["api_key"]["id"]);
    app.finish().await;
}

#[tokio::test]
async fn s_11_nobody_can_rewrite_the_trail() {
    let app = TestApp::new().await;
    let (ada, alice) = (app.admin().await, app.customer("alice").await);
    app.post(&ada, &format!("/admin/users/{}/disable", alice.id), json!({})).await.ok(200);
    let before = entries(&app, &ada, "").await;
    assert_eq!(before.len(), 1);
    let mut conn = app.database.connect().await;
    for statement in [
        "UPDATE kernel.trail SET action = 'user.enabled'",
        "UPDATE kernel.trail SET at = now()",
        "DELETE FROM kernel.trail",
        "TRUNCATE kernel.trail",
        "TRUNCATE kernel.trail CASCADE",
        "INSERT INTO kernel.trail SELECT * FROM kernel.trail ON CONFLICT (id) DO UPDATE SET action = 'user.enabled'",
    ] {
        let refused = conn.batch_execute(statement).await.unwrap_err().to_string();
        assert!(refused.contains("kernel.trail is append-only"), "{statement}: {refused}");
    }
    drop(conn);
    assert_eq!(entries(&app, &ada, "").await, before);
    app.finish().await;
}
