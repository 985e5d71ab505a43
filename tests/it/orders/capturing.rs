//! Money that is held first and taken when something leaves, or by hand, or never.

use serde_json::{Value, json};

use crate::support::{
    acts::{names, refused, usd},
    app::TestApp,
    shop::text,
};

#[tokio::test]
async fn the_first_parcel_takes_what_is_held() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.authorize(&alice, &order, None).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed authorized 0 0 2000");
    assert_eq!(app.order(&alice, &order).await["authorized"]["amount"], 2_000);
    assert_eq!(app.history(&alice, &order).await, ["placed", "payment_started", "payment_authorized", "confirmed"]);

    let parcel = app.pack(&sam, &order, &[(1, 1)]).await;
    let olga = app.operator().await;
    let sent = app.parcel(&olga, &parcel, "ship", json!({})).await.ok(200);
    assert_eq!(
        (&sent["effects"]["authorized"]["amount"], &sent["effects"]["capturing"]["amount"]),
        (&json!(-2_000), &json!(2_000))
    );
    assert_eq!(app.standing(&alice, &order).await, "confirmed authorized 0 0 2000");
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    app.bring(&sam, &order, &[(1, 1)]).await;
    app.parcel(&sam, &parcel, "deliver", Value::Null).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    assert_eq!(app.payments(&alice, &order).await, ["captured 2000"]);
    let history = app.history(&alice, &order).await;
    assert_eq!(history.iter().filter(|kind| *kind == "capture_requested").count(), 1);
    app.finish().await;
}

#[tokio::test]
async fn what_was_called_off_before_is_never_taken() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.authorize(&alice, &order, None).await;
    let fewer = app.cancel_lines(&alice, &order, &[(1, 1)]).await.ok(200);
    assert_eq!((&fewer["total"]["amount"], &fewer["effects"]["refunding"]["amount"]), (&json!(2_000), &json!(0)));
    app.bring(&sam, &order, &[(1, 2)]).await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    assert_eq!(app.payments(&alice, &order).await, ["captured 2000"], "the rest is released");
    app.finish().await;
}

#[tokio::test]
async fn staff_take_what_is_held_before_anything_leaves() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.authorize(&alice, &order, None).await;
    app.payment(&alice, &order, &payment, "capture", json!({})).await.problem(403, "forbidden");
    app.payment(&olga, &order, &payment, "capture", json!({})).await.ok(200);
    // It is on its way: a second one finds nothing to take.
    app.payment(&olga, &order, &payment, "capture", json!({})).await.problem(409, "nothing_held");
    app.payment(&olga, &order, &payment, "void", json!({ "reason": "r" })).await.problem(409, "nothing_held");
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 1000 0 0");
    app.payment(&olga, &order, &payment, "capture", json!({})).await.problem(409, "nothing_held");
    app.bring(&sam, &order, &[(1, 1)]).await;
    assert_eq!(app.standing(&alice, &order).await, "completed paid 1000 0 0");
    app.finish().await;
}

