//! Stock over HTTP: levels, receipts, counts, movements.

use catalog::stock::{MovementKind, OrderMove};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::support::{Person, Shop, customer, id, operator, stranger, variant};

/// A seller with a product; the path of its stock.
async fn stocked(units: i32) -> (Shop, Person, String) {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let product = shop.product(&alice, &business, "A", 100).await;
    if units > 0 {
        shop.receive(&alice, variant(&product), units).await;
    }
    let path = format!("/variants/{}/stock", variant(&product));
    (shop, alice, path)
}

fn levels(value: &Value) -> (i64, i64, i64, i64) {
    let number = |name: &str| value[name].as_i64().unwrap();
    (number("on_hand"), number("reserved"), number("available"), number("version"))
}

#[tokio::test]
async fn goods_come_in_and_are_counted() {
    let (shop, alice, path) = stocked(0).await;
    let answer = shop.get(&alice, &path).await;
    assert_eq!((levels(&answer.ok(200)), answer.etag()), ((0, 0, 0, 0), "\"0\"".to_owned()));
    let (receive, count) = (format!("{path}/receive"), format!("{path}/count"));
    let body = json!({ "quantity": 5, "reason": "Delivery note 1" });
    let answer = shop.post_with(&alice, &receive, &[("idempotency-key", "r1")], body).await;
    assert_eq!(levels(&answer.ok(200)), (5, 0, 5, 1));
    assert_eq!(answer.header("idempotency-replayed"), None);
    let body = json!({ "on_hand": 3, "reason": "Two broke" });
    let headers = [("idempotency-key", "c1"), ("if-match", "\"1\"")];
    assert_eq!(levels(&shop.post_with(&operator(), &count, &headers, body).await.ok(200)), (3, 0, 3, 2));
    // A count that finds what the book says is a fact as well.
    let body = json!({ "on_hand": 3, "reason": "Right this time" });
    let headers = [("idempotency-key", "c2"), ("if-match", "\"2\"")];
    assert_eq!(levels(&shop.post_with(&alice, &count, &headers, body).await.ok(200)), (3, 0, 3, 3));

    let movements = shop.get(&alice, &format!("{path}/movements?limit=2")).await.ok(200);
    let first = &movements["data"][0];
    assert_eq!(
        (&first["kind"], &first["on_hand_delta"], &first["reason"]),
        (&json!("adjust"), &json!(0), &json!("Right this time"))
    );
    assert_eq!(first["actor"], json!(alice.id.to_string()));
    let cursor = movements["next_cursor"].as_str().unwrap();
    let rest = shop.get(&alice, &format!("{path}/movements?limit=2&cursor={cursor}")).await.ok(200);
    assert_eq!((&rest["data"][0]["kind"], &rest["data"][0]["version_after"]), (&json!("receive"), &json!(1)));
    assert_eq!((rest["data"].as_array().unwrap().len(), rest.get("next_cursor")), (1, None));
    shop.assert_sound().await;
}

#[tokio::test]
async fn stock_is_the_affair_of_its_own_people() {
    let (shop, _alice, path) = stocked(5).await;
    let mallory = customer();
    shop.business(&mallory, "Thistle").await;
    let headers = [("idempotency-key", "k"), ("if-match", "\"1\"")];
    for (person, status, code) in [(&mallory, 404, "not_found"), (&stranger(), 401, "unauthenticated")] {
        shop.get(person, &path).await.refused(status, code);
        shop.get(person, &format!("{path}/movements")).await.refused(status, code);
        shop.post_with(person, &format!("{path}/receive"), &headers, json!({ "quantity": 1 }))
            .await
            .refused(status, code);
        let count = json!({ "on_hand": 0, "reason": "Mine" });
        shop.post_with(person, &format!("{path}/count"), &headers, count).await.refused(status, code);
    }
    assert_eq!(levels(&shop.get(&operator(), &path).await.ok(200)), (5, 0, 5, 1));
}

