//! The merchant's API.

use std::sync::Arc;

use poem::http::StatusCode;
use serde_json::{Value, json};

use super::support::{API_KEY, house, order, token};

#[tokio::test]
async fn the_same_key_opens_one_payment_and_another_body_is_refused() {
    let house = Arc::new(house().await);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.open("key-1", &order()).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(answers[0]["status"], "pending");
    assert_eq!(house.count("gateway.payments").await, 1);
    let mut other = order();
    other["amount"] = 1300.into();
    let (status, problem) = house.post("/api/payments", "key-1", &other).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("idempotency_key_reused")));
    assert_ne!(house.open("key-2", &order()).await["id"], answers[0]["id"]);
    let id = answers[0]["id"].as_str().unwrap();
    assert_eq!(house.get(&format!("/api/payments/{id}")).await, (StatusCode::OK, answers[0].clone()));
    assert!(!answers[0]["pay_url"].as_str().unwrap().contains(id), "the page is not opened by the id");
}

#[tokio::test]
async fn strangers_and_malformed_requests_get_problems_and_change_nothing() {
    let house = house().await;
    for header in
        [None, Some("Bearer wrong".to_owned()), Some(format!("Basic {API_KEY}")), Some(format!("Bearer {API_KEY}x"))]
    {
        for (method, path) in [
            ("POST", "/api/payments"),
            ("GET", "/api/book"),
            ("GET", "/api/payments?reference=x"),
            ("GET", "/api/chaos"),
            ("GET", "/api/payments/x"),
            ("POST", "/api/payments/x/void"),
            ("POST", "/api/payments/x/refunds"),
        ] {
            let mut request = if method == "GET" { house.client.get(path) } else { house.client.post(path) };
            if let Some(header) = &header {
                request = request.header("authorization", header);
            }
            let answer = request.send().await;
            assert_eq!(answer.0.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(answer.0.content_type(), Some("application/problem+json"));
            assert!(answer.0.headers().contains_key("x-request-id"));
        }
    }
    let with = |field: &str, value: Value| {
        let mut body = order();
        body[field] = value;
        body
    };
    for bad in [
        with("amount", json!(0)),
        with("amount", json!(-5)),
        with("amount", json!(1.5)),
        with("amount", json!("5")),
        with("amount", json!(1_000_000_000_000_001_i64)),
        with("currency", json!("usd")),
        with("currency", json!("XXX")),
        with("reference", json!("")),
        with("reference", json!("a\u{0}")),
        with("reference", json!("r".repeat(129))),
        with("description", json!("d".repeat(201))),
        with("webhook_url", json!("ftp://127.0.0.1/")),
        with("webhook_url", json!("not an address")),
        with("return_url", json!("javascript:alert(1)")),
        with("return_url", json!("data:text/html,x")),
        with("unknown", json!(1)),
        json!({}),
        json!([]),
        Value::Null,
    ] {
        let (status, problem) = house.post("/api/payments", "key", &bad).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")), "{bad}");
        assert!(problem["request_id"].is_string());
    }
    let bare = house.client.post("/api/payments").header("authorization", format!("Bearer {API_KEY}"));
    let answer = bare.body_json(&order()).send().await;
    assert_eq!(answer.0.status(), StatusCode::BAD_REQUEST, "no Idempotency-Key");
    let (status, _) = house.post("/api/payments", "key", &with("description", json!("d".repeat(70_000)))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    for (path, expected) in [
        ("/api/payments/nonsense", 404),
        ("/api/payments/0199d6a0-4c1e-7b3a-9c0e-3f1d2a6b8c4d", 404),
        ("/nowhere", 404),
        ("/api/book?limit=0", 400),
        ("/api/book?limit=1001", 400),
        ("/api/book?cursor=%00", 400),
        ("/api/book?cursor=abc", 400),
        ("/api/book?offset=3", 400),
        ("/api/payments", 400),
        ("/api/payments/0199d6a0-4c1e-7b3a-9c0e-3f1d2a6b8c4d/refunds", 405),
    ] {
        let (status, problem) = house.get(path).await;
        assert_eq!(status.as_u16(), expected, "{path}");
        assert_eq!(problem["status"], expected, "{path}");
    }
    assert_eq!(house.count("gateway.payments").await, 0);
    assert_eq!(house.count("jobs.jobs").await, 0);
}

#[tokio::test]
async fn refunds_never_exceed_what_was_captured() {
    let house = Arc::new(house().await);
    let id = house.captured("key").await;
    let path = format!("/api/payments/{id}/refunds");
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (house, path) = (Arc::clone(&house), path.clone());
            tokio::spawn(async move {
                house
                    .post(
                        &path,
                        &format!("refund-{number}"),
                        &json!({"amount": 600, "reference": format!("r-{number}")}),
                    )
                    .await
            })
        })
        .collect();
    let mut succeeded = 0;
    for task in tasks {
        let (status, answer) = task.await.unwrap();
        assert_eq!(status, StatusCode::CREATED);
        succeeded += usize::from(answer["status"] == "succeeded");
        assert_eq!(answer["status"] == "failed", answer["reason"].is_string());
    }
    assert_eq!(succeeded, 2);
    let (_, payment) = house.get(&format!("/api/payments/{id}")).await;
    assert_eq!((&payment["captured"], &payment["refunded"]), (&json!(1299), &json!(1200)));
    assert_eq!(house.count("gateway.deliveries WHERE kind = 'refund.succeeded'").await, 2);
    assert_eq!(house.count("gateway.deliveries WHERE kind = 'refund.failed'").await, 48);
}

