//! Sending the goods: packed, sent, arrived; unpacked again, and lost.

use serde_json::{Value, json};

use crate::support::{
    acts::{adjustments, names, refused, units},
    app::TestApp,
    shop::text,
};

#[tokio::test]
async fn an_order_completes_by_itself_when_its_parcel_has_arrived() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(5).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;

    let parcel = app.pack(&sam, &order, &[(1, 1), (1, 1)]).await;
    assert_eq!(app.line(&alice, &order, 1).await, [0, 2, 0, 0, 0, 0, 0]);
    assert_eq!(app.shelf(&shirt).await, (5, 2), "what is packed has not left");
    let tracking =
        json!({ "carrier": "Viet Post", "tracking_number": "VP1", "tracking_url": "https://carrier.example/VP1" });
    let sent = app.parcel(&sam, &parcel, "ship", tracking).await.ok(200);
    assert_eq!(
        (&sent["shipment"]["state"], &sent["shipment"]["tracking_number"], &sent["order"]["fulfillment_status"]),
        (&json!("shipped"), &json!("VP1"), &json!("fulfilled"))
    );
    assert_eq!(sent["effects"]["stock"], json!([{ "variant_id": shirt, "on_hand": -2, "reserved": -2 }]));
    assert_eq!(app.shelf(&shirt).await, (3, 0));
    let moves = app.words("SELECT kind AS word FROM catalog.stock_movements ORDER BY version_after").await;
    assert_eq!(moves, ["receive", "reserve", "ship"]);

    let there = app.parcel(&sam, &parcel, "deliver", Value::Null).await.ok(200);
    assert_eq!(there["order"]["status"], "completed");
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2000 0 0");
    assert_eq!(app.goods_standing(&alice, &order).await, "delivered none");
    assert_eq!(app.line(&alice, &order, 1).await, [0, 0, 2, 2, 0, 0, 0]);
    let seen = app.order(&alice, &order).await;
    assert_eq!(text(&seen["shipments"][0], "tracking_url"), "https://carrier.example/VP1");
    let history = app.history(&alice, &order).await;
    assert_eq!(history[4..], ["shipment_packed", "shipment_shipped", "shipment_delivered", "completed"]);
    app.run_jobs().await;
    assert_eq!(
        app.outbox.templates_to(&alice.address()),
        ["order_confirmed", "order_delivered", "order_placed", "order_shipped"]
    );
    app.finish().await;
}

#[tokio::test]
async fn an_order_leaves_in_several_parcels() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let (shirt, sock) = (app.variant().create().await, app.variant().price(200).create().await);
    let order = app.place(&alice, &[(&shirt, 2), (&sock, 3)]).await;
    app.pay(&alice, &order).await;
    let first = app.send_off(&sam, &order, &[(1, 1), (2, 3)]).await;
    assert_eq!(app.goods_standing(&alice, &order).await, "partially_fulfilled none");
    app.parcel(&sam, &first, "deliver", Value::Null).await.ok(200);
    assert_eq!(app.goods_standing(&alice, &order).await, "partially_fulfilled none");
    let second = app.send_off(&sam, &order, &[(1, 1)]).await;
    assert_eq!(app.goods_standing(&alice, &order).await, "fulfilled none");
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2600 0 0");
    app.parcel(&sam, &second, "deliver", Value::Null).await.ok(200);
    assert_eq!(app.standing(&alice, &order).await, "completed paid 2600 0 0");
    app.run_jobs().await;
    let shipped = app.outbox.templates_to(&alice.address());
    assert_eq!(shipped.iter().filter(|name| *name == "order_shipped").count(), 2, "a mail for each parcel");
    app.finish().await;
}

#[tokio::test]
async fn no_more_is_packed_than_is_left() {
    let app = TestApp::new().await;
    let (sam, mai) = (app.seller("sam").await, app.seller("mai").await);
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let (shirt, cup) = (app.variant().of(&sam).create().await, app.variant().of(&mai).create().await);
    let order = app.place(&alice, &[(&shirt, 3), (&cup, 1)]).await;
    app.pay(&alice, &order).await;
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.ok(200);
    app.run_jobs().await;
    let before = app.everything().await;
    app.try_pack(&olga, &order, &[(1, 3)]).await.problem(409, "too_few_units");
    app.try_pack(&olga, &order, &[(1, 2), (1, 1)]).await.problem(409, "too_few_units");
    app.try_pack(&olga, &order, &[(3, 1)]).await.problem(409, "no_such_line");
    app.try_pack(&olga, &order, &[(1, 1), (2, 1)]).await.problem(409, "several_sellers");
    app.try_pack(&olga, &order, &[]).await.problem(400, "invalid_request");
    app.try_pack(&olga, &order, &[(1, 0)]).await.problem(400, "invalid_request");
    let path = format!("/orders/{order}/shipments");
    app.post(&olga, &path, json!({ "lines": units(&[(1, 1)]) })).await.problem(400, "idempotency_key_required");
    assert_eq!(app.everything().await, before);
    app.pack(&olga, &order, &[(1, 2)]).await;
    app.try_pack(&olga, &order, &[(1, 1)]).await.problem(409, "nothing_to_pack");
    app.pack(&olga, &order, &[(2, 1)]).await;
    let seen = app.order(&olga, &order).await;
    assert!(refused(&seen).contains(&("create_shipment".to_owned(), "nothing_to_pack".to_owned())), "{seen}");
    app.finish().await;
}

