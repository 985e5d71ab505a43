//! Paying at the gateway's own page.

use serde_json::json;

use crate::support::{app::TestApp, shop::text};

#[tokio::test]
async fn a_paid_order_is_confirmed_and_its_buyer_told() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    assert_eq!(app.history(&alice, &order).await, ["placed", "payment_started", "payment_captured", "confirmed"]);
    assert_eq!(app.available(&shirt).await, 1);
    let payments = app.get(&alice, &format!("/orders/{order}/payments")).await.ok(200);
    assert_eq!((payments["data"][0]["state"].as_str(), payments["data"][0].get("pay_url")), (Some("captured"), None));
    let path = format!("/orders/{order}/payments");
    app.command(&alice, &path, "again", json!({ "gateway": "mock" })).await.problem(409, "nothing_due");
    app.run_jobs().await;
    assert_eq!(app.outbox.templates_to(&alice.address()), ["order_confirmed", "order_placed"]);
    app.finish().await;
}

#[tokio::test]
async fn a_declined_payment_can_be_tried_again() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let declined = app.start_payment(&alice, &order).await;
    app.press(&declined, "decline").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "pending unpaid 0 0 1000");
    let payments = app.get(&alice, &format!("/orders/{order}/payments")).await.ok(200);
    assert_eq!(payments["data"][0]["state"], "failed");
    app.pay(&alice, &order).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 1000 0 0");
    assert_eq!(
        app.history(&alice, &order).await,
        ["placed", "payment_started", "payment_failed", "payment_started", "payment_captured", "confirmed"]
    );
    app.finish().await;
}

#[tokio::test]
async fn asking_twice_opens_one_payment() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let (path, body) = (format!("/orders/{order}/payments"), json!({ "gateway": "mock" }));
    app.post(&alice, &path, body.clone()).await.problem(400, "idempotency_key_required");
    // Nobody pays for somebody else, staff neither.
    app.command(&olga, &path, "key", body.clone()).await.problem(404, "not_found");
    let first = app.command(&alice, &path, "key", body.clone()).await;
    let replayed = app.command(&alice, &path, "key", body.clone()).await;
    assert_eq!((replayed.ok(201), &replayed.body), (first.ok(201), &first.body));
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    let other_key = app.command(&alice, &path, "another", body).await.ok(201);
    assert_eq!((&other_key["id"], &other_key["pay_url"]), (&first.json()["id"], &first.json()["pay_url"]));
    assert_eq!(app.number("SELECT count(*) FROM gateway.payments").await, 1);
    assert_eq!(app.history(&alice, &order).await, ["placed", "payment_started"]);
    app.finish().await;
}

#[tokio::test]
async fn what_is_paid_twice_goes_back_once() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let (first, second) = (app.start_payment(&alice, &order).await, app.other_payment(&order, 700).await);
    app.press(&first, "approve").await;
    app.press(&second, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 2700 700 0");
    let refunds = app.get(&alice, &format!("/orders/{order}/payments")).await.ok(200);
    let refunds = refunds["refunds"].as_array().unwrap();
    let total: i64 = refunds.iter().map(|refund| refund["amount"]["amount"].as_i64().unwrap()).sum();
    assert_eq!(total, 700, "{refunds:?}");
    assert!(refunds.iter().all(|refund| refund["state"] == "succeeded"), "{refunds:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_part_keeps_the_order_waiting_for_the_rest() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let part = app.other_payment(&order, 700).await;
    app.press(&part, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "pending partially_paid 700 0 1300");
    let rest = app.start_payment(&alice, &order).await;
    assert_eq!(rest["amount"]["amount"], 1_300);
    app.press(&rest, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 2000 2000 0");
    app.finish().await;
}

#[tokio::test]
async fn a_part_goes_back_when_the_order_expires() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let part = app.other_payment(&order, 700).await;
    app.press(&part, "approve").await;
    app.run_jobs().await;
    app.advance_minutes(31);
    assert_eq!(app.expire().await, 1);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "expired refunded 700 700 0");
    assert_eq!(app.available(&shirt).await, 2);
    app.finish().await;
}

#[tokio::test]
async fn money_for_a_cancelled_order_goes_back() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.start_payment(&alice, &order).await;
    app.cancel(&alice, &order).await.ok(200);
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 1000 1000 0");
    assert_eq!(app.available(&shirt).await, 2);
    let refunds = app.get(&alice, &format!("/orders/{order}/payments")).await.ok(200);
    assert_eq!(text(&refunds["refunds"][0], "state"), "succeeded");
    app.finish().await;
}
