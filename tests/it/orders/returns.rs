//! Goods that come back: asked for, agreed to or not, received whole or damaged, closed, called off; and their money.

use serde_json::{Value, json};

use crate::support::{
    acts::{adjustments, came_back, names, units, usd},
    app::{Person, TestApp},
    shop::text,
};

/// An order of so many units at 10.00, paid and arrived; nothing else is on the shelf.
async fn arrived(app: &TestApp, alice: &Person, quantity: i32) -> (String, String) {
    let sam = app.default_shop().await.owner.clone();
    let shirt = app.variant().stock(quantity).create().await;
    let order = app.place(alice, &[(&shirt, quantity)]).await;
    app.pay(alice, &order).await;
    app.bring(&sam, &order, &[(1, quantity)]).await;
    (order, shirt)
}

#[tokio::test]
async fn goods_come_back_to_a_shelf_on_which_there_is_no_room() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let (order, shirt) = arrived(&app, &alice, 1).await;
    let goods = app.request_return(&alice, &order, &[(1, 1)]).await;
    app.goods(&sam, &goods, "approve", json!({})).await.ok(200);
    app.count(&sam, &shirt, 1_000_000_000).await.ok(200);
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.problem(409, "stock_too_large");
    app.count(&sam, &shirt, 999_999_999).await.ok(200);
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    assert_eq!(app.shelf(&shirt).await, (1_000_000_000, 0));
    app.finish().await;
}

#[tokio::test]
async fn goods_come_back_whole_and_damaged_in_several_goes() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let (order, shirt) = arrived(&app, &alice, 4).await;
    let goods = app.request_return(&alice, &order, &[(1, 3)]).await;
    assert_eq!(app.goods_standing(&alice, &order).await, "delivered requested");
    assert_eq!(app.line(&alice, &order, 1).await, [0, 0, 4, 4, 3, 0, 0]);
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.problem(409, "invalid_transition");
    let agreed = app.goods(&sam, &goods, "approve", json!({ "decision": "Use the label" })).await.ok(200);
    assert_eq!(
        (text(&agreed["return"], "state"), text(&agreed["return"], "decision")),
        ("approved".into(), "Use the label".into())
    );

    let first = app.goods(&olga, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    assert_eq!(
        (&first["effects"]["stock"], &first["effects"]["total"]["amount"]),
        (&json!([{ "variant_id": shirt, "on_hand": 1, "reserved": 0 }]), &json!(-1_000))
    );
    assert_eq!(app.goods_standing(&alice, &order).await, "delivered partially_returned");
    assert_eq!(app.standing(&alice, &order).await, "completed overpaid 4000 0 -1000");
    let second = app.goods(&sam, &goods, "receive", came_back(&[(1, 0, 1)])).await.ok(200);
    assert_eq!(
        second["effects"],
        json!({ "stock": [] }),
        "what is damaged is not sold again; money is not Sam's business"
    );
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 1)])).await.problem(409, "too_few_units");
    assert_eq!(app.shelf(&shirt).await, (1, 0));
    assert_eq!(app.line(&alice, &order, 1).await, [0, 0, 4, 4, 1, 2, 0]);
    app.goods(&sam, &goods, "close", json!({})).await.ok(200);
    assert_eq!(app.line(&alice, &order, 1).await, [0, 0, 4, 4, 0, 2, 0]);
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.problem(409, "invalid_transition");

    // The money is a matter of its own.
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed overpaid 4000 0 -2000");
    app.refund(&olga, &order, json!({ "kind": "lines", "lines": units(&[(1, 2)]) })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 4000 2000 0");
    assert_eq!(adjustments(&app.order(&alice, &order).await, "credits"), [], "it was owed to her");
    let mails = app.outbox.templates_to(&alice.address());
    let count = |name: &str| mails.iter().filter(|mail| *mail == name).count();
    assert_eq!((count("return_requested"), count("return_approved"), count("return_received")), (1, 1, 2), "{mails:?}");
    app.finish().await;
}

