//! Acceptance 6 of the life of an order: a dry run leaves no trace and answers what the command then answers, but for ids and
//! the order's number. (Times are the same here: the clock stands still.)

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{
    acts::{came_back, units, usd},
    answer::document,
    app::{Person, TestApp},
    order::order_of,
    shop::{Shop, text},
};

/// The operations of orders that can be rehearsed, by their id.
fn rehearsable() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, operations) in document()["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("post") else { continue };
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        let is_ours = path.contains("/orders") || path.contains("/shipments") || path.contains("/returns");
        if is_ours && parameters.any(|parameter| parameter["name"] == "dry_run") {
            found.insert(text(operation, "operationId"));
        }
    }
    found
}

/// The same answer with ids and numbers called by the order in which they come.
fn without_names(value: &mut Value, known: &mut BTreeMap<String, String>) {
    match value {
        Value::String(word) => {
            let is_id = uuid::Uuid::parse_str(word).is_ok();
            let is_number = word.len() == 9 && word.chars().nth(4) == Some('-');
            if is_id || is_number {
                let next = format!("#{}", known.len());
                *word = known.entry(word.clone()).or_insert(next).clone();
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| without_names(one, known)),
        Value::Object(all) => all.values_mut().for_each(|one| without_names(one, known)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A shop, a buyer, staff, and so much of one thing that nobody runs out of it.
struct Scene {
    app: TestApp,
    sam: Shop,
    alice: Person,
    olga: Person,
    shirt: String,
}

/// A command that is due, and who gives it.
struct Due {
    person: Person,
    path: String,
    body: Value,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let sam = app.seller("sam").await;
        let (alice, olga) = (app.customer("alice").await, app.operator().await);
        let shirt = app.variant().of(&sam).stock(1_000).create().await;
        Self { app, sam, alice, olga, shirt }
    }

    async fn pending(&self) -> String {
        self.app.place(&self.alice, &[(&self.shirt, 3)]).await
    }

    /// Paid for by hand: nothing has to be waited for.
    async fn paid(&self) -> String {
        let order = self.pending().await;
        let body = json!({ "amount": usd(3_000), "method": "other" });
        self.app.act(&self.olga, &format!("/orders/{order}/payments/offline"), body).await.ok(200);
        order
    }

    async fn packed(&self) -> (String, String) {
        let order = self.paid().await;
        let parcel = self.app.pack(&self.sam.owner, &order, &[(1, 2)]).await;
        (order, parcel)
    }

    async fn sent(&self, quantity: i32) -> (String, String) {
        let order = self.paid().await;
        let parcel = self.app.send_off(&self.sam.owner, &order, &[(1, quantity)]).await;
        (order, parcel)
    }

    async fn asked(&self) -> (String, String) {
        let (order, parcel) = self.sent(3).await;
        self.app.parcel(&self.sam.owner, &parcel, "deliver", Value::Null).await.ok(200);
        let goods = self.app.request_return(&self.alice, &order, &[(1, 2)]).await;
        (order, goods)
    }

    async fn agreed(&self) -> String {
        let goods = self.asked().await.1;
        self.app.goods(&self.sam.owner, &goods, "approve", json!({})).await.ok(200);
        goods
    }

    /// Every case of every operation, ready to be given.
    async fn due(&self, operation: &str) -> Vec<Due> {
        let (app, why) = (&self.app, json!({ "reason": "r" }));
        let some = json!({ "lines": units(&[(1, 2)]), "reason": "r" });
        let by = |person: &Person, path: String, body: Value| Due { person: person.clone(), path, body };
        let (alice, olga, sam) = (&self.alice, &self.olga, &self.sam.owner);
        match operation {
            "placeOrder" => vec![by(alice, "/orders".to_owned(), order_of(&[(&self.shirt, 2)]))],
            "cancelOrder" => {
                let held = self.pending().await;
                app.authorize(alice, &held, None).await;
                let orders = [self.pending().await, self.packed().await.0, held];
                orders.map(|order| by(alice, format!("/orders/{order}/cancel"), why.clone())).into()
            }
            "cancelOrderLines" => {
                let all = json!({ "lines": units(&[(1, 3)]), "reason": "r" });
                let path = |order| format!("/orders/{order}/cancel-lines");
                vec![by(alice, path(self.paid().await), some), by(olga, path(self.paid().await), all)]
            }
            "cancelSellerOrderLines" => {
                let (order, shop) = (self.paid().await, &self.sam.id);
                vec![by(sam, format!("/businesses/{shop}/orders/{order}/cancel-lines"), some)]
            }
            "confirmOrder" => {
                vec![by(
                    olga,
                    format!("/orders/{}/confirm", self.pending().await),
                    json!({ "method": "cash_on_delivery" }),
                )]
            }
            "holdOrder" => vec![by(olga, format!("/orders/{}/hold", self.paid().await), why)],
            "releaseOrder" => {
                let order = self.pending().await;
                let payment = app.start_payment(alice, &order).await;
                app.act(olga, &format!("/orders/{order}/hold"), why).await.ok(200);
                app.press(&payment, "approve").await;
                app.run_jobs().await;
                vec![by(olga, format!("/orders/{order}/release"), Value::Null)]
            }
            "completeOrder" => vec![by(olga, format!("/orders/{}/complete", self.sent(3).await.0), why)],
            "recordPayment" => {
                let body = json!({ "amount": usd(3_000), "method": "bank_transfer", "reference": "47" });
                vec![by(olga, format!("/orders/{}/payments/offline", self.pending().await), body)]
            }
            "capturePayment" | "voidPayment" => {
                let (verb, bodies) = match operation {
                    "voidPayment" => ("void", vec![why]),
                    _ => ("capture", vec![json!({}), json!({ "amount": usd(1_200) })]),
                };
                let mut due = vec![];
                for body in bodies {
                    let order = self.pending().await;
                    let payment = app.authorize(alice, &order, None).await;
                    due.push(by(olga, format!("/orders/{order}/payments/{payment}/{verb}"), body));
                }
                due
            }
            "refundOrder" => {
                let mut due = vec![];
                for mut body in [
                    json!({ "kind": "full" }),
                    json!({ "kind": "amount", "amount": usd(700) }),
                    json!({ "kind": "lines", "lines": units(&[(1, 2)]) }),
                    json!({ "kind": "goodwill", "amount": usd(50) }),
                ] {
                    body["reason"] = json!("r");
                    due.push(by(olga, format!("/orders/{}/refunds", self.paid().await), body));
                }
                due
            }
            "createShipment" => {
                vec![by(sam, format!("/orders/{}/shipments", self.paid().await), json!({ "lines": units(&[(1, 2)]) }))]
            }
            "shipShipment" => {
                let held = self.pending().await;
                app.authorize(alice, &held, None).await;
                let parcels = [self.packed().await.1, app.pack(sam, &held, &[(1, 1)]).await];
                parcels.map(|id| by(sam, format!("/shipments/{id}/ship"), json!({ "carrier": "Viet Post" }))).into()
            }
            "deliverShipment" => {
                let parcels = [self.sent(2).await.1, self.sent(3).await.1];
                parcels.map(|id| by(sam, format!("/shipments/{id}/deliver"), Value::Null)).into()
            }
            "cancelShipment" => vec![by(sam, format!("/shipments/{}/cancel", self.packed().await.1), why)],
            "loseShipment" => {
                let body = |resend: bool| json!({ "reason": "r", "resend": resend });
                let path = |id| format!("/shipments/{id}/lose");
                vec![
                    by(sam, path(self.sent(2).await.1), body(true)),
                    by(sam, path(self.sent(2).await.1), body(false)),
                    by(sam, path(self.sent(3).await.1), body(false)),
                ]
            }
            "requestReturn" => {
                let (order, parcel) = self.sent(3).await;
                app.parcel(sam, &parcel, "deliver", Value::Null).await.ok(200);
                vec![by(alice, format!("/orders/{order}/returns"), some)]
            }
            "approveReturn" => {
                vec![by(sam, format!("/returns/{}/approve", self.asked().await.1), json!({ "decision": "Yes" }))]
            }
            "rejectReturn" => {
                vec![by(sam, format!("/returns/{}/reject", self.asked().await.1), json!({ "decision": "No" }))]
            }
            "receiveReturn" => {
                vec![by(sam, format!("/returns/{}/receive", self.agreed().await), came_back(&[(1, 1, 1)]))]
            }
            "closeReturn" => vec![by(sam, format!("/returns/{}/close", self.agreed().await), json!({}))],
            "cancelReturn" => vec![by(alice, format!("/returns/{}/cancel", self.agreed().await), Value::Null)],
            other => panic!("{other} can be rehearsed, and nobody has said how it is made ready: add it here"),
        }
    }
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace_and_tells_what_the_command_will() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let operations = rehearsable();
    assert!(operations.len() >= 23, "{operations:?}");
    for operation in &operations {
        for Due { person, path, body } in scene.due(operation).await {
            let what = format!("{operation}: {path} {body}");
            app.run_jobs().await;
            let before = app.everything().await;
            let rehearsed = app.rehearse(&person, &path, body.clone()).await;
            assert_eq!(app.everything().await, before, "{what} left a trace");
            let done = app.act(&person, &path, body).await;
            assert!(matches!(done.status, 200 | 201), "{what}: {} {}", done.status, done.text());
            assert_ne!(app.everything().await, before, "{what} did nothing");
            let (mut rehearsed, mut done) = (rehearsed.ok(200), done.json());
            assert!(operation == "placeOrder" || done["effects"].is_object(), "{what} tells no effects: {done}");
            without_names(&mut rehearsed, &mut BTreeMap::new());
            without_names(&mut done, &mut BTreeMap::new());
            assert_eq!(rehearsed, done, "{what}");
        }
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn a_dry_run_is_refused_as_the_command_is() {
    let scene = Scene::new().await;
    let Scene { app, alice, olga, sam, .. } = &scene;
    let order = scene.pending().await;
    let shipments = format!("/orders/{order}/shipments");
    let before = app.everything().await;
    for (person, path, body, status, code) in [
        (&sam.owner, &shipments, json!({ "lines": units(&[(1, 1)]) }), 409, "not_confirmed"),
        (alice, &shipments, json!({ "lines": units(&[(1, 1)]) }), 403, "forbidden"),
        (olga, &format!("/orders/{order}/refunds"), json!({ "kind": "full", "reason": "r" }), 409, "nothing_to_refund"),
        (olga, &format!("/orders/{order}/hold"), json!({}), 400, "invalid_request"),
        (alice, &format!("/orders/{sam}/cancel", sam = sam.id), json!({ "reason": "r" }), 404, "not_found"),
    ] {
        app.rehearse(person, path, body.clone()).await.problem(status, code);
        app.act(person, path, body).await.problem(status, code);
    }
    assert_eq!(app.everything().await, before);
    scene.app.finish().await;
}
