//! Money that goes back: everything, an amount, the price of units, goodwill. Balances close, and nothing is given twice.

use serde_json::{Value, json};

use crate::support::{
    acts::{adjustments, units, usd},
    app::{Person, TestApp},
};

/// An order of three units that cost 10.00 each, paid and arrived.
async fn arrived(app: &TestApp, alice: &Person) -> String {
    let sam = app.default_shop().await.owner.clone();
    let shirt = app.variant().create().await;
    let order = app.place(alice, &[(&shirt, 3)]).await;
    app.pay(alice, &order).await;
    app.bring(&sam, &order, &[(1, 3)]).await;
    order
}

fn credits(all: &[(&str, i64)]) -> Vec<(String, i64)> {
    all.iter().map(|(kind, amount)| ((*kind).to_owned(), *amount)).collect()
}

#[tokio::test]
async fn everything_goes_back() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let order = arrived(&app, &alice).await;
    let given = app.refund(&olga, &order, json!({ "kind": "full" })).await.ok(200);
    assert_eq!(
        (&given["refunding"]["amount"], &given["total"]["amount"], &given["effects"]["refunding"]["amount"]),
        (&json!(3_000), &json!(0), &json!(3_000))
    );
    app.refund(&olga, &order, json!({ "kind": "full" })).await.problem(409, "nothing_to_refund");
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed refunded 3000 3000 0");
    assert_eq!(adjustments(&app.order(&alice, &order).await, "credits"), credits(&[("refund", 3_000)]));
    app.refund(&olga, &order, json!({ "kind": "full" })).await.problem(409, "nothing_to_refund");
    assert_eq!(
        app.outbox.templates_to(&alice.address()),
        ["order_confirmed", "order_delivered", "order_placed", "order_refunded", "order_shipped"]
    );
    app.finish().await;
}

#[tokio::test]
async fn amounts_units_and_goodwill_go_back_and_the_balance_stays_closed() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let order = arrived(&app, &alice).await;
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(250) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 3000 250 0");
    app.refund(&olga, &order, json!({ "kind": "lines", "lines": units(&[(1, 1)]) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 3000 1250 0");
    assert_eq!(app.line(&alice, &order, 1).await, [0, 0, 3, 3, 0, 0, 1]);
    app.refund(&olga, &order, json!({ "kind": "goodwill", "amount": usd(50) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 3000 1300 0");
    let seen = app.order(&alice, &order).await;
    assert_eq!(adjustments(&seen, "credits"), credits(&[("refund", 250), ("refund", 1_000), ("goodwill", 50)]));
    assert_eq!(seen["credits"][2]["label"], "It arrived broken");

    // Never more than is there, nor more units than there are.
    let before = app.everything().await;
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(1_701) })).await.problem(409, "refund_too_large");
    app.refund(&olga, &order, json!({ "kind": "goodwill", "amount": usd(1_701) })).await.problem(409, "refund_too_large");
    app.refund(&olga, &order, json!({ "kind": "lines", "lines": units(&[(1, 3)]) })).await.problem(409, "too_few_units");
    app.refund(&olga, &order, json!({ "kind": "lines", "lines": units(&[(1, 2)]) })).await.problem(409, "refund_too_large");
    app.refund(&olga, &order, json!({ "kind": "lines", "lines": units(&[(9, 1)]) })).await.problem(409, "no_such_line");
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": { "amount": 5, "currency": "EUR" } })).await.problem(409, "other_currency");
    for body in [
        json!({ "kind": "full", "amount": usd(5) }),
        json!({ "kind": "amount" }),
        json!({ "kind": "amount", "amount": usd(0) }),
        json!({ "kind": "amount", "amount": usd(-5) }),
        json!({ "kind": "goodwill", "amount": usd(5), "lines": units(&[(1, 1)]) }),
        json!({ "kind": "lines" }),
        json!({ "kind": "lines", "lines": [] }),
        json!({ "kind": "some" }),
    ] {
        app.refund(&olga, &order, body).await.problem(400, "invalid_request");
    }
    app.refund(&alice, &order, json!({ "kind": "full" })).await.problem(403, "forbidden");
    assert_eq!(app.everything().await, before);

    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(1_700) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed refunded 3000 3000 0");
    app.finish().await;
}

#[tokio::test]
async fn what_is_on_its_way_back_is_not_given_once_more() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let order = arrived(&app, &alice).await;
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(2_000) })).await.ok(200);
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(1_001) })).await.problem(409, "refund_too_large");
    app.refund(&olga, &order, json!({ "kind": "full" })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed refunded 3000 3000 0");
    app.finish().await;
}