#[tokio::test]
async fn what_was_refunded_before_it_came_back_is_not_refunded_again() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let (order, shirt) = arrived(&app, &alice, 2).await;
    app.refund(&olga, &order, json!({ "kind": "lines", "lines": units(&[(1, 1)]) })).await.ok(200);
    let goods = app.request_return(&alice, &order, &[(1, 2)]).await;
    app.goods(&sam, &goods, "approve", json!({})).await.ok(200);
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 2000 1000 0");
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "completed overpaid 2000 1000 -1000");
    app.refund(&olga, &order, json!({ "kind": "full" })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed refunded 2000 2000 0");
    assert_eq!(app.goods_standing(&alice, &order).await, "delivered returned");
    assert_eq!(app.shelf(&shirt).await, (2, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_return_that_is_refused_or_called_off_waits_for_nothing() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let (order, shirt) = arrived(&app, &alice, 2).await;
    let first = app.request_return(&alice, &order, &[(1, 2)]).await;
    let body = json!({ "lines": units(&[(1, 1)]), "reason": "r" });
    let path = format!("/orders/{order}/returns");
    app.act(&alice, &path, body.clone()).await.problem(409, "nothing_to_return");
    app.goods(&sam, &first, "reject", json!({ "decision": "It was worn" })).await.ok(200);
    assert_eq!(app.goods_standing(&alice, &order).await, "delivered none");
    for verb in ["approve", "reject", "close", "cancel"] {
        let body = if verb == "cancel" { Value::Null } else { json!({}) };
        let person = if verb == "cancel" { &alice } else { &sam };
        app.goods(person, &first, verb, body).await.problem(409, "invalid_transition");
    }
    // Staff ask for her, and she keeps it after all.
    let second = app.request_return(&olga, &order, &[(1, 1)]).await;
    app.goods(&sam, &second, "approve", json!({})).await.ok(200);
    app.goods(&alice, &second, "cancel", Value::Null).await.ok(200);
    assert_eq!(app.line(&alice, &order, 1).await, [0, 0, 2, 2, 0, 0, 0]);
    app.goods(&sam, &second, "receive", came_back(&[(1, 1, 0)])).await.problem(409, "invalid_transition");
    assert_eq!(app.shelf(&shirt).await, (0, 0));
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    let seen = app.order(&alice, &order).await;
    let states: Vec<_> = seen["returns"].as_array().unwrap().iter().map(|one| text(one, "state")).collect();
    assert_eq!(states, ["rejected", "cancelled"]);
    app.finish().await;
}

#[tokio::test]
async fn only_what_has_arrived_comes_back() {
    let app = TestApp::new().await;
    let (sam, mai) = (app.seller("sam").await, app.seller("mai").await);
    let alice = app.customer("alice").await;
    let (shirt, cup) = (app.variant().of(&sam).create().await, app.variant().of(&mai).create().await);
    let order = app.place(&alice, &[(&shirt, 2), (&cup, 1)]).await;
    app.pay(&alice, &order).await;
    let path = format!("/orders/{order}/returns");
    let asked = async |lines: &[(i16, i32)]| {
        app.act(&alice, &path, json!({ "lines": units(lines), "reason": "It does not fit" })).await
    };
    app.send_off(&sam.owner, &order, &[(1, 1)]).await;
    asked(&[(1, 1)]).await.problem(409, "nothing_to_return");
    app.bring(&sam.owner, &order, &[(1, 1)]).await;
    app.bring(&mai.owner, &order, &[(2, 1)]).await;
    asked(&[(1, 2)]).await.problem(409, "too_few_units");
    asked(&[(1, 1), (2, 1)]).await.problem(409, "several_sellers");
    asked(&[(7, 1)]).await.problem(409, "no_such_line");
    asked(&[]).await.problem(400, "invalid_request");
    let goods = text(&asked(&[(1, 1)]).await.ok(201)["return"], "id");
    app.goods(&sam.owner, &goods, "approve", json!({})).await.ok(200);
    app.goods(&sam.owner, &goods, "receive", came_back(&[(2, 1, 0)])).await.problem(409, "no_such_line");
    // A request to receive nothing is a mistake, and changes nothing.
    app.run_jobs().await;
    let before = app.everything().await;
    app.goods(&sam.owner, &goods, "receive", came_back(&[(1, 0, 0)])).await.problem(400, "invalid_request");
    app.goods(&sam.owner, &goods, "receive", came_back(&[])).await.problem(400, "invalid_request");
    app.goods(&sam.owner, &goods, "receive", came_back(&[(1, 10_001, 0)])).await.problem(400, "invalid_request");
    assert_eq!(app.everything().await, before);
    let seen = app.get(&sam.owner, &format!("/returns/{goods}")).await.ok(200);
    assert_eq!(names(&seen["return"]["allowed_actions"]), ["receive", "close"]);
    app.finish().await;
}

#[tokio::test]
async fn goodwill_before_a_return_is_taken_off_what_goes_back() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let (order, _) = arrived(&app, &alice, 1).await;
    app.refund(&olga, &order, json!({ "kind": "goodwill", "amount": usd(300) })).await.ok(200);
    let goods = app.request_return(&alice, &order, &[(1, 1)]).await;
    app.goods(&sam, &goods, "approve", json!({})).await.ok(200);
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed overpaid 1000 300 -700");
    app.refund(&olga, &order, json!({ "kind": "full" })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "completed refunded 1000 1000 0");
    app.finish().await;
}