#[tokio::test]
async fn nothing_leaves_before_the_order_is_confirmed_nor_while_it_is_held() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.try_pack(&sam, &order, &[(1, 1)]).await.problem(409, "not_confirmed");
    app.pay(&alice, &order).await;
    let (hold, release) = (format!("/orders/{order}/hold"), format!("/orders/{order}/release"));
    app.act(&olga, &hold, json!({ "reason": "A strange address" })).await.ok(200);
    app.try_pack(&sam, &order, &[(1, 1)]).await.problem(409, "on_hold");
    app.act(&olga, &release, Value::Null).await.ok(200);
    let parcel = app.pack(&sam, &order, &[(1, 1)]).await;
    app.act(&olga, &hold, json!({ "reason": "Still a strange address" })).await.ok(200);
    let why = app.parcel(&sam, &parcel, "ship", json!({})).await.problem(409, "on_hold");
    assert!(text(&why, "detail").contains("Still a strange address"), "{why}");
    let seen = app.get(&sam, &format!("/shipments/{parcel}")).await.ok(200);
    assert_eq!(names(&seen["shipment"]["allowed_actions"]), ["cancel"]);
    assert!(refused(&seen["shipment"]).contains(&("ship".to_owned(), "on_hold".to_owned())), "{seen}");
    app.act(&olga, &release, Value::Null).await.ok(200);
    app.parcel(&sam, &parcel, "ship", json!({})).await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn a_parcel_is_unpacked_and_its_units_are_free_again() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(5).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    let parcel = app.pack(&sam, &order, &[(1, 2)]).await;
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.problem(409, "nothing_to_cancel");
    let open = app.parcel(&sam, &parcel, "cancel", json!({ "reason": "The box is too small" })).await.ok(200);
    assert_eq!(
        (text(&open["shipment"], "state"), text(&open["shipment"], "reason")),
        ("cancelled".into(), "The box is too small".into())
    );
    assert_eq!(app.line(&alice, &order, 1).await, [0; 7]);
    assert_eq!(app.shelf(&shirt).await, (5, 2));
    app.cancel_lines(&alice, &order, &[(1, 1)]).await.ok(200);
    app.run_jobs().await;
    app.bring(&sam, &order, &[(1, 1)]).await;
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 2000 1000 0");
    app.finish().await;
}

#[tokio::test]
async fn a_parcel_moves_along_its_table_only() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 4)]).await;
    app.pay(&alice, &order).await;
    let moves = [
        ("ship", json!({})),
        ("deliver", Value::Null),
        ("cancel", json!({ "reason": "r" })),
        ("lose", json!({ "reason": "r", "resend": true })),
    ];
    let packed = app.pack(&sam, &order, &[(1, 1)]).await;
    let cancelled = app.pack(&sam, &order, &[(1, 1)]).await;
    app.parcel(&sam, &cancelled, "cancel", json!({ "reason": "r" })).await.ok(200);
    let shipped = app.send_off(&sam, &order, &[(1, 1)]).await;
    let delivered = app.bring(&sam, &order, &[(1, 1)]).await;
    let lost = app.send_off(&sam, &order, &[(1, 1)]).await;
    app.parcel(&sam, &lost, "lose", json!({ "reason": "r", "resend": true })).await.ok(200);
    for (parcel, allowed) in [
        (&packed, vec!["ship", "cancel"]),
        (&cancelled, vec![]),
        (&shipped, vec!["deliver", "lose"]),
        (&delivered, vec![]),
        (&lost, vec![]),
    ] {
        for (verb, body) in &moves {
            let answer = app.rehearse(&sam, &format!("/shipments/{parcel}/{verb}"), body.clone()).await;
            if allowed.contains(verb) { drop(answer.ok(200)) } else { drop(answer.problem(409, "invalid_transition")) }
        }
        let seen = app.get(&sam, &format!("/shipments/{parcel}")).await.ok(200);
        assert_eq!(names(&seen["shipment"]["allowed_actions"]), allowed);
        assert_eq!(refused(&seen["shipment"]).len(), 4 - allowed.len());
    }
    app.finish().await;
}

