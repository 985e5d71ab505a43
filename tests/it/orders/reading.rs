//! Who sees what: buyers their own, sellers their lines, staff everything.

use serde_json::{Value, json};

use crate::support::{app::TestApp, shop::text};

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|order| text(order, "id")).collect()
}

#[tokio::test]
async fn a_buyer_walks_through_their_own_orders() {
    let app = TestApp::new().await;
    let (alice, bob) = (app.customer("alice").await, app.customer("bob").await);
    let shirt = app.variant().stock(100).create().await;
    let mut placed = Vec::new();
    for _ in 0..7 {
        placed.push(app.place(&alice, &[(&shirt, 1)]).await);
        app.place(&bob, &[(&shirt, 1)]).await;
    }
    placed.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&alice, &format!("/orders?limit=3{cursor}")).await.ok(200);
        seen.extend(ids(&page));
        let Some(next) = page.get("next_cursor").and_then(Value::as_str) else { break };
        cursor = format!("&cursor={next}");
        // What is placed meanwhile does not shift the pages.
        app.place(&alice, &[(&shirt, 1)]).await;
    }
    assert_eq!(seen, placed);
    app.cancel(&alice, &placed[2]).await.ok(200);
    assert_eq!(ids(&app.get(&alice, "/orders?status=cancelled").await.ok(200)), [placed[2].clone()]);
    app.get(&alice, "/orders?cursor=bm90IG91cnM").await.problem(400, "invalid_cursor");
    app.finish().await;
}

#[tokio::test]
async fn the_history_is_read_in_pages() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.pay(&alice, &order).await;
    let first = app.get(&alice, &format!("/orders/{order}/events?limit=3")).await.ok(200);
    let rest = format!("/orders/{order}/events?limit=3&cursor={}", text(&first, "next_cursor"));
    let rest = app.get(&alice, &rest).await.ok(200);
    assert_eq!((first["data"][2]["seq"].as_i64(), rest["data"][0]["seq"].as_i64()), (Some(3), Some(4)));
    assert_eq!(rest.get("next_cursor"), None);
    app.finish().await;
}

#[tokio::test]
async fn others_see_nothing_and_staff_everything() {
    let app = TestApp::new().await;
    let (alice, mallory, olga) = (app.customer("alice").await, app.customer("mallory").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    for path in ["", "/events", "/payments"] {
        let path = format!("/orders/{order}{path}");
        app.get(&mallory, &path).await.problem(404, "not_found");
        app.get(&olga, &path).await.ok(200);
    }
    assert_eq!(ids(&app.get(&mallory, "/orders").await.ok(200)), Vec::<String>::new());
    assert_eq!(ids(&app.get(&olga, "/orders").await.ok(200)), Vec::<String>::new(), "her own");
    app.get(&mallory, "/admin/orders").await.problem(403, "forbidden");
    app.finish().await;
}

#[tokio::test]
async fn a_seller_sees_their_own_lines_only() {
    let app = TestApp::new().await;
    let (sam, mai) = (app.seller("sam").await, app.seller("mai").await);
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().of(&sam).price(500).create().await;
    let cup = app.variant().of(&mai).price(70).create().await;
    let both = app.place(&alice, &[(&shirt, 1), (&cup, 3)]).await;
    let hers = app.place(&alice, &[(&cup, 1)]).await;

    let path = format!("/businesses/{}/orders", mai.id);
    let list = app.get(&mai.owner, &path).await.ok(200);
    assert_eq!(ids(&list), [hers, both.clone()]);
    let share = &list["data"][1];
    assert_eq!(share["lines"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&share["lines_total"]["amount"], share.get("ship_to")),
        (&json!(210), None),
        "no address before it is paid"
    );
    assert_eq!(share.get("total"), None);

    app.pay(&alice, &both).await;
    let list = app.get(&mai.owner, &format!("{path}?status=confirmed")).await.ok(200);
    assert_eq!(ids(&list), [both]);
    assert_eq!(list["data"][0]["ship_to"]["city"], "Hanoi");

    app.get(&sam.owner, &path).await.problem(404, "not_found");
    app.get(&alice, &path).await.problem(404, "not_found");
    app.get(&olga, &path).await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn operators_filter_everybodys_orders() {
    let app = TestApp::new().await;
    let (sam, mai) = (app.seller("sam").await, app.seller("mai").await);
    let (alice, bob, olga) = (app.customer("alice").await, app.customer("bob").await, app.operator().await);
    let (shirt, cup) = (app.variant().of(&sam).create().await, app.variant().of(&mai).create().await);
    let old = app.place(&alice, &[(&shirt, 1)]).await;
    let between = app.now() + chrono::TimeDelta::minutes(1);
    app.advance_minutes(2);
    let paid = app.place(&bob, &[(&cup, 1), (&shirt, 1)]).await;
    app.pay(&bob, &paid).await;
    let number = text(&app.order(&olga, &old).await, "number");
    let between = between.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    for (filter, found) in [
        (String::new(), vec![&paid, &old]),
        (format!("customer_id={}", alice.id), vec![&old]),
        (format!("business_id={}", mai.id), vec![&paid]),
        (format!("business_id={}", sam.id), vec![&paid, &old]),
        (format!("number={}", number.to_lowercase()), vec![&old]),
        ("status=confirmed".to_owned(), vec![&paid]),
        ("payment_status=unpaid".to_owned(), vec![&old]),
        ("fulfillment_status=unfulfilled".to_owned(), vec![&paid, &old]),
        ("fulfillment_status=delivered".to_owned(), vec![]),
        (format!("placed_from={between}"), vec![&paid]),
        (format!("placed_to={between}"), vec![&old]),
        (format!("business_id={}&status=pending", mai.id), vec![]),
    ] {
        let list = app.get(&olga, &format!("/admin/orders?{filter}")).await.ok(200);
        assert_eq!(ids(&list).iter().collect::<Vec<_>>(), found, "{filter}");
    }
    app.finish().await;
}
