//! What people do to an order after it was placed: parcels, money by hand, goods that come back.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    app::{Person, TestApp},
    shop::text,
};

/// Units of lines on the wire: position and quantity.
pub fn units(lines: &[(i16, i32)]) -> Value {
    lines.iter().map(|(position, quantity)| json!({ "position": position, "quantity": quantity })).collect()
}

/// What came back of lines, on the wire: position, how many can be sold again, how many cannot.
pub fn came_back(lines: &[(i16, i32, i32)]) -> Value {
    let line = |&(position, resellable, damaged): &(i16, i32, i32)| json!({ "position": position, "resellable": resellable, "damaged": damaged });
    json!({ "lines": lines.iter().map(line).collect::<Vec<_>>() })
}

/// An amount on the wire.
pub fn usd(minor: i64) -> Value {
    json!({ "amount": minor, "currency": "USD" })
}

/// The texts of a list.
pub fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The actions that were refused, with the code of why.
pub fn refused(view: &Value) -> Vec<(String, String)> {
    let refused = view["refused_actions"].as_array().unwrap();
    refused.iter().map(|one| (text(one, "action"), text(one, "code"))).collect()
}

/// The charges or credits of an order: kinds and amounts.
pub fn adjustments(order: &Value, side: &str) -> Vec<(String, i64)> {
    let all = order[side].as_array().unwrap();
    all.iter().map(|one| (text(one, "kind"), one["amount"]["amount"].as_i64().unwrap())).collect()
}

impl TestApp {
    /// A command with a fresh key. `Null`: it has no body.
    pub async fn act(&self, person: &Person, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        self.send(Some(person), Method::POST, path, &[("idempotency-key", &self.key())], body).await
    }

    /// The same as a dry run, which needs no key.
    pub async fn rehearse(&self, person: &Person, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        self.send(Some(person), Method::POST, &format!("{path}?dry_run=true"), &[], body).await
    }

    /// Tries to pack a parcel.
    pub async fn try_pack(&self, person: &Person, order: &str, lines: &[(i16, i32)]) -> Answer {
        self.act(person, &format!("/orders/{order}/shipments"), json!({ "lines": units(lines) })).await
    }

    /// Packs a parcel; its id.
    pub async fn pack(&self, person: &Person, order: &str, lines: &[(i16, i32)]) -> String {
        text(&self.try_pack(person, order, lines).await.ok(201)["shipment"], "id")
    }

    /// Moves a parcel: `ship`, `deliver`, `cancel`, `lose`.
    pub async fn parcel(&self, person: &Person, id: &str, verb: &str, body: Value) -> Answer {
        self.act(person, &format!("/shipments/{id}/{verb}"), body).await
    }

    /// Packs a parcel and sends it; its id.
    pub async fn send_off(&self, person: &Person, order: &str, lines: &[(i16, i32)]) -> String {
        let id = self.pack(person, order, lines).await;
        self.parcel(person, &id, "ship", json!({})).await.ok(200);
        id
    }

    /// Packs a parcel, sends it and has it arrive; its id.
    pub async fn bring(&self, person: &Person, order: &str, lines: &[(i16, i32)]) -> String {
        let id = self.send_off(person, order, lines).await;
        self.parcel(person, &id, "deliver", Value::Null).await.ok(200);
        id
    }

    /// Begins a payment that is held and not taken; the attempt as it is answered.
    pub async fn start_holding(&self, buyer: &Person, order: &str, amount: Option<i64>) -> Value {
        let mut body = json!({ "gateway": "mock", "capture": "manual" });
        if let Some(amount) = amount {
            body["amount"] = usd(amount);
        }
        self.act(buyer, &format!("/orders/{order}/payments"), body).await.ok(201)
    }

    /// Has the gateway hold money for an order; the payment's id.
    pub async fn authorize(&self, buyer: &Person, order: &str, amount: Option<i64>) -> String {
        let payment = self.start_holding(buyer, order, amount).await;
        self.press(&payment, "approve").await;
        self.run_jobs().await;
        text(&payment, "id")
    }

    /// Pays so much of an order at once; the payment's id.
    pub async fn pay_part(&self, buyer: &Person, order: &str, amount: i64) -> String {
        let body = json!({ "gateway": "mock", "amount": usd(amount) });
        let payment = self.act(buyer, &format!("/orders/{order}/payments"), body).await.ok(201);
        self.press(&payment, "approve").await;
        self.run_jobs().await;
        text(&payment, "id")
    }

    /// Captures or voids a payment of an order.
    pub async fn payment(&self, staff: &Person, order: &str, payment: &str, verb: &str, body: Value) -> Answer {
        self.act(staff, &format!("/orders/{order}/payments/{payment}/{verb}"), body).await
    }

    /// The states and captured amounts of an order's payments, oldest first.
    pub async fn payments(&self, person: &Person, order: &str) -> Vec<String> {
        let payments = self.get(person, &format!("/orders/{order}/payments")).await.ok(200);
        let all = payments["data"].as_array().unwrap();
        all.iter().map(|one| format!("{} {}", text(one, "state"), one["captured"]["amount"])).collect()
    }

    /// Asks for a refund.
    pub async fn refund(&self, staff: &Person, order: &str, mut body: Value) -> Answer {
        body["reason"] = json!("It arrived broken");
        self.act(staff, &format!("/orders/{order}/refunds"), body).await
    }

    /// Calls units off.
    pub async fn cancel_lines(&self, person: &Person, order: &str, lines: &[(i16, i32)]) -> Answer {
        let body = json!({ "lines": units(lines), "reason": "Too many" });
        self.act(person, &format!("/orders/{order}/cancel-lines"), body).await
    }

    /// Asks to send units back; the return's id.
    pub async fn request_return(&self, person: &Person, order: &str, lines: &[(i16, i32)]) -> String {
        let body = json!({ "lines": units(lines), "reason": "It does not fit" });
        text(&self.act(person, &format!("/orders/{order}/returns"), body).await.ok(201)["return"], "id")
    }

    /// Moves a return: `approve`, `reject`, `receive`, `close`, `cancel`.
    pub async fn goods(&self, person: &Person, id: &str, verb: &str, body: Value) -> Answer {
        self.act(person, &format!("/returns/{id}/{verb}"), body).await
    }

    /// What is on the shelf of a variant: `on_hand`, `reserved`.
    pub async fn shelf(&self, variant: &str) -> (i64, i64) {
        let count = async |column: &str| {
            self.number(&format!("SELECT {column} FROM catalog.stock WHERE variant_id = '{variant}'")).await
        };
        (count("on_hand").await, count("reserved").await)
    }

    /// `fulfillment_status return_status` of an order.
    pub async fn goods_standing(&self, person: &Person, id: &str) -> String {
        let order = self.order(person, id).await;
        format!("{} {}", text(&order, "fulfillment_status"), text(&order, "return_status"))
    }

    /// Of a line: cancelled, packed, shipped, delivered, returning, returned, refunded.
    pub async fn line(&self, person: &Person, order: &str, position: usize) -> [i64; 7] {
        let order = self.order(person, order).await;
        let line = &order["lines"][position - 1];
        ["cancelled", "packed", "shipped", "delivered", "returning", "returned", "refunded"]
            .map(|name| line[format!("{name}_quantity")].as_i64().unwrap_or_else(|| panic!("no {name} in {line}")))
    }
}
