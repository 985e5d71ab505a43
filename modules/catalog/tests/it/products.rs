//! Products and variants: making, seeing, changing, deleting.

use serde_json::{Value, json};

use crate::support::{Shop, customer, id, operator, stranger, variant};

fn shirt(business: &str) -> Value {
    json!({
        "business_id": business, "name": "Shirt", "description": "Linen.", "currency": "EUR",
        "attributes": [{ "name": "material", "value": "linen" }, { "name": "care", "value": "cold" }],
        "variants": [
            { "sku": "S-M", "name": "M", "options": [{ "name": "size", "value": "M" }], "price_minor": 1999, "discount_basis_points": 1000 },
            { "sku": "S-L", "name": "L", "price_minor": 2499 },
        ],
    })
}

#[tokio::test]
async fn a_product_comes_with_its_variants() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let answer = shop.post(&alice, "/products", shirt(&business)).await;
    let product = answer.ok(201);
    assert_eq!(answer.header("location"), Some(format!("/v1/products/{}", id(&product)).as_str()));
    assert_eq!(product["attributes"][0], json!({ "name": "material", "value": "linen" }));
    // 10 % of 19.99 is 1.999, rounded to 2.00.
    assert_eq!(product["variants"][0]["unit_price"], json!({ "amount": 1799, "currency": "EUR" }));
    assert_eq!(product["variants"][0]["price"], json!({ "amount": 1999, "currency": "EUR" }));
    assert_eq!(product["price_from"], json!({ "amount": 1799, "currency": "EUR" }));
    assert_eq!(
        (&product["available"], &product["in_stock"], &product["variants"][1]["available"]),
        (&json!(0), &json!(false), &json!(0))
    );
    assert_eq!(shop.get(&stranger(), &format!("/products/{}", id(&product))).await.ok(200), product);
    shop.receive(&alice, id(&product["variants"][1]), 4).await;
    let product = shop.get(&stranger(), &format!("/products/{}", id(&product))).await.ok(200);
    assert_eq!(
        (&product["available"], &product["in_stock"], &product["variants"][1]["available"]),
        (&json!(4), &json!(true), &json!(4))
    );
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_product_without_variants_gets_one() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let product = shop.product(&alice, &business, "TEA-1", 500).await;
    assert_eq!(product["variants"].as_array().unwrap().len(), 1);
    assert_eq!((&product["variants"][0]["sku"], product["variants"][0].get("name")), (&json!("TEA-1"), None));
    let base = json!({ "business_id": business, "name": "Tea", "currency": "USD" });
    for (more, what) in [
        (json!({}), "neither"),
        (json!({ "sku": "A" }), "no price"),
        (json!({ "price_minor": 5 }), "no sku"),
        (json!({ "variants": [] }), "no variants"),
        (json!({ "sku": "A", "price_minor": 5, "variants": [{ "sku": "B", "price_minor": 5 }] }), "both"),
    ] {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(
            shop.post(&alice, "/products", body).await.refused(409, "variants_or_price")["status"],
            409,
            "{what}"
        );
    }
}

#[tokio::test]
async fn only_members_sell_for_a_business() {
    let (shop, alice, mallory) = (Shop::open().await, customer(), customer());
    let business = shop.business(&alice, "Lotus").await;
    shop.business(&mallory, "Thistle").await;
    for other in [&mallory, &operator()] {
        shop.post(other, "/products", shirt(&business)).await.refused(404, "not_found");
    }
    shop.post(&stranger(), "/products", shirt(&business)).await.refused(401, "unauthenticated");
    assert_eq!(shop.get(&stranger(), "/products").await.ok(200), json!({ "data": [] }));
}

#[tokio::test]
async fn what_is_not_valid_is_refused_and_stores_nothing() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    for (pointer, value) in [
        ("/name", json!("")),
        ("/name", json!("x".repeat(201))),
        ("/name", json!("\u{7}")),
        ("/currency", json!("XXX")),
        ("/description", json!(3)),
        ("/variants/0/price_minor", json!(-1)),
        ("/variants/0/price_minor", json!(1_000_000_000_001_i64)),
        ("/variants/0/price_minor", json!(1.5)),
        ("/variants/0/price_minor", json!("5")),
        ("/variants/0/discount_basis_points", json!(10_001)),
        ("/variants/0/discount_basis_points", json!(-1)),
        ("/variants/0/sku", json!("a b")),
        ("/variants/0/name", json!(" ")),
        ("/attributes", json!([{ "name": "a", "value": "b", "more": 1 }])),
        ("/attributes", json!(vec![json!({ "name": "a", "value": "b" }); 51])),
        ("/variants", json!(vec![json!({ "sku": "a", "price_minor": 1 }); 101])),
    ] {
        let mut body = shirt(&business);
        *body.pointer_mut(pointer).unwrap() = value;
        assert_eq!(shop.post(&alice, "/products", body.clone()).await.status, 400, "{pointer} {body}");
    }
    for field in ["id", "version", "available", "unit_price", "price_from", "deleted_at"] {
        let mut body = shirt(&business);
        body[field] = json!(1);
        assert_eq!(shop.post(&alice, "/products", body).await.status, 400, "{field}");
    }
    let mut body = shirt(&business);
    body["attributes"][1]["name"] = json!("material");
    shop.post(&alice, "/products", body).await.refused(409, "duplicate_attribute");
    let mut body = shirt(&business);
    body["category_id"] = json!("0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f");
    shop.post(&alice, "/products", body).await.refused(409, "unknown_category");
    let mut body = shirt(&business);
    body["variants"][1]["sku"] = json!("S-M");
    shop.post(&alice, "/products", body).await.refused(409, "sku_taken");
    assert_eq!(shop.get(&alice, "/products?active=any").await.ok(200), json!({ "data": [] }));
}