#[tokio::test]
async fn what_is_not_valid_is_refused_and_changes_nothing() {
    let (shop, alice, path) = stocked(5).await;
    let headers = [("idempotency-key", "k"), ("if-match", "\"1\"")];
    for bad in [
        json!({}),
        json!({ "quantity": 0 }),
        json!({ "quantity": -5 }),
        json!({ "quantity": 1_000_001 }),
        json!({ "quantity": 99_999_999_999_i64 }),
        json!({ "quantity": "5" }),
        json!({ "quantity": 1.5 }),
        json!({ "quantity": 1, "reason": "" }),
        json!({ "quantity": 1, "reason": "x".repeat(501) }),
        json!({ "quantity": 1, "on_hand_after": 7 }),
    ] {
        assert_eq!(
            shop.post_with(&alice, &format!("{path}/receive"), &headers, bad.clone()).await.status,
            400,
            "{bad}"
        );
    }
    for bad in [
        json!({ "on_hand": 1 }),
        json!({ "on_hand": -1, "reason": "x" }),
        json!({ "on_hand": 1_000_000_001, "reason": "x" }),
    ] {
        assert_eq!(shop.post_with(&alice, &format!("{path}/count"), &headers, bad.clone()).await.status, 400, "{bad}");
    }
    let count = json!({ "on_hand": 1_000_000_000, "reason": "Sand" });
    shop.post_with(&alice, &format!("{path}/count"), &headers, count).await.ok(200);
    let headers = [("idempotency-key", "k2")];
    shop.post_with(&alice, &format!("{path}/receive"), &headers, json!({ "quantity": 1 }))
        .await
        .refused(409, "stock_too_large");
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_count_names_the_version_it_began_at() {
    let (shop, alice, path) = stocked(5).await;
    let (count, body) = (format!("{path}/count"), json!({ "on_hand": 4, "reason": "One broke" }));
    shop.post_with(&alice, &count, &[("idempotency-key", "a")], body.clone())
        .await
        .refused(428, "precondition_required");
    let stale = [("idempotency-key", "a"), ("if-match", "\"0\"")];
    shop.post_with(&alice, &count, &stale, body.clone()).await.refused(412, "precondition_failed");
    // A refusal is not stored: the same key may try again.
    let fresh = [("idempotency-key", "a"), ("if-match", "\"1\"")];
    assert_eq!(levels(&shop.post_with(&alice, &count, &fresh, body.clone()).await.ok(200)), (4, 0, 4, 2));
    let again = shop.post_with(&alice, &count, &fresh, body).await;
    assert_eq!((levels(&again.ok(200)), again.header("idempotency-replayed")), ((4, 0, 4, 2), Some("true")));
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer() {
    let (shop, alice, path) = stocked(0).await;
    let receive = format!("{path}/receive");
    shop.post(&alice, &receive, json!({ "quantity": 5 })).await.refused(400, "idempotency_key_required");
    let headers = [("idempotency-key", "same")];
    let sendings = (0..12).map(|_| shop.post_with(&alice, &receive, &headers, json!({ "quantity": 5 })).boxed_local());
    let answers = futures_util::future::join_all(sendings).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.bytes == answers[0].bytes));
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!(levels(&shop.get(&alice, &path).await.ok(200)), (5, 0, 5, 1));
    shop.post_with(&alice, &receive, &headers, json!({ "quantity": 6 })).await.refused(422, "idempotency_key_reused");
    let body = json!({ "on_hand": 5, "reason": "x" });
    let headers = [("idempotency-key", "same"), ("if-match", "\"1\"")];
    shop.post_with(&alice, &format!("{path}/count"), &headers, body).await.refused(422, "idempotency_key_reused");
    // Another person's key is another key.
    shop.post_with(&operator(), &receive, &[("idempotency-key", "same")], json!({ "quantity": 6 })).await.ok(200);
    shop.assert_sound().await;
}

