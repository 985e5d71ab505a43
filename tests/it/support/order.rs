//! Somebody buys something and pays for it, or not.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use payments::Gateway;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    answer::Answer,
    app::{Person, TestApp, WEBHOOK_SECRET},
    shop::text,
};

/// What Standard Webhooks 1.0 wants to see in `webhook-signature`, made without the code that is tested.
pub fn sign(id: &str, timestamp: &str, body: &str) -> String {
    sign_with(WEBHOOK_SECRET, id, timestamp, body)
}

/// The same with another secret.
pub fn sign_with(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// An order of these variants and quantities.
pub fn order_of(lines: &[(&str, i32)]) -> Value {
    let lines: Vec<_> = lines.iter().map(|(id, quantity)| json!({ "variant_id": id, "quantity": quantity })).collect();
    let home = json!({ "name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "country": "VN" });
    json!({ "lines": lines, "ship_to": home })
}

impl TestApp {
    /// Places an order, whatever comes of it.
    pub async fn try_place(&self, person: &Person, lines: &[(&str, i32)]) -> Answer {
        self.command(person, "/orders", &self.key(), order_of(lines)).await
    }

    /// Places an order; its id.
    pub async fn place(&self, person: &Person, lines: &[(&str, i32)]) -> String {
        text(&self.try_place(person, lines).await.ok(201), "id")
    }

    pub async fn order(&self, person: &Person, id: &str) -> Value {
        self.get(person, &format!("/orders/{id}")).await.ok(200)
    }

    /// `status payment_status captured refunded balance_due` of an order, the amounts in minor units.
    pub async fn standing(&self, person: &Person, id: &str) -> String {
        let order = self.order(person, id).await;
        let amount = |name: &str| order[name]["amount"].as_i64().unwrap();
        format!(
            "{} {} {} {} {}",
            text(&order, "status"),
            text(&order, "payment_status"),
            amount("captured"),
            amount("refunded"),
            amount("balance_due")
        )
    }

    /// What happened to an order, in order.
    pub async fn history(&self, person: &Person, id: &str) -> Vec<String> {
        let events = self.get(person, &format!("/orders/{id}/events?limit=100")).await.ok(200);
        let events = events["data"].as_array().unwrap();
        for (at, event) in events.iter().enumerate() {
            assert_eq!(event["seq"].as_u64(), u64::try_from(at + 1).ok(), "a gap in {events:?}");
        }
        events.iter().map(|event| text(event, "kind")).collect()
    }

    pub async fn cancel(&self, person: &Person, id: &str) -> Answer {
        self.command(person, &format!("/orders/{id}/cancel"), &self.key(), json!({ "reason": "Changed my mind" })).await
    }

    /// Begins a payment; the attempt as it is answered.
    pub async fn start_payment(&self, person: &Person, id: &str) -> Value {
        let body = json!({ "gateway": "mock" });
        self.command(person, &format!("/orders/{id}/payments"), &self.key(), body).await.ok(201)
    }

    /// Opens the pay page at the gateway and presses a button: `approve` or `decline`.
    pub async fn press(&self, payment: &Value, button: &str) {
        let url = text(payment, "pay_url");
        let page = self.http.get(&url).send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        let nonce = page
            .split_once("name=\"nonce\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(nonce, _)| nonce)
            .unwrap_or_else(|| panic!("the page has no form: {page}"));
        let answer = self
            .http
            .post(format!("{url}/{button}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("nonce={nonce}"))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success() || answer.status().is_redirection(), "{button}: {}", answer.status());
    }

    /// Pays an order at the gateway and settles it.
    pub async fn pay(&self, person: &Person, id: &str) {
        let payment = self.start_payment(person, id).await;
        self.press(&payment, "approve").await;
        self.run_jobs().await;
    }

    /// A second pay page that is open for the same order, over another amount; as after a price change.
    pub async fn other_payment(&self, id: &str, minor: i64) -> Value {
        let mut conn = self.database.connect().await;
        let amount = kernel::Money::new(minor, kernel::Currency::USD);
        let (order, method) = (id.parse().unwrap(), payments::CaptureMethod::Automatic);
        let attempt = payments::start(&mut conn, order, "mock", amount, method, self.now()).await.unwrap();
        let gateway: &dyn Gateway = self.wiring.gateways.get("mock").unwrap().as_ref();
        let webhook = format!("{}/v1/webhooks/payments/mock", self.url);
        let opened = payments::open_at_gateway(gateway, &attempt, "Order", &webhook, None).await.unwrap();
        let attempt = payments::opened(&mut conn, attempt.id, &opened, self.now()).await.unwrap();
        json!({ "id": attempt.id.to_string(), "pay_url": attempt.pay_url })
    }

    /// A report as the gateway would sign and send it.
    pub async fn webhook(&self, id: &str, body: &str) -> Answer {
        let timestamp = self.now().timestamp().to_string();
        let signature = sign(id, &timestamp, body);
        let headers = [("webhook-id", id), ("webhook-timestamp", &timestamp), ("webhook-signature", &signature)];
        self.send(None, reqwest::Method::POST, "/webhooks/payments/mock", &headers, Some(body.to_owned())).await
    }

    /// What the gateway has reported so far: ids and bodies, oldest first.
    pub async fn reports(&self) -> Vec<(String, String)> {
        let sql = "SELECT message_id || ' ' || body AS word FROM gateway.deliveries ORDER BY id";
        let words = self.words(sql).await;
        words.into_iter().map(|word| word.split_once(' ').map(|(a, b)| (a.into(), b.into())).unwrap()).collect()
    }
}
