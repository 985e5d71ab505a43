//! Minds that change before anything leaves: units called off, orders held back, and money that comes another way.

use serde_json::{Value, json};

use crate::support::{
    acts::{adjustments, names, refused, units, usd},
    app::TestApp,
    shop::text,
};

#[tokio::test]
async fn a_buyer_calls_units_off_until_something_leaves() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let (shirt, sock) = (app.variant().stock(5).create().await, app.variant().price(200).stock(5).create().await);
    let order = app.place(&alice, &[(&shirt, 3), (&sock, 2)]).await;
    let fewer = app.cancel_lines(&alice, &order, &[(1, 1), (2, 1)]).await.ok(200);
    assert_eq!((&fewer["total"]["amount"], &fewer["original_total"]["amount"]), (&json!(2_200), &json!(3_400)));
    assert_eq!((app.shelf(&shirt).await, app.shelf(&sock).await), ((5, 2), (5, 1)));
    app.pay(&alice, &order).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2200 0 0");

    let fewer = app.cancel_lines(&alice, &order, &[(2, 1)]).await.ok(200);
    assert_eq!(fewer["effects"]["refunding"]["amount"], 200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 2200 200 0");
    app.cancel_lines(&alice, &order, &[(2, 1)]).await.problem(409, "too_few_units");
    app.cancel_lines(&alice, &order, &[(3, 1)]).await.problem(409, "no_such_line");

    app.send_off(&sam, &order, &[(1, 1)]).await;
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.problem(409, "already_shipped");
    app.cancel(&alice, &order).await.problem(409, "already_shipped");
    let seen = app.order(&alice, &order).await;
    for action in ["cancel", "cancel_lines"] {
        assert!(refused(&seen).contains(&(action.to_owned(), "already_shipped".to_owned())), "{seen}");
    }
    assert!(names(&app.order(&olga, &order).await["allowed_actions"]).contains(&"cancel_lines".to_owned()));
    app.cancel_lines(&olga, &order, &[(1, 1)]).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 2200 1200 0");
    assert_eq!((app.shelf(&shirt).await, app.shelf(&sock).await), ((4, 0), (5, 0)));
    let mails = app.outbox.templates_to(&alice.address());
    assert_eq!(mails.iter().filter(|mail| *mail == "order_lines_cancelled").count(), 3, "{mails:?}");
    app.finish().await;
}

#[tokio::test]
async fn an_order_of_which_nothing_is_left_is_cancelled() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(5).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    let empty = app.cancel_lines(&alice, &order, &[(1, 2)]).await.ok(200);
    assert_eq!((text(&empty, "status"), &empty["effects"]["refunding"]["amount"]), ("cancelled".into(), &json!(2_000)));
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.problem(409, "invalid_transition");
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 2000 2000 0");
    assert_eq!(app.shelf(&shirt).await, (5, 0));
    app.finish().await;
}

#[tokio::test]
async fn what_is_left_of_a_partly_paid_order_may_be_covered_and_confirms_it() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.pay_part(&alice, &order, 1_500).await;
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "pending partially_paid 1500 0 500");
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 1500 500 0");
    app.finish().await;
}

#[tokio::test]
async fn a_seller_calls_their_own_units_off_also_after_something_left() {
    let app = TestApp::new().await;
    let (sam, mai) = (app.seller("sam").await, app.seller("mai").await);
    let alice = app.customer("alice").await;
    let shirt = app.variant().of(&sam).create().await;
    let cup = app.variant().of(&mai).price(70).stock(9).create().await;
    let order = app.place(&alice, &[(&shirt, 1), (&cup, 3)]).await;
    app.pay(&alice, &order).await;
    app.bring(&sam.owner, &order, &[(1, 1)]).await;
    let path = format!("/businesses/{}/orders/{order}/cancel-lines", mai.id);
    let body = |position, quantity| json!({ "lines": units(&[(position, quantity)]), "reason": "Broken in the store" });
    app.act(&mai.owner, &path, body(1, 1)).await.problem(409, "no_such_line");
    app.act(&sam.owner, &path, body(2, 1)).await.problem(404, "not_found");
    app.act(&alice, &path, body(2, 1)).await.problem(403, "forbidden");
    let share = app.act(&mai.owner, &path, body(2, 2)).await.ok(200);
    assert_eq!(share["lines_total"]["amount"], 70);
    assert_eq!(share["lines"].as_array().unwrap().len(), 1);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 1210 140 0");
    // The last one too: what is left of the order has arrived.
    app.act(&mai.owner, &path, body(2, 1)).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 1210 210 0");
    assert_eq!(app.shelf(&cup).await, (9, 0));
    app.finish().await;
}