#[tokio::test]
async fn of_what_is_taken_in_part_the_rest_is_given_up_and_owed() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let payment = app.authorize(&alice, &order, None).await;
    app.run_jobs().await;
    let before = app.everything().await;
    for (amount, status, code) in [
        (usd(2_001), 409, "capture_too_large"),
        (usd(0), 400, "invalid_request"),
        (usd(-5), 400, "invalid_request"),
        (json!({ "amount": 5, "currency": "EUR" }), 409, "other_currency"),
    ] {
        app.payment(&olga, &order, &payment, "capture", json!({ "amount": amount })).await.problem(status, code);
    }
    let nobodys = "019a8f6e-0000-7000-8000-000000000000";
    app.payment(&olga, &order, nobodys, "capture", json!({})).await.problem(404, "not_found");
    app.payment(&olga, &order, nobodys, "void", json!({ "reason": "r" })).await.problem(404, "not_found");
    assert_eq!(app.everything().await, before);

    app.payment(&olga, &order, &payment, "capture", json!({ "amount": usd(1_500) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_paid 1500 0 500");
    app.try_pack(&sam, &order, &[(1, 1)]).await.problem(409, "not_covered");
    let seen = app.order(&alice, &order).await;
    assert_eq!((names(&seen["allowed_actions"])[0].as_str(), &seen["authorized"]["amount"]), ("pay", &json!(0)));
    app.pay(&alice, &order).await;
    assert_eq!(app.payments(&alice, &order).await, ["captured 1500", "captured 500"]);
    app.bring(&sam, &order, &[(1, 2)]).await;
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    app.finish().await;
}

#[tokio::test]
async fn staff_give_up_what_is_held() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.authorize(&alice, &order, None).await;
    let why = json!({ "reason": "She pays by bank transfer" });
    let given = app.payment(&olga, &order, &payment, "void", why.clone()).await.ok(200);
    assert_eq!(given["effects"]["authorized"]["amount"], -1_000);
    app.payment(&olga, &order, &payment, "void", why).await.problem(409, "nothing_held");
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed voided 0 0 1000");
    assert_eq!(app.payments(&alice, &order).await, ["voided null"]);
    app.try_pack(&sam, &order, &[(1, 1)]).await.problem(409, "not_covered");
    let body = json!({ "amount": usd(1_000), "method": "bank_transfer", "reference": "statement 47" });
    app.act(&olga, &format!("/orders/{order}/payments/offline"), body).await.ok(200);
    app.bring(&sam, &order, &[(1, 1)]).await;
    assert_eq!(app.standing(&alice, &order).await, "completed paid 1000 0 0");
    app.finish().await;
}

#[tokio::test]
async fn a_cancelled_order_gives_up_what_is_held() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.authorize(&alice, &order, None).await;
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled voided 0 0 0");
    assert_eq!(app.payments(&alice, &order).await, ["voided null"]);
    assert_eq!(app.available(&shirt).await, 3);
    let seen = refused(&app.order(&olga, &order).await);
    assert!(seen.contains(&("void".to_owned(), "nothing_held".to_owned())), "{seen:?}");
    app.finish().await;
}

#[tokio::test]
async fn what_is_given_up_for_the_second_time_adds_up_on_the_way() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.authorize(&alice, &order, None).await;
    app.payment(&olga, &order, &payment, "void", json!({ "reason": "Not yet" })).await.ok(200);
    app.run_jobs().await;
    app.authorize(&alice, &order, None).await;
    app.cancel(&alice, &order).await.ok(200);
    assert_eq!(app.differences().await, vec![], "the gateway has not been asked");
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled voided 0 0 0");
    app.finish().await;
}

#[tokio::test]
async fn money_that_was_being_taken_when_the_order_was_cancelled_goes_back() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.authorize(&alice, &order, None).await;
    app.payment(&olga, &order, &payment, "capture", json!({})).await.ok(200);
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 1000 1000 0");
    app.finish().await;
}

#[tokio::test]
async fn an_expired_order_gives_up_the_part_that_is_held() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.authorize(&alice, &order, Some(700)).await;
    assert_eq!(app.standing(&alice, &order).await, "pending partially_authorized 0 0 2000");
    app.advance_minutes(31);
    assert_eq!(app.expire().await, 1);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "expired voided 0 0 0");
    assert_eq!(app.payments(&alice, &order).await, ["voided null"]);
    assert_eq!(app.available(&shirt).await, 2);
    app.finish().await;
}

#[tokio::test]
async fn money_that_is_held_late_is_given_up_or_revives_the_order() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.customer("alice").await, app.customer("bob").await);
    let shirt = app.variant().stock(1).create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.start_holding(&alice, &order, None).await;
    app.cancel(&alice, &order).await.ok(200);
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled voided 0 0 0");

    let late = app.place(&bob, &[(&shirt, 1)]).await;
    app.advance_minutes(20);
    let payment = app.start_holding(&bob, &late, None).await;
    app.advance_minutes(11);
    assert_eq!(app.expire().await, 1);
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&bob, &late).await, "confirmed authorized 0 0 1000");
    assert_eq!(app.available(&shirt).await, 0);
    app.finish().await;
}