#[tokio::test]
async fn a_sku_is_unique_in_its_business_and_free_again_after_deletion() {
    let (shop, alice, bob) = (Shop::open().await, customer(), customer());
    let lotus = shop.business(&alice, "Lotus").await;
    let thistle = shop.business(&bob, "Thistle").await;
    let product = shop.product(&alice, &lotus, "A-1", 100).await;
    shop.product(&bob, &thistle, "A-1", 100).await;
    let again = json!({ "business_id": lotus, "name": "Again", "currency": "USD", "sku": "A-1", "price_minor": 1 });
    shop.post(&alice, "/products", again.clone()).await.refused(409, "sku_taken");
    shop.delete(&alice, &format!("/products/{}", id(&product))).await.ok(204);
    shop.post(&alice, "/products", again).await.ok(201);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_product_is_changed_at_the_version_that_was_seen() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let tea = shop.category("tea", None).await;
    let answer = shop.post(&alice, "/products", shirt(&business)).await;
    let path = format!("/products/{}", id(&answer.ok(201)));
    let seen = answer.etag();
    shop.patch(&alice, &path, "", json!({ "name": "Blouse" })).await.refused(428, "precondition_required");
    let changed = shop
        .patch(
            &alice,
            &path,
            &seen,
            json!({ "name": "Blouse", "category_id": tea, "attributes": [{ "name": "a", "value": "b" }] }),
        )
        .await;
    let product = changed.ok(200);
    assert_eq!(
        (&product["name"], &product["version"], &product["category_id"]),
        (&json!("Blouse"), &json!(2), &json!(tea))
    );
    assert_eq!(product["description"], "Linen.");
    shop.patch(&alice, &path, &seen, json!({ "name": "Skirt" })).await.refused(412, "precondition_failed");
    let product = shop.patch(&alice, &path, &changed.etag(), json!({ "category_id": null })).await.ok(200);
    assert_eq!(product.get("category_id"), None);
    for bad in [json!({ "currency": "USD" }), json!({ "version": 7 }), json!({ "name": "" }), json!({ "active": 1 })] {
        assert_eq!(shop.patch(&alice, &path, "\"3\"", bad.clone()).await.status, 400, "{bad}");
    }
    // Staff may; others see no such product, however public it is.
    shop.patch(&operator(), &path, "\"3\"", json!({ "description": "" })).await.ok(200);
    shop.patch(&customer(), &path, "\"4\"", json!({ "name": "Mine" })).await.refused(404, "not_found");
    shop.patch(&stranger(), &path, "\"4\"", json!({ "name": "Mine" })).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_sale_changes_the_tag_and_not_the_version() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let product = shop.product(&alice, &business, "A", 100).await;
    let path = format!("/products/{}", id(&product));
    let tag = shop.get(&alice, &path).await.etag();
    let answer = shop.get_with(&stranger(), &path, &[("if-none-match", &tag)]).await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len(), answer.etag()), (304, 0, tag.clone()));
    shop.receive(&alice, variant(&product), 3).await;
    let answer = shop.get_with(&stranger(), &path, &[("if-none-match", &tag)]).await;
    assert_eq!(answer.ok(200)["available"], 3);
    assert_ne!(answer.etag(), tag);
    shop.patch(&alice, &path, &tag, json!({ "name": "Renamed" })).await.ok(200);
}