#[tokio::test]
async fn money_that_comes_while_an_order_is_held_confirms_it_when_it_is_released() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.start_payment(&alice, &order).await;
    let (hold, release) = (format!("/orders/{order}/hold"), format!("/orders/{order}/release"));
    app.act(&olga, &release, Value::Null).await.problem(409, "not_on_hold");
    app.act(&alice, &hold, json!({ "reason": "r" })).await.problem(403, "forbidden");
    let held = app.act(&olga, &hold, json!({ "reason": "The address is being checked" })).await.ok(200);
    assert_eq!(text(&held, "hold_reason"), "The address is being checked");
    app.act(&olga, &hold, json!({ "reason": "r" })).await.problem(409, "on_hold");
    app.act(&alice, &format!("/orders/{order}/payments"), json!({ "gateway": "mock" }))
        .await
        .problem(409, "not_payable");
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "pending paid 1000 0 0");
    // It is paid: its time is not up while staff look at it.
    app.advance_minutes(31);
    assert_eq!(app.expire().await, 0);
    let free = app.act(&olga, &release, Value::Null).await.ok(200);
    assert_eq!((text(&free, "status"), free.get("hold_reason")), ("confirmed".to_owned(), None));
    assert_eq!(app.history(&alice, &order).await[2..], ["held", "payment_captured", "released", "confirmed"]);
    app.finish().await;
}

#[tokio::test]
async fn a_held_order_that_was_not_paid_expires_all_the_same() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.act(&olga, &format!("/orders/{order}/hold"), json!({ "reason": "r" })).await.ok(200);
    app.advance_minutes(31);
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.standing(&alice, &order).await, "expired unpaid 0 0 0");
    assert_eq!(app.available(&shirt).await, 10);
    app.finish().await;
}

#[tokio::test]
async fn late_money_revives_what_was_left_of_an_order_and_no_more() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.ok(200);
    app.advance_minutes(20);
    let payment = app.start_payment(&alice, &order).await;
    app.advance_minutes(11);
    assert_eq!(app.expire().await, 1);
    assert_eq!(app.shelf(&shirt).await, (3, 0));
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    assert_eq!(app.shelf(&shirt).await, (3, 2));
    assert_eq!(app.line(&alice, &order, 1).await, [1, 0, 0, 0, 0, 0, 0]);
    app.finish().await;
}

#[tokio::test]
async fn cash_on_delivery_is_sent_first_and_completed_when_the_money_is_there() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let path = format!("/orders/{order}/confirm");
    app.act(&alice, &path, json!({ "method": "cash_on_delivery" })).await.problem(403, "forbidden");
    let confirmed = app.act(&olga, &path, json!({ "method": "cash_on_delivery" })).await.ok(200);
    assert_eq!((text(&confirmed, "status"), confirmed.get("expires_at")), ("confirmed".to_owned(), None));
    app.act(&olga, &path, json!({ "method": "other" })).await.problem(409, "invalid_transition");
    app.advance_minutes(60);
    assert_eq!(app.expire().await, 0);
    app.bring(&sam, &order, &[(1, 2)]).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed unpaid 0 0 2000");

    let record = format!("/orders/{order}/payments/offline");
    let body = |amount: Value| json!({ "amount": amount, "method": "cash_on_delivery" });
    for (amount, status, code) in [
        (usd(2_001), 409, "payment_too_large"),
        (usd(0), 400, "invalid_request"),
        (usd(-1), 400, "invalid_request"),
        (json!({ "amount": 5, "currency": "VND" }), 409, "other_currency"),
    ] {
        app.act(&olga, &record, body(amount)).await.problem(status, code);
    }
    app.act(&olga, &record, body(usd(1_500))).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_paid 1500 0 500");
    let paid = app.act(&olga, &record, body(usd(500))).await.ok(200);
    assert_eq!(paid["effects"]["captured"]["amount"], 500);
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    app.act(&olga, &record, body(usd(1))).await.problem(409, "nothing_due");
    app.finish().await;
}

#[tokio::test]
async fn a_transfer_that_arrives_confirms_a_pending_order() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let body = json!({ "amount": usd(1_000), "method": "bank_transfer", "reference": "statement 47, line 3" });
    app.act(&olga, &format!("/orders/{order}/payments/offline"), body).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 1000 0 0");
    assert_eq!(app.history(&alice, &order).await, ["placed", "payment_recorded", "confirmed"]);
    app.run_jobs().await;
    assert_eq!(app.outbox.templates_to(&alice.address()), ["order_confirmed", "order_placed"]);
    app.finish().await;
}

#[tokio::test]
async fn an_order_with_a_packed_parcel_is_cancelled_whole() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().stock(5).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    let parcel = app.pack(&sam, &order, &[(1, 2)]).await;
    app.refund(&olga, &order, json!({ "kind": "goodwill", "amount": usd(300) })).await.ok(200);
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 2000 2000 0");
    assert_eq!(app.shelf(&shirt).await, (5, 0));
    assert_eq!(text(&app.get(&sam, &format!("/shipments/{parcel}")).await.ok(200)["shipment"], "state"), "cancelled");
    let seen = app.order(&alice, &order).await;
    assert_eq!(
        (adjustments(&seen, "credits"), adjustments(&seen, "charges")),
        (vec![("goodwill".to_owned(), 300)], vec![("balance".to_owned(), 300)])
    );
    app.parcel(&sam, &parcel, "ship", json!({})).await.problem(409, "invalid_transition");
    app.finish().await;
}
