//! What belongs to somebody is not there for others: 404, and nothing changes.

use reqwest::Method;
use serde_json::{Value, json};

use super::operation::{Operation, operations};
use crate::support::{
    app::{Person, TestApp},
    shop::text,
};

/// What the owner has.
pub struct Estate {
    pub business: String,
    pub owner: String,
    pub product: Value,
    pub variant: String,
    pub order: String,
    pub parcel: String,
    pub returned: String,
}

/// Whose it is.
pub struct Owners {
    pub buyer: Person,
    pub seller: Person,
    pub operator: Person,
}

/// The path to the owner's own things.
pub fn path_to(operation: &Operation, estate: &Estate) -> String {
    let path = operation.path;
    operation.path_with(|name| match name {
        "user_id" => estate.owner.clone(),
        "image_id" => uuid::Uuid::nil().to_string(),
        "business_id" => estate.business.clone(),
        "payment_id" => uuid::Uuid::nil().to_string(),
        "id" if path.contains("/orders/") => estate.order.clone(),
        "id" if path.starts_with("/v1/shipments/") => estate.parcel.clone(),
        "id" if path.starts_with("/v1/returns/") => estate.returned.clone(),
        "id" if path.starts_with("/v1/businesses/") => estate.business.clone(),
        "id" if path.starts_with("/v1/products/") => text(&estate.product, "id"),
        "id" if path.starts_with("/v1/variants/") => estate.variant.clone(),
        "id" if path.contains("/exports/") => uuid::Uuid::nil().to_string(),
        other => panic!("{path}: whose is {other}?"),
    })
}

/// A well-formed body about the owner's things.
pub fn body_of(operation: &Operation, estate: &Estate) -> Option<Value> {
    let mut body = operation.example()?;
    for (field, value) in body.as_object_mut()? {
        match field.as_str() {
            "business_id" => *value = json!(estate.business),
            "category_id" | "parent_id" => *value = Value::Null,
            _ => {}
        }
    }
    Some(body)
}

/// A shop with a product, and an order of it: a parcel of that has arrived, and is on its way back.
pub async fn estate(app: &TestApp) -> (Estate, Owners) {
    let alice = app.customer("alice").await;
    let shop = app.seller("sam").await;
    let product = app.variant().of(&shop).product().await;
    let variant = text(&product["variants"][0], "id");
    let order = app.place(&alice, &[(&variant, 3)]).await;
    let olga = app.operator().await;
    let done = async |person: &Person, path: String, body: Value, status| {
        app.command(person, &path, &app.key(), body).await.ok(status)
    };
    let (one, nothing) = (json!([{ "position": 1, "quantity": 1 }]), json!({}));
    done(&olga, format!("/orders/{order}/confirm"), json!({ "method": "other" }), 200).await;
    let packed = done(&shop.owner, format!("/orders/{order}/shipments"), json!({ "lines": one }), 201).await;
    let parcel = text(&packed["shipment"], "id");
    done(&shop.owner, format!("/shipments/{parcel}/ship"), nothing.clone(), 200).await;
    done(&shop.owner, format!("/shipments/{parcel}/deliver"), nothing, 200).await;
    let wish = json!({ "lines": one, "reason": "It does not fit" });
    let returned = text(&done(&alice, format!("/orders/{order}/returns"), wish, 201).await["return"], "id");
    let (owner, business) = (shop.owner.id.to_string(), shop.id.clone());
    let estate = Estate { business, owner, product, variant, order, parcel, returned };
    (estate, Owners { buyer: alice, seller: shop.owner, operator: olga })
}

/// A picture of one pixel, in the form that browsers send.
fn picture() -> (&'static str, String) {
    let part = "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    ("multipart/form-data; boundary=cut", format!("--cut\r\n{part}no picture at all\r\n--cut--\r\n"))
}

#[tokio::test]
async fn others_find_nothing_of_mine() {
    let app = TestApp::new().await;
    let (mine, _) = estate(&app).await;
    let (mallory, rival) = (app.customer("mallory").await, app.seller("rival").await.owner);
    let before = app.everything().await;
    let mut tried = Vec::new();
    for operation in operations() {
        let is_an_orders =
            ["/v1/orders/", "/v1/shipments/", "/v1/returns/"].iter().any(|p| operation.path.starts_with(p));
        let is_a_sellers = operation.role() == Some("seller");
        // What is for staff refuses everybody else before it looks at what it is about.
        let is_for_staff = matches!(operation.role(), Some("operator" | "admin"));
        if !operation.is_protected() || is_for_staff || !(is_an_orders || is_a_sellers) {
            continue;
        }
        for person in [&mallory, &rival] {
            let (key, form) = (app.key(), picture());
            // They have seen the current version on the product's page.
            let mut headers = vec![("if-match", "\"1\"")];
            if operation.parameters("header").iter().any(|(name, _)| *name == "Idempotency-Key") {
                headers.push(("idempotency-key", &key));
            }
            let body = match operation.body_type() {
                Some("multipart/form-data") => {
                    headers.push(("content-type", form.0));
                    Some(form.1)
                }
                _ => body_of(&operation, &mine).map(|body| body.to_string()),
            };
            let path = path_to(&operation, &mine);
            let answer = app.send(Some(person), operation.method.clone(), &path, &headers, body).await;
            assert_eq!(answer.status, 404, "{}: {}", operation.id, answer.text());
        }
        tried.push(operation.id);
    }
    assert!(tried.len() > 20, "{tried:?}");
    assert_eq!(app.everything().await, before);
    app.finish().await;
}

#[tokio::test]
async fn a_member_who_was_removed_is_a_stranger() {
    let app = TestApp::new().await;
    let (shop, bob) = (app.seller("sam").await, app.customer("bob").await);
    let members = format!("/businesses/{}/members", shop.id);
    let product = app.variant().of(&shop).product().await;
    let path = format!("/products/{}", text(&product, "id"));
    let rename = |name: &str, version: i64| {
        let (person, path, body) = (bob.clone(), path.clone(), json!({ "name": name }).to_string());
        let etag = format!("\"{version}\"");
        let app = &app;
        async move { app.send(Some(&person), Method::PATCH, &path, &[("if-match", &etag)], Some(body)).await }
    };
    let version = product["version"].as_i64().unwrap();
    rename("Mine", version).await.problem(404, "not_found");
    let body = json!({ "user_id": bob.id.to_string(), "role": "manager" });
    app.post(&shop.owner, &members, body).await.ok(201);
    rename("Ours", version).await.ok(200);
    let path = format!("{members}/{}", bob.id);
    app.send(Some(&shop.owner), Method::DELETE, &path, &[], None).await.ok(204);
    rename("Mine", version + 1).await.problem(404, "not_found");
    app.finish().await;
}