#[tokio::test]
async fn an_order_is_paid_in_several_payments() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.pay_part(&alice, &order, 500).await;
    assert_eq!(app.standing(&alice, &order).await, "pending partially_paid 500 0 2500");
    let second = app.authorize(&alice, &order, Some(1_500)).await;
    assert_eq!(app.standing(&alice, &order).await, "pending partially_paid 500 0 2500");
    let path = format!("/orders/{order}/payments");
    for (amount, status, code) in [(usd(1_001), 409, "payment_too_large"), (usd(0), 400, "invalid_request")] {
        app.act(&alice, &path, json!({ "gateway": "mock", "amount": amount })).await.problem(status, code);
    }
    let third = app.authorize(&alice, &order, None).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_paid 500 0 2500");
    app.act(&alice, &path, json!({ "gateway": "mock" })).await.problem(409, "nothing_due");
    // What one payment holds is not taken of another.
    let answer = app.payment(&olga, &order, &third, "capture", json!({ "amount": usd(1_200) })).await;
    answer.problem(409, "capture_exceeds_authorized");
    let taken = app.payment(&olga, &order, &third, "capture", json!({})).await.ok(200);
    assert_eq!(taken["effects"]["capturing"]["amount"], 1_000, "no more than it holds");
    app.payment(&olga, &order, &third, "capture", json!({ "amount": usd(1) }))
        .await
        .problem(409, "payment_not_authorized");
    app.send_off(&sam, &order, &[(1, 1)]).await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 3000 0 0");
    assert_eq!(app.payments(&alice, &order).await, ["captured 500", "captured 1500", "captured 1000"]);
    app.payment(&olga, &order, &second, "void", json!({ "reason": "r" })).await.problem(409, "nothing_held");
    app.finish().await;
}

#[tokio::test]
async fn the_first_parcel_takes_of_several_payments_what_is_owed() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.authorize(&alice, &order, Some(1_800)).await;
    app.authorize(&alice, &order, None).await;
    app.cancel_lines(&olga, &order, &[(1, 1)]).await.ok(200);
    app.send_off(&sam, &order, &[(1, 2)]).await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    let payments = app.payments(&alice, &order).await;
    assert_eq!(payments, ["captured 1800", "captured 200"], "oldest first");
    let seen = app.get(&alice, &format!("/orders/{order}/payments")).await.ok(200);
    assert_eq!(text(&seen["data"][0], "state"), "captured");
    app.finish().await;
}

#[tokio::test]
async fn what_is_held_beyond_what_is_owed_is_released() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    // The page was open before the order became smaller.
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    let payment = app.start_holding(&alice, &order, None).await;
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.ok(200);
    app.press(&payment, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed authorized 0 0 2000");
    app.bring(&sam, &order, &[(1, 2)]).await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    assert_eq!(app.payments(&alice, &order).await, ["captured 2000"]);

    // Two pages were open, and both were approved.
    let twice = app.place(&alice, &[(&shirt, 1)]).await;
    let (held, taken) = (app.start_holding(&alice, &twice, None).await, app.start_payment(&alice, &twice).await);
    app.press(&held, "approve").await;
    app.press(&taken, "approve").await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &twice).await, "confirmed paid 1000 0 0");
    app.bring(&sam, &twice, &[(1, 1)]).await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &twice).await, "completed paid 1000 0 0");
    assert_eq!(app.payments(&alice, &twice).await, ["voided null", "captured 1000"]);
    app.finish().await;
}

#[tokio::test]
async fn money_that_is_held_too_long_is_no_longer_there_and_nothing_leaves() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.authorize(&alice, &order, None).await;
    app.clock.advance(gateway::AUTHORIZATION_LIFETIME + chrono::TimeDelta::hours(1));
    kernel::enqueue(&mut app.database.connect().await, &gateway::ExpirePayments {}).await.unwrap();
    app.run_jobs().await;
    assert_eq!(app.payments(&alice, &order).await, ["expired null"]);
    assert_eq!(app.standing(&alice, &order).await, "confirmed unpaid 0 0 1000");
    app.payment(&olga, &order, &payment, "capture", json!({})).await.problem(409, "nothing_held");
    app.try_pack(&sam, &order, &[(1, 1)]).await.problem(409, "not_covered");
    app.pay(&alice, &order).await;
    app.bring(&sam, &order, &[(1, 1)]).await;
    assert_eq!(app.standing(&alice, &order).await, "completed paid 1000 0 0");
    app.finish().await;
}

#[tokio::test]
async fn what_is_held_after_a_parcel_left_is_taken_at_once() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.act(&olga, &format!("/orders/{order}/confirm"), json!({ "method": "cash_on_delivery" })).await.ok(200);
    app.bring(&sam, &order, &[(1, 2)]).await;
    app.authorize(&alice, &order, None).await;
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    app.finish().await;
}
