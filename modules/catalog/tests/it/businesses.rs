//! Businesses and their members.

use poem::http::Method;
use serde_json::json;

use crate::support::{Shop, customer, id, operator, stranger};

#[tokio::test]
async fn whoever_opens_a_business_owns_it() {
    let (shop, alice) = (Shop::open().await, customer());
    let body = json!({ "name": "Lotus", "city": "Huế", "country": "VN", "description": "Tea.\nAnd cups.",
        "phone": "+84901234567" });
    let answer = shop.post(&alice, "/businesses", body).await;
    let business = answer.ok(201);
    assert_eq!(answer.header("location"), Some(format!("/v1/businesses/{}", id(&business)).as_str()));
    assert_eq!(answer.etag(), "\"1\"");
    assert_eq!(shop.get(&stranger(), &format!("/businesses/{}", id(&business))).await.ok(200), business);
    let mine = shop.get(&alice, "/my/businesses").await.ok(200);
    assert_eq!(mine, json!({ "data": [{ "role": "owner", "business": business }] }));
    assert_eq!(shop.get(&customer(), "/my/businesses").await.ok(200), json!({ "data": [] }));
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_stranger_opens_and_owns_nothing() {
    let shop = Shop::open().await;
    let body = json!({ "name": "Lotus", "city": "Huế", "country": "VN" });
    shop.post(&stranger(), "/businesses", body).await.refused(401, "unauthenticated");
    shop.get(&stranger(), "/my/businesses").await.refused(401, "unauthenticated");
    // Who they are comes before what they say.
    assert_eq!(shop.post(&stranger(), "/businesses", json!({ "name": 1 })).await.status, 401);
}

#[tokio::test]
async fn what_is_not_valid_is_refused_and_stores_nothing() {
    let (shop, alice) = (Shop::open().await, customer());
    let good = json!({ "name": "Lotus", "city": "Huế", "country": "VN" });
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\0b")),
        ("name", json!("x".repeat(121))),
        ("name", json!(1)),
        ("country", json!("Vietnam")),
        ("phone", json!("0901")),
        ("description", json!("x".repeat(2001))),
        ("owner", json!("me")),
        ("id", json!("0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f")),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(shop.post(&alice, "/businesses", bad.clone()).await.status, 400, "{bad}");
    }
    assert_eq!(shop.get(&alice, "/businesses").await.ok(200), json!({ "data": [] }));
    assert_eq!(shop.get(&alice, "/businesses/not-an-id").await.status, 400);
    let nobody = "/businesses/0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f";
    shop.get(&alice, nobody).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_member_changes_the_version_they_have_seen() {
    let (shop, alice) = (Shop::open().await, customer());
    let path = format!("/businesses/{}", shop.business(&alice, "Lotus").await);
    shop.patch(&alice, &path, "", json!({ "city": "Đà Nẵng" })).await.refused(428, "precondition_required");
    shop.patch(&alice, &path, "\"9\"", json!({ "city": "Đà Nẵng" })).await.refused(412, "precondition_failed");
    assert_eq!(shop.patch(&alice, &path, "9", json!({})).await.status, 400);
    let answer = shop.patch(&alice, &path, "\"1\"", json!({ "city": "Đà Nẵng", "phone": "+84901234567" })).await;
    assert_eq!((answer.ok(200)["city"].as_str(), answer.etag()), (Some("Đà Nẵng"), "\"2\"".to_owned()));
    let answer = shop.patch(&alice, &path, "\"2\"", json!({ "phone": null })).await.ok(200);
    assert_eq!((answer.get("phone"), &answer["name"]), (None, &json!("Lotus")));
    for other in [customer(), operator()] {
        shop.patch(&other, &path, "\"3\"", json!({ "name": "Mine" })).await.refused(404, "not_found");
    }
    shop.patch(&stranger(), &path, "\"3\"", json!({ "name": "Mine" })).await.refused(401, "unauthenticated");
    let answer = shop.get_with(&stranger(), &path, &[("if-none-match", "\"3\"")]).await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (304, 0));
    assert_eq!(shop.get_with(&stranger(), &path, &[("if-none-match", "\"2\"")]).await.status, 200);
}