#[tokio::test]
async fn a_lost_parcel_is_sent_again() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.pay(&alice, &order).await;
    let parcel = app.send_off(&sam, &order, &[(1, 1)]).await;
    assert_eq!(app.shelf(&shirt).await, (2, 0));
    let body = json!({ "reason": "The carrier cannot find it", "resend": true });
    let lost = app.parcel(&sam, &parcel, "lose", body).await.ok(200);
    assert_eq!(
        (&lost["shipment"]["state"], &lost["order"]["fulfillment_status"]),
        (&json!("lost"), &json!("unfulfilled"))
    );
    assert_eq!(app.shelf(&shirt).await, (2, 1), "promised once more");
    assert_eq!(app.line(&alice, &order, 1).await, [0; 7]);
    app.bring(&sam, &order, &[(1, 1)]).await;
    assert_eq!(app.shelf(&shirt).await, (1, 0));
    assert_eq!(app.standing(&alice, &order).await, "completed paid 1000 0 0");
    app.finish().await;
}

#[tokio::test]
async fn a_lost_parcel_is_not_sent_again_when_nothing_is_left() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(1).create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.pay(&alice, &order).await;
    let parcel = app.send_off(&sam, &order, &[(1, 1)]).await;
    app.run_jobs().await;
    let before = app.everything().await;
    let body = json!({ "reason": "Gone", "resend": true });
    app.parcel(&sam, &parcel, "lose", body.clone()).await.problem(409, "out_of_stock");
    assert_eq!(app.everything().await, before);
    let path = format!("/variants/{shirt}/stock/receive");
    app.act(&sam, &path, json!({ "quantity": 1 })).await.ok(200);
    app.parcel(&sam, &parcel, "lose", body).await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn the_money_for_a_lost_parcel_goes_back_when_it_is_not_sent_again() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(5).create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.pay(&alice, &order).await;
    app.bring(&sam, &order, &[(1, 1)]).await;
    let parcel = app.send_off(&sam, &order, &[(1, 2)]).await;
    let olga = app.operator().await;
    let lost = app.parcel(&olga, &parcel, "lose", json!({ "reason": "Gone", "resend": false })).await.ok(200);
    assert_eq!(
        (&lost["effects"]["refunding"]["amount"], &lost["effects"]["total"]["amount"]),
        (&json!(2000), &json!(-2000))
    );
    assert_eq!(lost["effects"]["stock"], json!([]), "they are not on the shelf");
    assert_eq!(app.standing(&alice, &order).await, "confirmed overpaid 3000 0 -2000");
    app.run_jobs().await;
    // The rest has arrived, so the refund completes the order.
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 3000 2000 0");
    assert_eq!(app.line(&alice, &order, 1).await, [2, 0, 1, 1, 0, 0, 0]);
    assert_eq!(app.shelf(&shirt).await, (2, 0));
    let mails = app.outbox.templates_to(&alice.address());
    assert!(
        mails.contains(&"order_parcel_lost".to_owned()) && mails.contains(&"order_refunded".to_owned()),
        "{mails:?}"
    );
    app.finish().await;
}

#[tokio::test]
async fn an_order_of_which_everything_is_lost_is_cancelled() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(5).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    let parcel = app.send_off(&sam, &order, &[(1, 2)]).await;
    app.parcel(&sam, &parcel, "lose", json!({ "reason": "Gone", "resend": false })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 2000 2000 0");
    assert_eq!(app.shelf(&shirt).await, (3, 0));
    assert_eq!(adjustments(&app.order(&alice, &order).await, "credits"), []);
    app.finish().await;
}

#[tokio::test]
async fn staff_complete_an_order_of_whose_arrival_nobody_hears() {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let path = format!("/orders/{order}/complete");
    let why = json!({ "reason": "She says that it is there" });
    app.act(&olga, &path, why.clone()).await.problem(409, "invalid_transition");
    app.pay(&alice, &order).await;
    let parcel = app.send_off(&sam, &order, &[(1, 1)]).await;
    app.act(&olga, &path, why.clone()).await.problem(409, "not_all_sent");
    app.act(&alice, &path, why.clone()).await.problem(403, "forbidden");
    app.cancel_lines(&olga, &order, &[(1, 1)]).await.ok(200);
    app.run_jobs().await;
    let done = app.act(&olga, &path, why).await.ok(200);
    assert_eq!((text(&done, "status"), done["closed_at"].is_string()), ("completed".to_owned(), true));
    assert_eq!(app.goods_standing(&alice, &order).await, "fulfilled none");
    // It arrives all the same.
    app.parcel(&sam, &parcel, "deliver", Value::Null).await.ok(200);
    assert_eq!(app.goods_standing(&alice, &order).await, "delivered none");
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 2000 1000 0");
    app.cancel(&olga, &order).await.problem(409, "invalid_transition");
    app.finish().await;
}
