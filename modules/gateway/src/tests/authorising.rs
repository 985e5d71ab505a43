//! Payments that are approved first and captured later.

use std::sync::Arc;

use chrono::TimeDelta;
use kernel::Outcome;
use poem::http::StatusCode;
use serde_json::{Value, json};

use super::support::{house, manual, nonce, order, token};
use crate::{AUTHORIZATION_LIFETIME, PAYMENT_LIFETIME};

fn capture(amount: i64) -> Value {
    json!({"amount": amount, "reference": "c-1"})
}

#[tokio::test]
async fn approving_reserves_and_says_so() {
    let house = house().await;
    let payment = house.open("key", &manual()).await;
    assert_eq!((&payment["status"], &payment["capture_method"]), (&json!("pending"), &json!("manual")));
    let token = token(&payment);
    let (_, html) = house.page(&token).await;
    assert!(html.contains("Authorise your payment") && html.contains("reserved, not taken"), "{html}");
    assert!(html.contains(">Authorise</button>") && !html.contains(">Approve</button>"), "{html}");
    for button in ["approve", "approve", "decline"] {
        house.press(&token, button).await.assert_status(StatusCode::SEE_OTHER);
    }
    let (_, html) = house.page(&token).await;
    assert!(html.contains("Payment authorised") && html.contains("reserved, not taken") && nonce(&html).is_none());
    let (_, payment) = house.get(&format!("/api/payments/{}", payment["id"].as_str().unwrap())).await;
    assert_eq!((&payment["status"], &payment["captured"]), (&json!("authorized"), &json!(0)));
    let (_, book) = house.get("/api/book").await;
    assert_eq!((&book["data"][0]["status"], &book["data"][0]["captured"]), (&json!("authorized"), &json!(0)));
    assert_eq!(house.count("gateway.transactions WHERE kind = 'authorization' AND amount_minor = 1299").await, 1);
    assert_eq!(house.count("gateway.transactions").await, 1);
    let report = "gateway.deliveries WHERE kind = 'payment.authorized' AND body::jsonb -> 'data' ->> 'amount' = '1299' \
                  AND body::jsonb -> 'data' ->> 'status' = 'authorized' AND body::jsonb ->> 'type' = kind";
    assert_eq!(house.count(report).await, 1);
    assert_eq!(house.count("gateway.deliveries").await, 1);
    assert_eq!(house.jobs("gateway.deliver_webhook").await.len(), 1);
}

#[tokio::test]
async fn an_authorised_payment_is_captured_once_in_whole_or_in_part() {
    let house = house().await;
    for (share, key) in [(1_299, "whole"), (500, "part")] {
        let (id, token) = house.authorized(key).await;
        let path = format!("/api/payments/{id}/captures");
        let first = house.post(&path, &format!("c-{key}"), &capture(share)).await;
        assert_eq!(
            (first.0, &first.1["amount"], &first.1["currency"]),
            (StatusCode::CREATED, &json!(share), &json!("USD"))
        );
        assert_eq!((&first.1["payment_id"], &first.1["reference"]), (&json!(id), &json!("c-1")));
        assert_eq!(house.post(&path, &format!("c-{key}"), &capture(share)).await, first, "the same key");
        let (status, _) = house.post(&path, &format!("c-{key}"), &capture(share - 1)).await;
        assert_eq!(status.as_u16(), 422, "the same key for something else");
        let (status, problem) = house.post(&path, &format!("d-{key}"), &capture(1)).await;
        assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("payment_not_authorized")), "another key");
        let (status, problem) = house.post(&format!("/api/payments/{id}/void"), "-", &Value::Null).await;
        assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("payment_not_pending")));

        let (_, payment) = house.get(&format!("/api/payments/{id}")).await;
        assert_eq!((&payment["status"], &payment["captured"]), (&json!("captured"), &json!(share)));
        let report = format!(
            "gateway.deliveries WHERE kind = 'payment.captured' AND payment_id = '{id}' \
             AND body::jsonb -> 'data' ->> 'amount' = '{share}'"
        );
        assert_eq!(house.count(&report).await, 1);
        let (_, html) = house.page(&token).await;
        assert!(html.contains("Payment successful"), "{html}");
        assert_eq!(html.contains("5.00 USD was taken"), share == 500, "{html}");
        let refund = json!({"amount": share + 1, "reference": "r"});
        let (_, answer) = house.post(&format!("/api/payments/{id}/refunds"), &format!("r-{key}"), &refund).await;
        assert_eq!(answer["status"], "failed", "no more goes back than came in");
    }
    assert_eq!(house.count("gateway.transactions WHERE kind = 'capture'").await, 2);
    assert_eq!(house.count("gateway.captures").await, 2);
}