#[tokio::test]
async fn the_list_shows_every_business_once() {
    let (shop, alice) = (Shop::open().await, customer());
    let mut opened = Vec::new();
    for number in 0..7 {
        opened.push(shop.business(&alice, &format!("Business {number}")).await);
    }
    let (mut seen, mut path) = (Vec::new(), "/businesses?limit=3".to_owned());
    loop {
        let page = shop.get(&stranger(), &path).await.ok(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|business| id(business).to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/businesses?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, opened);
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=%00"] {
        assert_eq!(shop.get(&stranger(), &format!("/businesses?{bad}")).await.status, 400, "{bad}");
    }
    shop.get(&stranger(), "/businesses?cursor=abcd").await.refused(400, "invalid_cursor");
}

#[tokio::test]
async fn owners_decide_who_is_a_member() {
    let (shop, alice, bob, carol) = (Shop::open().await, customer(), customer(), customer());
    let business = shop.business(&alice, "Lotus").await;
    let members = format!("/businesses/{business}/members");
    let add = |person: &crate::support::Person, role: &str| json!({ "user_id": person.id.to_string(), "role": role });

    shop.get(&bob, &members).await.refused(404, "not_found");
    shop.post(&bob, &members, add(&bob, "owner")).await.refused(404, "not_found");
    assert_eq!(shop.post(&alice, &members, add(&bob, "manager")).await.ok(201)["role"], "manager");
    shop.post(&alice, &members, add(&bob, "owner")).await.refused(409, "already_member");
    let nobody = json!({ "user_id": uuid::Uuid::nil(), "role": "manager" });
    shop.post(&alice, &members, nobody).await.refused(404, "not_found");
    assert_eq!(shop.post(&alice, &members, add(&carol, "boss")).await.status, 400);

    // A manager works for the business and decides nothing about members.
    shop.get(&bob, &members).await.refused(403, "forbidden");
    shop.post(&bob, &members, add(&carol, "manager")).await.refused(403, "forbidden");
    shop.delete(&bob, &format!("{members}/{}", alice.id)).await.refused(403, "forbidden");
    shop.patch(&bob, &format!("/businesses/{business}"), "\"1\"", json!({ "city": "Hội An" })).await.ok(200);
    let all = shop.get(&alice, &members).await.ok(200);
    assert_eq!(all["data"].as_array().unwrap().len(), 2);

    shop.delete(&alice, &format!("{members}/{}", carol.id)).await.refused(404, "not_found");
    shop.delete(&alice, &format!("{members}/{}", alice.id)).await.refused(409, "last_owner");
    shop.delete(&bob, &format!("{members}/{}", bob.id)).await.ok(204);
    shop.get(&bob, &members).await.refused(404, "not_found");
    shop.delete(&carol, &format!("{members}/{}", carol.id)).await.refused(404, "not_found");
    shop.delete(&stranger(), &format!("{members}/{}", alice.id)).await.refused(401, "unauthenticated");
    shop.assert_sound().await;
}

#[tokio::test]
async fn two_owners_cannot_remove_each_other_at_once() {
    let (shop, alice, bob) = (Shop::open().await, customer(), customer());
    let members = format!("/businesses/{}/members", shop.business(&alice, "Lotus").await);
    let body = json!({ "user_id": bob.id.to_string(), "role": "owner" });
    shop.post(&alice, &members, body).await.ok(201);
    let (alice_goes, bob_goes) = (format!("{members}/{}", alice.id), format!("{members}/{}", bob.id));
    let (one, other) = tokio::join!(shop.delete(&bob, &alice_goes), shop.delete(&alice, &bob_goes));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [204, 404 | 409]), "{statuses:?}");
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_logo_is_a_picture_like_any_other() {
    let (shop, alice) = (Shop::open().await, customer());
    let path = format!("/businesses/{}/logo", shop.business(&alice, "Lotus").await);
    let png = crate::images::png(40, 30, [200, 30, 30, 128]);
    shop.upload(&customer(), Method::PUT, &path, "l.png", png.clone()).await.refused(404, "not_found");
    shop.upload(&stranger(), Method::PUT, &path, "l.png", png.clone()).await.refused(401, "unauthenticated");
    shop.upload(&alice, Method::PUT, &path, "l.png", b"<svg/>".to_vec()).await.refused(415, "unsupported_image");
    let business = shop.upload(&alice, Method::PUT, &path, "l.png", png).await.ok(200);
    let url = business["logo_url"].as_str().unwrap().strip_prefix("http://shop.test/v1").unwrap().to_owned();
    assert_eq!(shop.get(&stranger(), &url).await.header("content-type"), Some("image/png"));
}
