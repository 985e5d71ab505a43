//! Time runs out: stock goes back, and late money finds the order again or goes back as well.

use serde_json::json;

use crate::support::app::TestApp;

#[tokio::test]
async fn an_unpaid_order_expires_and_gives_its_stock_back() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.advance_minutes(29);
    assert_eq!(app.expire().await, 0);
    app.advance_minutes(2);
    let path = format!("/orders/{order}/payments");
    app.command(&alice, &path, "late", json!({ "gateway": "mock" })).await.problem(409, "not_payable");
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.expire().await, 0);
    assert_eq!(app.standing(&alice, &order).await, "expired unpaid 0 0 0");
    assert_eq!(app.available(&shirt).await, 3);
    assert_eq!(app.history(&alice, &order).await, ["placed", "expired"]);
    app.command(&alice, &path, "late", json!({ "gateway": "mock" })).await.problem(409, "not_payable");
    app.cancel(&alice, &order).await.problem(409, "invalid_transition");
    app.run_jobs().await;
    assert_eq!(app.outbox.templates_to(&alice.address()), ["order_expired", "order_placed"]);
    app.finish().await;
}

#[tokio::test]
async fn a_paid_order_does_not_expire() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.pay(&alice, &order).await;
    app.advance_minutes(60);
    assert_eq!(app.expire().await, 0);
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 1000 0 0");
    app.finish().await;
}

#[tokio::test]
async fn late_money_revives_an_order_whose_stock_is_still_there() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.advance_minutes(20);
    let payment = app.start_payment(&alice, &order).await;
    app.advance_minutes(11);
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.available(&shirt).await, 2);
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    assert_eq!(app.available(&shirt).await, 0);
    let history = app.history(&alice, &order).await;
    assert_eq!(history, ["placed", "payment_started", "expired", "payment_captured", "revived"]);
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 2000 2000 0");
    assert_eq!(app.available(&shirt).await, 2);
    app.finish().await;
}

#[tokio::test]
async fn late_money_goes_back_when_the_stock_is_gone() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.customer("alice").await, app.customer("bob").await);
    let (shirt, sock) = (app.variant().stock(2).create().await, app.variant().stock(9).create().await);
    let order = app.place(&alice, &[(&shirt, 2), (&sock, 1)]).await;
    app.advance_minutes(20);
    let payment = app.start_payment(&alice, &order).await;
    app.advance_minutes(11);
    assert_eq!(app.expire().await, 1);
    app.place(&bob, &[(&shirt, 1)]).await;
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "expired refunded 3000 3000 0");
    assert_eq!((app.available(&shirt).await, app.available(&sock).await), (1, 9), "all lines or none");
    let history = app.history(&alice, &order).await;
    assert_eq!(history, ["placed", "payment_started", "expired", "payment_captured", "refund_requested", "refunded"]);
    app.finish().await;
}