#[tokio::test]
async fn what_is_not_held_cannot_be_captured() {
    let house = house().await;
    let pending = house.open("pending", &manual()).await["id"].as_str().unwrap().to_owned();
    let automatic = house.captured("automatic").await;
    for id in [pending, automatic] {
        let (status, problem) = house.post(&format!("/api/payments/{id}/captures"), &id, &capture(1)).await;
        assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("payment_not_authorized")), "{id}");
    }
    let (id, _) = house.authorized("key").await;
    let path = format!("/api/payments/{id}/captures");
    let (status, problem) = house.post(&path, "c", &capture(1_300)).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("capture_exceeds_authorized")));
    for bad in [capture(0), capture(-1), json!({"amount": 1}), json!({"amount": 1, "reference": "", "more": 1})] {
        let (status, _) = house.post(&path, "c", &bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let bare = house.client.post(&path).body_json(&capture(1)).send().await;
    assert_eq!(bare.0.status(), StatusCode::UNAUTHORIZED);
    let (status, _) = house.post("/api/payments/nonsense/captures", "c", &capture(1)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let mut unheard = order();
    unheard["capture_method"] = json!("later");
    let (status, _) = house.post("/api/payments", "unheard", &unheard).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = house.post("/api/payments", "automatic", &manual()).await;
    assert_eq!(status.as_u16(), 422, "the method belongs to the request");
    // A refused key was not used: it may ask for what can be had.
    assert_eq!(house.post(&path, "c", &capture(1_299)).await.0, StatusCode::CREATED);
    let (other, _) = house.authorized("other").await;
    let (status, _) = house.post(&format!("/api/payments/{other}/captures"), "c", &capture(1_299)).await;
    assert_eq!(status.as_u16(), 422, "another payment's key");
}

#[tokio::test]
async fn m_08_fifty_captures_at_once_are_one() {
    let house = Arc::new(house().await);
    let (id, _) = house.authorized("key").await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (house, path) = (Arc::clone(&house), format!("/api/payments/{id}/captures"));
            tokio::spawn(async move { house.post(&path, &format!("c-{}", number % 25), &capture(700)).await })
        })
        .collect();
    let mut captures = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            (StatusCode::CREATED, answer) => captures.push(answer["id"].clone()),
            (status, problem) => {
                assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("payment_not_authorized")))
            }
        }
    }
    captures.dedup();
    assert_eq!(captures.len(), 1);
    assert_eq!(house.count("gateway.transactions WHERE kind = 'capture' AND amount_minor = 700").await, 1);
    assert_eq!(house.count("gateway.deliveries WHERE kind = 'payment.captured'").await, 1);
}

#[tokio::test]
async fn an_authorised_payment_can_be_voided_again_and_again() {
    let house = house().await;
    let (id, token) = house.authorized("key").await;
    for _ in 0..3 {
        let (status, answer) = house.post(&format!("/api/payments/{id}/void"), "-", &Value::Null).await;
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("voided")));
    }
    let (status, _) = house.post(&format!("/api/payments/{id}/captures"), "c", &capture(1)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(house.count("gateway.transactions WHERE kind = 'void'").await, 1);
    let report = "gateway.deliveries WHERE kind = 'payment.failed' AND body LIKE '%\"status\":\"voided\"%'";
    assert_eq!(house.count(report).await, 1);
    assert!(house.page(&token).await.1.contains("The shop released the amount"));
}

#[tokio::test]
async fn an_authorisation_lives_seven_days_from_its_approval() {
    let house = house().await;
    let payment = house.open("key", &manual()).await;
    house.clock.advance(PAYMENT_LIFETIME - TimeDelta::seconds(1));
    house.press(&token(&payment), "approve").await.assert_status(StatusCode::SEE_OTHER);
    let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
    house.clock.advance(AUTHORIZATION_LIFETIME - TimeDelta::seconds(1));
    assert_eq!(house.run("gateway.expire_payments", json!({})).await, Outcome::Done);
    assert_eq!(house.get(&path).await.1["status"], "authorized");
    house.clock.advance(TimeDelta::seconds(1));
    let (status, problem) = house.post(&format!("{path}/captures"), "c", &capture(1)).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("payment_not_authorized")), "before the sweep");
    assert_eq!(house.run("gateway.expire_payments", json!({})).await, Outcome::Done);
    let (_, expired) = house.get(&path).await;
    assert_eq!((&expired["status"], &expired["captured"]), (&json!("expired"), &json!(0)));
    let report = "gateway.deliveries WHERE kind = 'payment.failed' AND body LIKE '%\"status\":\"expired\"%'";
    assert_eq!(house.count(report).await, 1);
    assert_eq!(house.count("gateway.transactions WHERE kind = 'expiry'").await, 1);
    assert!(house.page(&token(&payment)).await.1.contains("Authorisation expired"));
}

#[tokio::test]
async fn the_book_cannot_be_made_to_hold_two_ends() {
    let house = house().await;
    house.authorized("held").await;
    let (taken, _) = house.authorized("taken").await;
    house.post(&format!("/api/payments/{taken}/captures"), "c", &capture(500)).await;
    let mut conn = house.pool.get().await.unwrap();
    let again = |kind: &str| {
        format!(
            "INSERT INTO gateway.transactions (id, payment_id, kind, amount_minor, recorded_at) \
             VALUES (gen_random_uuid(), '{taken}', '{kind}', 1, now())"
        )
    };
    for bad in [
        again("authorization"),
        again("capture"),
        again("void"),
        again("expiry"),
        "UPDATE gateway.captures SET amount_minor = 1".to_owned(),
        "DELETE FROM gateway.captures".to_owned(),
        "TRUNCATE gateway.captures".to_owned(),
        "UPDATE gateway.payments SET captured_minor = 2599 WHERE status = 'captured'".to_owned(),
        "UPDATE gateway.payments SET capture_method = 'automatic' WHERE status = 'authorized'".to_owned(),
    ] {
        let tried = diesel_async::RunQueryDsl::execute(diesel::sql_query(&bad), &mut *conn).await;
        assert!(tried.is_err(), "{bad}");
    }
}