#[tokio::test]
async fn of_sixteen_counts_at_one_version_one_wins() {
    let (shop, alice, path) = stocked(50).await;
    let count = format!("{path}/count");
    let keys: Vec<String> = (0..16).map(|n| format!("count-{n}")).collect();
    let headers: Vec<[(&str, &str); 2]> =
        keys.iter().map(|key| [("idempotency-key", key.as_str()), ("if-match", "\"1\"")]).collect();
    let counts = headers.iter().enumerate().map(|(n, headers)| {
        shop.post_with(&alice, &count, headers, json!({ "on_hand": n, "reason": "All at once" })).boxed_local()
    });
    let answers = futures_util::future::join_all(counts).await;
    let status = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
    assert_eq!((status(200), status(412)), (1, 15));
    assert_eq!(shop.get(&alice, &path).await.ok(200)["version"], 2);
    shop.assert_sound().await;
}

#[tokio::test]
async fn m_05_the_database_itself_refuses_to_oversell_and_to_forget() {
    let (shop, alice, path) = stocked(5).await;
    let mut conn = shop.conn().await;
    for (sql, constraint) in [
        ("UPDATE catalog.stock SET reserved = 6", "stock_not_oversold"),
        ("UPDATE catalog.stock SET reserved = -1", "stock_reserved_not_negative"),
        ("UPDATE catalog.stock SET on_hand = 1000000001", "stock_on_hand_range"),
        ("UPDATE catalog.stock_movements SET on_hand_delta = 1", "append-only"),
        ("DELETE FROM catalog.stock_movements", "append-only"),
        ("TRUNCATE catalog.stock_movements", "append-only"),
        (
            "INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, version_after, at) \
             SELECT variant_id, 'receive', 1, 0, 1, 0, 1, now() FROM catalog.stock",
            "stock_movements_variant_id_version_after_key",
        ),
        (
            "INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, version_after, at) \
             SELECT variant_id, 'reserve', 0, 1, 5, 1, 2, now() FROM catalog.stock",
            "stock_movements_kind",
        ),
    ] {
        let error = conn.batch_execute(sql).await.unwrap_err().to_string();
        assert!(error.contains(constraint), "{sql}: {error}");
    }
    drop(conn);
    assert_eq!(levels(&shop.get(&alice, &path).await.ok(200)), (5, 0, 5, 1));
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_count_below_what_is_reserved_names_the_orders() {
    let (shop, alice, path) = stocked(5).await;
    let variant = path.split('/').nth(2).unwrap().parse().unwrap();
    let (order, other) = (kernel::OrderId::new(), kernel::OrderId::new());
    let mut conn = shop.conn().await;
    crate::stock_face::reserve(&mut conn, order, &[(variant, 3)], shop.tick()).await;
    crate::stock_face::reserve(&mut conn, other, &[(variant, 1)], shop.tick()).await;
    let release = OrderMove { variant_id: variant, kind: MovementKind::Release, quantity: 1 };
    catalog::stock::move_for_order(&mut conn, other, &[release], None, shop.tick()).await.unwrap();
    drop(conn);
    let headers = [("idempotency-key", "c"), ("if-match", "\"4\"")];
    let body = json!({ "on_hand": 2, "reason": "Only two left" });
    let refusal =
        shop.post_with(&alice, &format!("{path}/count"), &headers, body).await.refused(409, "count_below_reserved");
    assert_eq!(refusal["errors"], json!([{ "field": format!("orders/{order}"), "message": "3 units are reserved" }]));
    assert_eq!(levels(&shop.get(&alice, &path).await.ok(200)), (5, 3, 2, 4));
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_deleted_variant_keeps_its_stock_and_ledger() {
    let (shop, alice, path) = stocked(5).await;
    let list = shop.get(&alice, "/products").await.ok(200);
    shop.delete(&alice, &format!("/products/{}", id(&list["data"][0]))).await.ok(204);
    assert_eq!(levels(&shop.get(&alice, &path).await.ok(200)), (5, 0, 5, 1));
    assert_eq!(shop.get(&alice, &format!("{path}/movements")).await.ok(200)["data"].as_array().unwrap().len(), 1);
    let count: i64 =
        diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>("(SELECT count(*) FROM catalog.stock)"))
            .get_result(&mut *shop.conn().await)
            .await
            .unwrap();
    assert_eq!(count, 1);
    shop.assert_sound().await;
}