#[tokio::test]
async fn what_is_not_on_sale_is_seen_by_its_own_people_only() {
    let (shop, alice, mallory) = (Shop::open().await, customer(), customer());
    let business = shop.business(&alice, "Lotus").await;
    shop.business(&mallory, "Thistle").await;
    let path = format!("/products/{}", id(&shop.product(&alice, &business, "A", 100).await));
    shop.patch(&alice, &path, "\"1\"", json!({ "active": false })).await.ok(200);
    for own in [&alice, &operator()] {
        assert_eq!(shop.get(own, &path).await.ok(200)["active"], false);
    }
    for other in [&mallory, &stranger()] {
        shop.get(other, &path).await.refused(404, "not_found");
    }
    shop.delete(&mallory, &path).await.refused(404, "not_found");
    shop.delete(&stranger(), &path).await.refused(401, "unauthenticated");
    shop.delete(&alice, &path).await.ok(204);
    shop.delete(&alice, &path).await.refused(404, "not_found");
    shop.patch(&alice, &path, "\"3\"", json!({ "active": true })).await.refused(404, "not_found");
    let deleted = shop.get(&alice, &path).await.ok(200);
    assert!(deleted["deleted_at"].is_string());
    assert_eq!(deleted["variants"].as_array().unwrap().len(), 1);
    shop.get(&mallory, &path).await.refused(404, "not_found");
    for person in [&alice, &operator(), &stranger()] {
        assert_eq!(shop.get(person, "/products?active=any").await.ok(200), json!({ "data": [] }));
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn variants_are_added_changed_and_deleted() {
    let (shop, alice, mallory) = (Shop::open().await, customer(), customer());
    let business = shop.business(&alice, "Lotus").await;
    let product = shop.product(&alice, &business, "A", 1000).await;
    let variants = format!("/products/{}/variants", id(&product));
    let new = json!({ "sku": "B", "name": "Small", "price_minor": 400 });
    shop.post(&mallory, &variants, new.clone()).await.refused(404, "not_found");
    shop.post(&stranger(), &variants, new.clone()).await.refused(401, "unauthenticated");
    let answer = shop.post(&alice, &variants, new.clone()).await;
    let product = answer.ok(201);
    assert_eq!((&product["version"], &product["price_from"]["amount"]), (&json!(2), &json!(400)));
    shop.post(&alice, &variants, new).await.refused(409, "sku_taken");

    let small = format!("/variants/{}", id(&product["variants"][1]));
    let change = json!({ "price_minor": 600, "discount_basis_points": 5000, "name": null, "options": [{ "name": "size", "value": "S" }] });
    shop.patch(&alice, &small, "", change.clone()).await.refused(428, "precondition_required");
    shop.patch(&alice, &small, "\"1\"", change.clone()).await.refused(412, "precondition_failed");
    shop.patch(&mallory, &small, "\"2\"", change.clone()).await.refused(404, "not_found");
    shop.patch(&stranger(), &small, "\"2\"", change.clone()).await.refused(401, "unauthenticated");
    let product = shop.patch(&alice, &small, &answer.etag(), change).await.ok(200);
    assert_eq!(product["variants"][1]["unit_price"]["amount"], 300);
    assert_eq!((product["variants"][1].get("name"), &product["price_from"]["amount"]), (None, &json!(300)));
    shop.patch(&alice, &small, "\"3\"", json!({ "sku": "A" })).await.refused(409, "sku_taken");
    let product = shop.patch(&alice, &small, "\"3\"", json!({ "discount_basis_points": null })).await.ok(200);
    assert_eq!(product["price_from"]["amount"], 600);

    shop.delete(&mallory, &small).await.refused(404, "not_found");
    shop.delete(&stranger(), &small).await.refused(401, "unauthenticated");
    shop.delete(&alice, &small).await.ok(204);
    shop.delete(&alice, &small).await.refused(404, "not_found");
    shop.patch(&alice, &small, "\"5\"", json!({ "price_minor": 1 })).await.refused(404, "not_found");
    let last = format!("/variants/{}", variant(&product));
    shop.delete(&alice, &last).await.refused(409, "last_variant");
    let product = shop.get(&alice, &format!("/products/{}", id(&product))).await.ok(200);
    assert_eq!((&product["price_from"]["amount"], product["variants"].as_array().unwrap().len()), (&json!(1000), 1));
    shop.assert_sound().await;
}

#[tokio::test]
async fn the_database_and_the_rule_agree_on_unit_prices() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let mut cases: Vec<(i64, i32)> =
        vec![(0, 0), (1, 5_000), (3, 5_000), (1_000_000_000_000, 9_999), (999, 1), (5, 9_999)];
    cases.extend((1..90).map(|n| (n * 7_919 % 100_003, i32::try_from(n * 611 % 10_001).unwrap())));
    let variants: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(n, (price, points))| json!({ "sku": format!("S{n}"), "price_minor": price, "discount_basis_points": points }))
        .collect();
    let body = json!({ "business_id": business, "name": "Prices", "currency": "USD", "variants": variants });
    let product = shop.post(&alice, "/products", body).await.ok(201);
    for (n, (price, points)) in cases.into_iter().enumerate() {
        let unit = catalog::price::unit_price(price, Some(points)).unwrap();
        assert_eq!(product["variants"][n]["unit_price"]["amount"], unit, "{price} {points}");
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn of_sixteen_edits_at_one_version_one_wins() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let path = format!("/products/{}", id(&shop.product(&alice, &business, "A", 100).await));
    let edits =
        (0..16).map(|n| shop.patch(&alice, &path, "\"1\"", json!({ "name": format!("Name {n}") })).boxed_local());
    let answers = futures_util::future::join_all(edits).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
    assert_eq!((count(200), count(412)), (1, 15));
    assert_eq!(shop.get(&alice, &path).await.ok(200)["version"], 2);
}

use futures_util::FutureExt;
