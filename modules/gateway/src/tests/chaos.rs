//! What goes wrong on purpose, seen from the gateway's own side. What a merchant makes of it is tested where the merchant is.

use poem::http::StatusCode;
use serde_json::json;

use super::support::{API_KEY, House, house, token};
use crate::ChaosMode;

impl<E: poem::Endpoint> House<E> {
    async fn put(&self, path: &str, body: &str) -> (StatusCode, String) {
        let request = self.client.put(path).header("authorization", format!("Bearer {API_KEY}"));
        let mut answer = request.body(body.to_owned()).send().await.0;
        (answer.status(), answer.take_body().into_string().await.unwrap())
    }
}

#[tokio::test]
async fn chaos_is_set_shown_and_healed_by_the_merchant_only() {
    let house = house().await;
    assert_eq!(house.get("/api/chaos").await, (StatusCode::OK, json!({})));
    let modes = r#"{"duplicate":20,"drop":5}"#;
    assert_eq!(house.put("/api/chaos", modes).await, (StatusCode::OK, modes.to_owned()));
    assert_eq!(house.get("/api/chaos").await.1, json!({"duplicate": 20, "drop": 5}));
    house.client.put("/api/chaos").body("{}").send().await.assert_status(StatusCode::UNAUTHORIZED);
    for bad in [r#"{"daydream":1}"#, r#"{"drop":101}"#, "[]", "", r#"{"drop":null}"#] {
        assert_eq!(house.put("/api/chaos", bad).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(house.get("/api/chaos").await.1, json!({"duplicate": 20, "drop": 5}), "what is refused changes nothing");
    assert_eq!(house.put("/api/chaos", "{}").await.0, StatusCode::OK);
    assert_eq!(house.get("/api/chaos").await.1, json!({}));
    let unknown = "/api/payments/0199d6a0-4c1e-7b3a-9c0e-3f1d2a6b8c4d/chaos";
    assert_eq!(house.put(unknown, "{}").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_payment_s_own_chaos_counts_instead_of_the_gateway_s() {
    let house = house().await;
    house.put("/api/chaos", r#"{"error_500":100}"#).await;
    let (status, _) = house.post("/api/payments", "none", &super::support::order()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(house.count("gateway.payments").await, 0);
    house.put("/api/chaos", "{}").await;
    let id = house.captured("key").await;
    house.put("/api/chaos", r#"{"error_500":100}"#).await;
    let (path, refund) = (format!("/api/payments/{id}/refunds"), json!({"amount": 1, "reference": "r"}));
    assert_eq!(house.post(&path, "r", &refund).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    house.put(&format!("/api/payments/{id}/chaos"), "{}").await;
    assert_eq!(house.post(&path, "r", &refund).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn declined_means_declined_for_captures_refunds_and_voids() {
    let house = house().await;
    let (held, _) = house.authorized("held").await;
    let paid = house.captured("paid").await;
    house.put("/api/chaos", r#"{"decline":100}"#).await;
    let body = json!({"amount": 100, "reference": "r"});
    let (status, answer) = house.post(&format!("/api/payments/{held}/captures"), "c", &body).await;
    assert_eq!((status, &answer["code"]), (StatusCode::PAYMENT_REQUIRED, &json!("declined")));
    let (status, answer) = house.post(&format!("/api/payments/{held}/void"), "v", &json!({})).await;
    assert_eq!((status, &answer["code"]), (StatusCode::PAYMENT_REQUIRED, &json!("declined")));
    for _ in 0..2 {
        let (_, answer) = house.post(&format!("/api/payments/{paid}/refunds"), "r", &body).await;
        assert_eq!(answer["status"], "failed", "{answer}");
    }
    assert_eq!(house.count("gateway.deliveries WHERE kind = 'refund.failed'").await, 1);
    assert_eq!(house.count("gateway.payments WHERE refunded_minor > 0").await, 0);
}

#[tokio::test]
async fn the_page_offers_to_charge_wrongly_and_the_book_says_what_was_charged() {
    let house = house().await;
    for (key, mode) in [("amount", "wrong_amount"), ("currency", "wrong_currency")] {
        let payment = house.open(key, &super::support::order()).await;
        let (page, html) = house.page(&token(&payment)).await;
        page.assert_status_is_ok();
        for mode in ChaosMode::ALL {
            assert!(html.contains(&format!("<option>{}</option>", mode.as_str())), "{html}");
        }
        let form = format!("nonce={}&chaos={mode}", super::support::nonce(&html).unwrap());
        house.send_form(&token(&payment), "approve", &form).await.assert_status(StatusCode::SEE_OTHER);
    }
    let (_, book) = house.get("/api/book").await;
    let (amount, currency) = (&book["data"][0], &book["data"][1]);
    assert!([1_170, 1_428].contains(&amount["captured"].as_i64().unwrap()), "{book}");
    assert_eq!((&amount["currency"], &amount["amount"]), (&json!("USD"), &json!(1_299)));
    assert_eq!((&currency["captured"], &currency["currency"]), (&json!(1_299), &json!("VND")));
    let told = "gateway.deliveries WHERE body::jsonb -> 'data' ->> 'currency' = 'VND' OR body::jsonb -> 'data' ->> 'amount' <> '1299'";
    assert_eq!(house.count(told).await, 2);
}

#[tokio::test]
async fn a_payment_is_found_by_the_merchant_s_name_for_it() {
    let house = house().await;
    let id = house.captured("key").await;
    house.post(&format!("/api/payments/{id}/refunds"), "r", &json!({"amount": 99, "reference": "r-1"})).await;
    let (status, found) = house.get("/api/payments?reference=attempt-1").await;
    assert_eq!(status, StatusCode::OK);
    let only = &found["data"][0];
    assert_eq!((found["data"].as_array().unwrap().len(), &only["id"]), (1, &json!(id)));
    assert_eq!((&only["status"], &only["captured"], &only["refunded"]), (&json!("captured"), &json!(1299), &json!(99)));
    assert_eq!(only["refunds"][0]["reference"], "r-1");
    assert!(only["pay_url"].as_str().unwrap().starts_with("http://pay.example/pay/"));
    assert_eq!(house.get("/api/payments?reference=nobody").await, (StatusCode::OK, json!({"data": []})));
    assert_eq!(house.get("/api/payments").await.0, StatusCode::BAD_REQUEST);
    house.client.get("/api/payments?reference=attempt-1").send().await.assert_status(StatusCode::UNAUTHORIZED);
}