#[tokio::test]
async fn the_newest_payment_gives_first_unless_another_is_named() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    let first = app.pay_part(&alice, &order, 1_000).await;
    let second = app.pay_part(&alice, &order, 2_000).await;
    let refunded = async || {
        let payments = app.get(&olga, &format!("/orders/{order}/payments")).await.ok(200);
        let of = |at: usize| payments["data"][at]["refunded"]["amount"].as_i64().unwrap_or(0);
        (of(0), of(1))
    };
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(300) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(refunded().await, (0, 300));
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(400), "payment_id": first })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(refunded().await, (400, 300));
    let body = json!({ "kind": "amount", "amount": usd(601), "payment_id": first });
    app.refund(&olga, &order, body).await.problem(409, "refund_exceeds_captured");
    let nobodys = "019a8f6e-0000-7000-8000-000000000000";
    let body = json!({ "kind": "amount", "amount": usd(1), "payment_id": nobodys });
    app.refund(&olga, &order, body).await.problem(404, "not_found");
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(2_000) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(refunded().await, (700, 2_000), "what the newest has not, the one before gives");
    app.refund(&olga, &order, json!({ "kind": "goodwill", "amount": usd(100), "payment_id": second })).await.problem(409, "refund_exceeds_captured");
    app.refund(&olga, &order, json!({ "kind": "full" })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed refunded 3000 3000 0");
    app.finish().await;
}

#[tokio::test]
async fn units_that_were_refunded_are_not_refunded_again_when_they_are_called_off() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.pay(&alice, &order).await;
    app.refund(&olga, &order, json!({ "kind": "lines", "lines": units(&[(1, 2)]) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 3000 2000 0");
    // One of three was not refunded: the first to be called off is that one.
    let fewer = app.cancel_lines(&olga, &order, &[(1, 2)]).await.ok(200);
    assert_eq!(fewer["effects"]["refunding"]["amount"], 1_000);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed refunded 3000 3000 0");
    assert_eq!(adjustments(&app.order(&olga, &order).await, "charges"), credits(&[("refunded_before", 1_000)]));
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 3000 3000 0");
    app.finish().await;
}

#[tokio::test]
async fn money_that_was_taken_by_hand_is_handed_back() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.pay_part(&alice, &order, 400).await;
    let body = json!({ "amount": usd(600), "method": "other" });
    app.act(&olga, &format!("/orders/{order}/payments/offline"), body).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 1000 0 0");
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 1000 1000 0");
    app.finish().await;
}

#[tokio::test]
async fn a_refund_is_repeated_byte_for_byte_and_given_once() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let order = arrived(&app, &alice).await;
    let path = format!("/orders/{order}/refunds");
    let body = json!({ "kind": "amount", "amount": usd(700), "reason": "r" });
    let first = app.command(&olga, &path, "again", body.clone()).await;
    app.run_jobs().await;
    let again = app.command(&olga, &path, "again", body.clone()).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = json!({ "kind": "amount", "amount": usd(701), "reason": "r" });
    app.command(&olga, &path, "again", other).await.problem(422, "idempotency_key_reused");
    app.send(Some(&olga), reqwest::Method::POST, &path, &[], Some(body.to_string())).await.problem(400, "idempotency_key_required");
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 3000 700 0");
    assert_eq!(first.json()["effects"]["captured"]["amount"], Value::from(0));
    app.finish().await;
}
