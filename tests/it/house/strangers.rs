//! Somebody's things, for tests about who may touch them; and that who is no longer a member is a stranger.

use reqwest::Method;
use serde_json::{Value, json};

use super::operation::Operation;
use crate::support::{
    app::{Person, TestApp},
    shop::text,
};

/// What the owner has.
#[derive(Clone)]
pub struct Estate {
    pub business: String,
    pub owner: String,
    pub product: Value,
    pub variant: String,
    pub order: String,
    pub parcel: String,
    pub returned: String,
    pub payment: String,
    pub image: String,
    /// The name of a picture's file.
    pub media: String,
    pub category: String,
    pub export: String,
    /// An API key of the administrator's.
    pub api_key: String,
    /// Somebody who has nothing to do with it, and to whom things are done.
    pub bystander: String,
}

/// Whose it is.
pub struct Owners {
    pub buyer: Person,
    pub seller: Person,
    pub operator: Person,
    pub admin: Person,
}

/// The path to the owner's own things.
pub fn path_to(operation: &Operation, estate: &Estate) -> String {
    let path = operation.path;
    operation.path_with(|name| match name {
        "user_id" => estate.owner.clone(),
        "image_id" => estate.image.clone(),
        "business_id" => estate.business.clone(),
        "payment_id" => estate.payment.clone(),
        "name" => estate.media.clone(),
        "gateway" => "mock".to_owned(),
        "id" if path.starts_with("/v1/admin/users/") => estate.bystander.clone(),
        "id" if path.starts_with("/v1/api-keys/") => estate.api_key.clone(),
        "id" if path.starts_with("/v1/categories/") => estate.category.clone(),
        "id" if path.contains("/orders/") => estate.order.clone(),
        "id" if path.starts_with("/v1/shipments/") => estate.parcel.clone(),
        "id" if path.starts_with("/v1/returns/") => estate.returned.clone(),
        "id" if path.starts_with("/v1/businesses/") => estate.business.clone(),
        "id" if path.starts_with("/v1/products/") => text(&estate.product, "id"),
        "id" if path.starts_with("/v1/variants/") => estate.variant.clone(),
        "id" if path.contains("/exports/") => estate.export.clone(),
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
    let paid = json!({ "amount": { "amount": 3_000, "currency": "USD" }, "method": "other" });
    done(&olga, format!("/orders/{order}/payments/offline"), paid, 200).await;
    let payments = app.get(&alice, &format!("/orders/{order}/payments")).await.ok(200);
    let payment = text(&payments["data"][0], "id");
    let packed = done(&shop.owner, format!("/orders/{order}/shipments"), json!({ "lines": one }), 201).await;
    let parcel = text(&packed["shipment"], "id");
    done(&shop.owner, format!("/shipments/{parcel}/ship"), nothing.clone(), 200).await;
    done(&shop.owner, format!("/shipments/{parcel}/deliver"), nothing, 200).await;
    let wish = json!({ "lines": one, "reason": "It does not fit" });
    let returned = text(&done(&alice, format!("/orders/{order}/returns"), wish, 201).await["return"], "id");
    let (image, media) = upload(app, &shop.owner, &product).await;
    let (ada, eve) = (app.admin().await, app.customer("eve").await);
    let category = app.post(&olga, "/categories", json!({ "slug": "somewhere", "name": "Somewhere" })).await.ok(201);
    let export = done(&olga, "/admin/exports".to_owned(), json!({ "what": "orders" }), 202).await;
    let made = app.post(&ada, "/api-keys", json!({ "name": "Spare", "scopes": ["orders:read"] })).await.ok(201);
    let (owner, business, bystander) = (shop.owner.id.to_string(), shop.id.clone(), eve.id.to_string());
    let (category, export, api_key) = (text(&category, "id"), text(&export, "id"), text(&made["api_key"], "id"));
    let estate = Estate {
        business,
        owner,
        product,
        variant,
        order,
        parcel,
        returned,
        payment,
        image,
        media,
        category,
        export,
        api_key,
        bystander,
    };
    (estate, Owners { buyer: alice, seller: shop.owner, operator: olga, admin: ada })
}

/// Gives a product a picture of its own; the picture's id, and the name of its file.
pub async fn upload(app: &TestApp, person: &Person, product: &Value) -> (String, String) {
    let head =
        "--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    let drawn = oms::seed::picture(&format!("picture {}", app.next())).unwrap();
    let body = [head.as_bytes(), &drawn, b"\r\n--cut--\r\n"].concat();
    let url = format!("{}/v1/products/{}/images", app.url, text(product, "id"));
    let request = app.http.post(url).bearer_auth(person.token());
    let answer = request.header("content-type", "multipart/form-data; boundary=cut").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let shown: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let image = shown["images"].as_array().unwrap().last().unwrap();
    let name = text(image, "url").rsplit('/').next().unwrap().to_owned();
    (text(image, "id"), name)
}

/// What is no picture, in the form in which browsers send one.
pub fn picture() -> (&'static str, String) {
    let part = "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    ("multipart/form-data; boundary=cut", format!("--cut\r\n{part}no picture at all\r\n--cut--\r\n"))
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
