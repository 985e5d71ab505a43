//! Categories: everybody looks, operators tend.

use serde_json::json;

use crate::support::{Shop, customer, id, operator, stranger};

#[tokio::test]
async fn operators_tend_and_everybody_looks() {
    let (shop, op) = (Shop::open().await, operator());
    let answer = shop.post(&op, "/categories", json!({ "slug": "tea", "name": "Tea" })).await;
    let tea = answer.ok(201);
    let path = format!("/categories/{}", id(&tea));
    assert_eq!(answer.header("location"), Some(format!("/v1{path}").as_str()));
    assert_eq!(shop.get(&stranger(), &path).await.ok(200), tea);
    let green = shop.category("green", Some(id(&tea))).await;
    let black = shop.category("black", Some(id(&tea))).await;
    let tree = shop.get(&stranger(), "/category-tree").await.ok(200);
    assert_eq!(tree["data"][0]["slug"], "tea");
    assert_eq!(
        (&tree["data"][0]["children"][0]["id"], &tree["data"][0]["children"][1]["id"]),
        (&json!(black), &json!(green))
    );
    let page = shop.get(&stranger(), "/categories?limit=2").await.ok(200);
    assert_eq!((&page["data"][0]["slug"], &page["data"][1]["slug"]), (&json!("black"), &json!("green")));
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = shop.get(&stranger(), &format!("/categories?limit=2&cursor={cursor}")).await.ok(200);
    assert_eq!(rest, json!({ "data": [tea] }));

    let body = json!({ "slug": "x", "name": "X" });
    shop.post(&customer(), "/categories", body.clone()).await.refused(403, "forbidden");
    shop.post(&stranger(), "/categories", body.clone()).await.refused(401, "unauthenticated");
    shop.patch(&customer(), &path, "\"1\"", json!({})).await.refused(403, "forbidden");
    shop.patch(&stranger(), &path, "\"1\"", json!({})).await.refused(401, "unauthenticated");
    shop.delete(&customer(), &path).await.refused(403, "forbidden");
    shop.delete(&stranger(), &path).await.refused(401, "unauthenticated");
    shop.assert_sound().await;
}

#[tokio::test]
async fn slugs_are_unique_and_well_formed() {
    let (shop, op) = (Shop::open().await, operator());
    let tea = shop.category("tea", None).await;
    shop.category("rice", None).await;
    shop.post(&op, "/categories", json!({ "slug": "tea", "name": "Tea" })).await.refused(409, "slug_taken");
    shop.patch(&op, &format!("/categories/{tea}"), "\"1\"", json!({ "slug": "rice" })).await.refused(409, "slug_taken");
    for bad in ["", "Tea", "green tea", "-tea", "../tea"] {
        assert_eq!(shop.post(&op, "/categories", json!({ "slug": bad, "name": "Tea" })).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_tree_has_no_cycle_and_eight_levels() {
    let (shop, op) = (Shop::open().await, operator());
    let mut chain: Vec<String> = Vec::new();
    for level in 1..=8 {
        chain.push(shop.category(&format!("level-{level}"), chain.last().map(String::as_str)).await);
    }
    let ninth = json!({ "slug": "level-9", "name": "9", "parent_id": chain[7] });
    shop.post(&op, "/categories", ninth).await.refused(409, "category_too_deep");
    let root = format!("/categories/{}", chain[0]);
    for below in &chain {
        shop.patch(&op, &root, "\"1\"", json!({ "parent_id": below })).await.refused(409, "category_cycle");
    }
    let nobody = json!({ "parent_id": "0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f" });
    shop.patch(&op, &root, "\"1\"", nobody).await.refused(409, "unknown_category");
    shop.patch(&op, &root, "", json!({ "name": "x" })).await.refused(428, "precondition_required");
    shop.patch(&op, &root, "\"2\"", json!({ "name": "x" })).await.refused(412, "precondition_failed");
    let fifth = format!("/categories/{}", chain[4]);
    let moved = shop.patch(&op, &fifth, "\"1\"", json!({ "parent_id": null, "name": "Five" })).await.ok(200);
    assert_eq!((moved.get("parent_id"), &moved["name"], &moved["version"]), (None, &json!("Five"), &json!(2)));
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_category_is_deleted_when_nothing_is_in_it() {
    let (shop, op, alice) = (Shop::open().await, operator(), customer());
    let tea = shop.category("tea", None).await;
    let green = shop.category("green", Some(&tea)).await;
    let business = shop.business(&alice, "Lotus").await;
    let body = json!({ "business_id": business, "category_id": green, "name": "Tea", "currency": "USD", "sku": "T",
        "price_minor": 100 });
    let product = shop.post(&alice, "/products", body).await.ok(201);
    let (tea, green) = (format!("/categories/{tea}"), format!("/categories/{green}"));
    shop.delete(&op, &tea).await.refused(409, "category_in_use");
    shop.delete(&op, &green).await.refused(409, "category_in_use");
    shop.delete(&alice, &format!("/products/{}", id(&product))).await.ok(204);
    shop.delete(&op, &green).await.ok(204);
    shop.delete(&op, &tea).await.ok(204);
    shop.delete(&op, &tea).await.refused(404, "not_found");
    shop.get(&op, &tea).await.refused(404, "not_found");
}
