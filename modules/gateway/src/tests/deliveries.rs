//! Reports to the merchant.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use kernel::Outcome;
use poem::{
    Body, EndpointExt, Request, Route, Server, handler,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
    web::Data,
};
use serde_json::{Value, json};

use super::support::{SECRET, house, noon, order, token};
use crate::WebhookSecret;

/// What the merchant received: id, timestamp, signature, content type, body.
type Received = Arc<Mutex<Vec<[String; 5]>>>;
/// What the merchant answers next; 200 when it is empty.
type Script = Arc<Mutex<VecDeque<u16>>>;

#[handler]
async fn merchant(received: Data<&Received>, script: Data<&Script>, request: &Request, body: Body) -> StatusCode {
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let message = [
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
        header("content-type"),
        body.into_string().await.unwrap(),
    ];
    received.lock().unwrap().push(message);
    StatusCode::from_u16(script.lock().unwrap().pop_front().unwrap_or(200)).unwrap()
}

async fn start() -> (String, Received, Script) {
    let (received, script) = (Received::default(), Script::default());
    let routes = Route::new().at("/hook", poem::post(merchant)).data(Arc::clone(&received)).data(Arc::clone(&script));
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let port = acceptor.local_addr()[0].as_socket_addr().unwrap().port();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
    (format!("http://127.0.0.1:{port}/hook"), received, script)
}

#[tokio::test]
async fn a_report_is_sent_until_it_is_taken_and_then_no_more() {
    let (url, received, script) = start().await;
    script.lock().unwrap().extend([500, 302, 404]);
    let house = house().await;
    let mut body = order();
    body["webhook_url"] = json!(url);
    let payment = house.open("key", &body).await;
    house.press(&token(&payment), "approve").await;
    let job = house.jobs("gateway.deliver_webhook").await.pop().unwrap();
    for _ in 0..3 {
        let outcome = house.run("gateway.deliver_webhook", job.clone()).await;
        assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
    }
    assert_eq!(
        house.count("gateway.deliveries WHERE attempts = 3 AND delivered_at IS NULL AND last_error LIKE '%404%'").await,
        1
    );
    for _ in 0..2 {
        assert_eq!(house.run("gateway.deliver_webhook", job.clone()).await, Outcome::Done);
    }
    assert_eq!(
        house.count("gateway.deliveries WHERE attempts = 4 AND delivered_at IS NOT NULL AND last_error IS NULL").await,
        1
    );

    let received = received.lock().unwrap().clone();
    assert_eq!(received.len(), 4);
    let [id, timestamp, signature, content_type, body] = &received[0];
    assert!(received.iter().all(|message| message[0] == *id && message[4] == *body), "the same id and bytes each time");
    assert!(id.starts_with("msg_") && content_type == "application/json");
    assert_eq!(*timestamp, noon().timestamp().to_string());
    assert_eq!(*signature, WebhookSecret::parse(SECRET).unwrap().sign(id, noon().timestamp(), body));
    let report: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        report,
        json!({"type": "payment.captured", "timestamp": "2026-09-21T14:13:20.000000Z", "data": {
            "payment_id": payment["id"], "reference": "attempt-1", "amount": 1299, "currency": "USD", "status": "captured"}})
    );
}

#[tokio::test]
async fn refunds_are_reported_with_both_names() {
    let house = house().await;
    let id = house.captured("key").await;
    let (_, refund) =
        house.post(&format!("/api/payments/{id}/refunds"), "r", &json!({"amount": 99, "reference": "r-1"})).await;
    let name = refund["id"].as_str().unwrap();
    let sql = format!(
        "gateway.deliveries WHERE kind = 'refund.succeeded' AND body::jsonb -> 'data' = \
         '{{\"payment_id\": \"{id}\", \"reference\": \"attempt-1\", \"amount\": 99, \"currency\": \"USD\", \
           \"status\": \"succeeded\", \"refund_id\": \"{name}\", \"refund_reference\": \"r-1\"}}'::jsonb"
    );
    assert_eq!(house.count(&sql).await, 1);
}

#[tokio::test]
async fn a_merchant_that_is_away_gets_it_later_and_an_unknown_delivery_is_given_up() {
    let house = house().await;
    house.captured("key").await;
    let job = house.jobs("gateway.deliver_webhook").await.pop().unwrap();
    assert!(matches!(house.run("gateway.deliver_webhook", job).await, Outcome::Retry(_)));
    let unknown = json!({"delivery_id": "0199d6a0-4c1e-7b3a-9c0e-3f1d2a6b8c4d"});
    assert!(matches!(house.run("gateway.deliver_webhook", unknown).await, Outcome::GiveUp(_)));
    assert_eq!(house.registry.kinds(), ["gateway.deliver_webhook", "gateway.expire_payments"]);
    assert_eq!(house.registry.schedules().len(), 1);
}