#[tokio::test]
async fn a_refund_is_made_once_for_each_key() {
    let house = house().await;
    let id = house.captured("key").await;
    let path = format!("/api/payments/{id}/refunds");
    let refund = json!({"amount": 100, "reference": "r-1"});
    let first = house.post(&path, "refund-1", &refund).await;
    assert_eq!(house.post(&path, "refund-1", &refund).await, first);
    let (status, _) = house.post(&path, "refund-1", &json!({"amount": 101, "reference": "r-1"})).await;
    assert_eq!(status.as_u16(), 422);
    assert_eq!(house.count("gateway.transactions WHERE kind = 'refund'").await, 1);
    let pending = house.open("key-2", &order()).await;
    let (_, answer) =
        house.post(&format!("/api/payments/{}/refunds", pending["id"].as_str().unwrap()), "refund-2", &refund).await;
    assert_eq!(answer["status"], "failed", "nothing was captured");
}

#[tokio::test]
async fn a_pending_payment_can_be_voided_and_a_captured_one_cannot() {
    let house = house().await;
    let pending = house.open("key-1", &order()).await;
    let path = format!("/api/payments/{}/void", pending["id"].as_str().unwrap());
    for _ in 0..2 {
        let (status, answer) = house.post(&path, "-", &Value::Null).await;
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("voided")));
    }
    let captured = house.captured("key-2").await;
    let (status, problem) = house.post(&format!("/api/payments/{captured}/void"), "-", &Value::Null).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("payment_not_pending")));
    let (_, html) = house.page(&token(&pending)).await;
    assert!(html.contains("Payment cancelled"), "{html}");
}

#[tokio::test]
async fn the_book_shows_every_payment_once_with_its_refunds() {
    let house = house().await;
    let mut opened = Vec::new();
    for number in 0..7 {
        opened.push(house.open(&format!("key-{number}"), &order()).await["id"].clone());
    }
    let paid = house.captured("paid").await;
    opened.push(json!(paid));
    house.post(&format!("/api/payments/{paid}/refunds"), "r", &json!({"amount": 99, "reference": "r-1"})).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = house.get(&format!("/api/book?limit=3{cursor}")).await;
        assert_eq!(status, StatusCode::OK);
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 3);
        seen.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>(), opened);
    let last = seen.last().unwrap();
    assert_eq!((&last["captured"], &last["refunded"], &last["status"]), (&json!(1299), &json!(99), &json!("captured")));
    assert_eq!(last["refunds"][0]["reference"], "r-1");
    assert_eq!(house.get("/health").await, (StatusCode::OK, json!({"status": "ok"})));
}

#[tokio::test]
async fn the_ledger_cannot_be_rewritten() {
    let house = house().await;
    house.captured("key").await;
    let mut conn = house.pool.get().await.unwrap();
    for bad in [
        "UPDATE gateway.transactions SET amount_minor = 1",
        "DELETE FROM gateway.transactions",
        "TRUNCATE gateway.transactions",
        "UPDATE gateway.payments SET refunded_minor = 1300",
        "UPDATE gateway.payments SET status = 'failed'",
    ] {
        let tried = diesel_async::RunQueryDsl::execute(diesel::sql_query(bad), &mut *conn).await;
        assert!(tried.is_err(), "{bad}");
    }
}
