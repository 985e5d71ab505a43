//! Placing: all lines or none, and the price that was seen.

use serde_json::json;

use crate::support::{app::TestApp, order::order_of, shop::text};

#[tokio::test]
async fn an_order_promises_its_stock_and_says_where_it_is() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let (shirt, sock) =
        (app.variant().price(1_250).stock(3).create().await, app.variant().price(99).stock(40).create().await);
    let answer = app.try_place(&alice, &[(&shirt, 2), (&sock, 10)]).await;
    let order = answer.ok(201);
    assert_eq!(answer.header("location"), Some(format!("/v1/orders/{}", text(&order, "id")).as_str()));
    assert_eq!(order["total"], json!({ "amount": 3_490, "currency": "USD" }));
    assert_eq!(
        (order["lines"][0]["total"]["amount"].as_i64(), order["lines"][1]["position"].as_i64()),
        (Some(2_500), Some(2))
    );
    assert_eq!(app.standing(&alice, &text(&order, "id")).await, "pending unpaid 0 0 3490");
    assert_eq!(app.order(&alice, &text(&order, "id")).await, order, "reads as it was answered");
    assert_eq!((app.available(&shirt).await, app.available(&sock).await), (1, 30));
    app.finish().await;
}

#[tokio::test]
async fn a_refused_order_leaves_no_trace_and_names_every_line() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let (shirt, lamp) = (app.variant().stock(3).create().await, app.variant().stock(1).create().await);
    let dong = app.variant().currency("VND").create().await;
    let gone = uuid::Uuid::nil().to_string();
    let before = app.everything().await;

    let problem = app.try_place(&alice, &[(&shirt, 4), (&lamp, 2)]).await.problem(409, "out_of_stock");
    assert_eq!(
        problem["errors"],
        json!([
            { "field": "lines/0/quantity", "message": "4 wanted, 3 available" },
            { "field": "lines/1/quantity", "message": "2 wanted, 1 available" },
        ])
    );
    let problem = app.try_place(&alice, &[(&shirt, 1), (&gone, 1)]).await.problem(409, "not_for_sale");
    assert_eq!(problem["errors"][0]["field"], "lines/1/variant_id");
    app.try_place(&alice, &[(&shirt, 1), (&dong, 1)]).await.problem(409, "mixed_currencies");

    let mut order = order_of(&[(&shirt, 1)]);
    order["expected_total"] = json!({ "amount": 999, "currency": "USD" });
    let problem = app.command(&alice, "/orders", "once", order.clone()).await.problem(409, "total_changed");
    assert_eq!(problem["errors"][0]["field"], "expected_total");
    order["expected_total"]["currency"] = json!("EUR");
    app.command(&alice, "/orders", "once", order.clone()).await.problem(409, "total_changed");
    app.post(&alice, "/orders", order_of(&[(&shirt, 1)])).await.problem(400, "idempotency_key_missing");
    assert_eq!(app.everything().await, before);

    // A refusal is not remembered: the same key may try again with what the shop says now.
    order["expected_total"] = json!({ "amount": 1_000, "currency": "USD" });
    app.command(&alice, "/orders", "once", order).await.ok(201);
    app.finish().await;
}

#[tokio::test]
async fn quantities_of_one_variant_are_added_up() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let (shirt, paper) = (app.variant().stock(5).create().await, app.variant().price(1).stock(20_000).create().await);
    let order = app.try_place(&alice, &[(&shirt, 2), (&paper, 1), (&shirt, 3)]).await.ok(201);
    let lines = order["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{order}");
    assert_eq!((lines[0]["quantity"].as_i64(), lines[1]["quantity"].as_i64()), (Some(5), Some(1)));
    assert_eq!(app.available(&shirt).await, 0);

    app.try_place(&alice, &[(&paper, 10_001)]).await.problem(400, "invalid_request");
    let problem = app.try_place(&alice, &[(&paper, 10_000), (&paper, 1)]).await.problem(409, "too_many_units");
    assert_eq!(problem["errors"][0]["field"], "lines/1/quantity");
    app.try_place(&alice, &[(&paper, 5_000), (&paper, 5_000)]).await.ok(201);
    app.finish().await;
}

#[tokio::test]
async fn at_most_a_hundred_lines() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(1_000).create().await;
    let lines = |count| vec![(shirt.as_str(), 1); count];
    app.try_place(&alice, &lines(0)).await.problem(400, "invalid_request");
    app.try_place(&alice, &lines(101)).await.problem(400, "invalid_request");
    app.try_place(&alice, &lines(100)).await.ok(201);
    app.finish().await;
}

#[tokio::test]
async fn what_costs_nothing_is_confirmed_at_once() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let sample = app.variant().price(0).create().await;
    let order = app.place(&alice, &[(&sample, 2)]).await;
    assert_eq!(app.order(&alice, &order).await.get("expires_at"), None);
    assert!(app.standing(&alice, &order).await.starts_with("confirmed "));
    assert_eq!(app.history(&alice, &order).await, ["placed", "confirmed"]);
    let path = format!("/orders/{order}/payments");
    app.command(&alice, &path, "pay", json!({ "gateway": "mock" })).await.problem(409, "nothing_due");
    app.run_jobs().await;
    assert_eq!(app.outbox.templates_to(&alice.address()), ["order_confirmed"]);
    app.finish().await;
}

#[tokio::test]
async fn a_repeated_request_is_answered_byte_for_byte() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.customer("alice").await, app.customer("bob").await);
    let shirt = app.variant().stock(5).create().await;
    let body = order_of(&[(&shirt, 1)]);
    let first = app.command(&alice, "/orders", "same", body.clone()).await;
    first.ok(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = app.command(&alice, "/orders", "same", body.clone()).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("location"), first.header("location"));
    app.command(&alice, "/orders", "same", order_of(&[(&shirt, 2)])).await.problem(422, "idempotency_key_reused");
    // Somebody else's key of the same name is another key.
    app.command(&bob, "/orders", "same", body).await.ok(201);
    assert_eq!(app.available(&shirt).await, 3);
    app.finish().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let before = app.everything().await;
    let order = app.post(&alice, "/orders?dry_run=true", order_of(&[(&shirt, 2)])).await.ok(200);
    assert_eq!((order["status"].as_str(), order["total"]["amount"].as_i64()), (Some("pending"), Some(2_000)));
    app.post(&alice, "/orders?dry_run=true", order_of(&[(&shirt, 3)])).await.problem(409, "out_of_stock");
    app.command(&alice, "/orders?dry_run=true", "key", order_of(&[(&shirt, 1)])).await.ok(200);
    assert_eq!(app.everything().await, before);

    // The key of a dry run is not used up.
    let placed = app.command(&alice, "/orders", "key", order_of(&[(&shirt, 2)])).await.ok(201);
    let before = app.everything().await;
    let path = format!("/orders/{}/cancel?dry_run=true", text(&placed, "id"));
    let cancelled = app.post(&alice, &path, json!({ "reason": "No reason" })).await.ok(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(app.everything().await, before);
    app.finish().await;
}
