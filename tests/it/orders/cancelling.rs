//! Calling off: stock and money go back, once.

use serde_json::json;

use crate::support::app::TestApp;

#[tokio::test]
async fn a_pending_order_gives_its_stock_back() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.cancel(&alice, &order).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "cancelled unpaid 0 0 0");
    assert_eq!(app.available(&shirt).await, 3);
    assert_eq!(app.history(&alice, &order).await, ["placed", "cancelled"]);
    app.cancel(&alice, &order).await.problem(409, "invalid_transition");
    app.run_jobs().await;
    assert_eq!(app.outbox.templates_to(&alice.address()), ["order_cancelled", "order_placed"]);
    app.finish().await;
}

#[tokio::test]
async fn a_paid_order_gives_its_money_back_too() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    app.cancel(&olga, &order).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "cancelled overpaid 2000 0 -2000");
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 2000 2000 0");
    assert_eq!(app.available(&shirt).await, 3);
    let history = app.history(&alice, &order).await;
    assert_eq!(history[4..], ["cancelled", "refund_requested", "refunded"]);
    assert_eq!(
        app.outbox.templates_to(&alice.address()),
        ["order_cancelled", "order_confirmed", "order_placed", "order_refunded"]
    );
    // Who did it is for staff to know.
    let path = format!("/orders/{order}/events?limit=100");
    let (hers, theirs) = (app.get(&alice, &path).await.ok(200), app.get(&olga, &path).await.ok(200));
    assert_eq!((hers["data"][4]["actor_kind"].as_str(), hers["data"][4].get("actor_id")), (Some("operator"), None));
    assert_eq!(theirs["data"][4]["actor_id"], json!(olga.id.to_string()));
    app.finish().await;
}

#[tokio::test]
async fn a_cancellation_is_repeated_byte_for_byte() {
    let app = TestApp::new().await;
    let (alice, mallory) = (app.customer("alice").await, app.customer("mallory").await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let (path, body) = (format!("/orders/{order}/cancel"), json!({ "reason": "Changed my mind" }));

    let before = app.everything().await;
    app.post(&alice, &path, body.clone()).await.problem(400, "idempotency_key_required");
    app.command(&mallory, &path, "key", body.clone()).await.problem(404, "not_found");
    app.command(&alice, &path, "key", json!({})).await.problem(400, "invalid_request");
    assert_eq!(app.everything().await, before);

    let first = app.command(&alice, &path, "key", body.clone()).await;
    first.ok(200);
    let again = app.command(&alice, &path, "key", body).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    app.command(&alice, &path, "key", json!({ "reason": "Another" })).await.problem(422, "idempotency_key_reused");
    assert_eq!(app.history(&alice, &order).await, ["placed", "cancelled"]);
    app.finish().await;
}
