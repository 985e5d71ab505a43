use std::sync::{Arc, Mutex};

use kernel::{Currency, Money};
use poem::{
    Body, EndpointExt, Request, Response, Route, Server, handler,
    listener::{Acceptor, Listener, TcpListener},
    web::Data,
};

use super::*;
use crate::{AttemptId, CaptureId, RefundId};

/// What a counterpart received: method, path and query, two headers, body.
type Received = Arc<Mutex<Vec<(String, String, Option<String>, Option<String>, Value)>>>;
type Answer = Arc<Mutex<(u16, Value)>>;

#[handler]
async fn counterpart(received: Data<&Received>, answer: Data<&Answer>, request: &Request, body: Body) -> Response {
    let header = |name: &str| request.header(name).map(str::to_owned);
    let body = body.into_json().await.unwrap_or_default();
    received.lock().unwrap().push((
        request.method().to_string(),
        request.uri().path_and_query().unwrap().to_string(),
        header("authorization"),
        header("idempotency-key"),
        body,
    ));
    let (status, answer) = answer.lock().unwrap().clone();
    if status == 0 {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(answer.to_string())
}

struct Counterpart {
    gateway: HttpGateway,
    received: Received,
    answer: Answer,
}

async fn start() -> Counterpart {
    let (received, answer) = (Received::default(), Answer::default());
    let routes = Route::new().at("/*path", counterpart).data(Arc::clone(&received)).data(Arc::clone(&answer));
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let port = acceptor.local_addr()[0].as_socket_addr().unwrap().port();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
    let base_url = format!("http://127.0.0.1:{port}/");
    let settings = HttpGatewaySettings { name: "mock".into(), base_url, api_key: "the-key".into() };
    Counterpart { gateway: HttpGateway::new(settings).unwrap(), received, answer }
}

impl Counterpart {
    fn answers(&self, status: u16, body: Value) {
        *self.answer.lock().unwrap() = (status, body);
    }
}

fn payment() -> CreatePayment {
    CreatePayment {
        attempt_id: AttemptId::new(),
        amount: Money::new(1_299, Currency::USD),
        capture: CaptureMethod::Automatic,
        description: "Order A-1".into(),
        webhook_url: "http://127.0.0.1/hook".into(),
        return_url: Some("http://127.0.0.1/back".into()),
    }
}

fn refund() -> CreateRefund {
    CreateRefund { refund_id: RefundId::new(), payment_reference: "p/1".into(), amount: Money::new(5, Currency::USD) }
}

#[tokio::test]
async fn a_payment_is_opened_with_key_and_idempotency_key() {
    let there = start().await;
    there.answers(201, json!({"id": "p-1", "status": "pending", "pay_url": "http://127.0.0.1/pay/x", "more": 1}));
    let payment = payment();
    let opened = there.gateway.create_payment(&payment).await.unwrap();
    assert_eq!(opened, Opened { reference: "p-1".into(), pay_url: "http://127.0.0.1/pay/x".into() });
    let (method, path, key, idempotency, body) = there.received.lock().unwrap()[0].clone();
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/api/payments"));
    assert_eq!(key.as_deref(), Some("Bearer the-key"));
    assert_eq!(idempotency, Some(payment.attempt_id.to_string()));
    assert_eq!(
        body,
        json!({"amount": 1299, "currency": "USD", "reference": payment.attempt_id, "description": "Order A-1",
            "webhook_url": "http://127.0.0.1/hook", "return_url": "http://127.0.0.1/back"})
    );
}

#[tokio::test]
async fn refunds_succeed_fail_and_escape_the_path() {
    let there = start().await;
    there.answers(201, json!({"id": "r-1", "status": "succeeded"}));
    assert_eq!(there.gateway.refund(&refund()).await.unwrap(), Refunded { reference: "r-1".into(), failure: None });
    there.answers(201, json!({"id": "r-1", "status": "failed", "reason": "too much"}));
    assert_eq!(there.gateway.refund(&refund()).await.unwrap().failure.as_deref(), Some("too much"));
    assert_eq!(there.received.lock().unwrap()[0].1, "/api/payments/p%2F1/refunds");
}

#[tokio::test]
async fn a_payment_is_held_captured_under_its_key_and_voided() {
    let there = start().await;
    there.answers(201, json!({"id": "p-1", "pay_url": "http://127.0.0.1/pay/x"}));
    there.gateway.create_payment(&CreatePayment { capture: CaptureMethod::Manual, ..payment() }).await.unwrap();
    let capture = CreateCapture {
        capture_id: CaptureId::new(),
        payment_reference: "p/1".into(),
        amount: Money::new(5, Currency::USD),
    };
    there.answers(201, json!({"id": "c-1", "amount": 5, "currency": "USD", "more": 1}));
    let captured = there.gateway.capture(&capture).await.unwrap();
    assert_eq!(captured, Captured { reference: "c-1".into(), amount: Money::new(5, Currency::USD) });
    there.answers(200, json!({"id": "p/1", "status": "voided"}));
    assert_eq!(there.gateway.void("p/1").await.unwrap(), Voided { reference: "p/1".into() });
    let received = there.received.lock().unwrap().clone();
    assert_eq!(received[0].4["capture_method"], "manual");
    assert_eq!(
        (received[1].1.as_str(), &received[1].3),
        ("/api/payments/p%2F1/captures", &Some(capture.capture_id.to_string()))
    );
    assert_eq!(received[1].4, json!({"amount": 5, "reference": capture.capture_id}));
    assert_eq!((received[2].0.as_str(), received[2].1.as_str()), ("POST", "/api/payments/p%2F1/void"));

    for unusable in [
        json!({"id": "c", "amount": 0, "currency": "USD"}),
        json!({"id": "c", "amount": 5, "currency": "usd"}),
        json!({"id": "", "amount": 5, "currency": "USD", "status": "voided"}),
        json!({"id": "p", "status": "pending"}),
    ] {
        there.answers(200, unusable.clone());
        assert!(matches!(there.gateway.capture(&capture).await, Err(GatewayError::NoAnswer(_))), "{unusable}");
        assert!(matches!(there.gateway.void("p").await, Err(GatewayError::NoAnswer(_))), "{unusable}");
    }
}

#[tokio::test]
async fn a_reason_that_cannot_be_kept_is_made_one_that_can() {
    let there = start().await;
    there.answers(409, json!({"code": "payment_not_authorized", "detail": format!("a\0b{}", "c".repeat(1_000))}));
    let Err(GatewayError::Refused(why)) = there.gateway.void("p").await else { panic!("refused") };
    assert_eq!(why, format!("ab{}", "c".repeat(498)));
}

#[tokio::test]
async fn a_conflict_is_a_no_only_when_it_says_so() {
    let there = start().await;
    for code in ["payment_not_pending", "payment_not_authorized", "capture_exceeds_authorized"] {
        there.answers(409, json!({"code": code, "detail": "because"}));
        let answer = there.gateway.void("p").await;
        assert!(matches!(answer, Err(GatewayError::Refused(why)) if why == "because"), "{code}");
    }
    for body in [json!({"code": "in_progress"}), json!({}), json!([])] {
        there.answers(409, body.clone());
        assert!(matches!(there.gateway.void("p").await, Err(GatewayError::NoAnswer(_))), "{body}");
    }
}

#[tokio::test]
async fn a_no_is_told_from_no_answer() {
    let there = start().await;
    for (status, refused) in [
        (400, true),
        (404, true),
        (422, true),
        (401, false),
        (403, false),
        (409, false),
        (429, false),
        (500, false),
        (503, false),
    ] {
        there.answers(status, json!({"detail": "because"}));
        match there.gateway.create_payment(&payment()).await {
            Err(GatewayError::Refused(why)) => assert!(refused && why == "because", "{status}"),
            Err(GatewayError::NoAnswer(_)) => assert!(!refused, "{status}"),
            Ok(_) => panic!("{status}"),
        }
    }
    for unusable in [
        json!([]),
        json!({"id": "", "pay_url": "http://127.0.0.1/"}),
        json!({"id": "p 1", "pay_url": "http://127.0.0.1/"}),
        json!({"id": "p", "pay_url": "javascript:alert(1)"}),
        json!({"id": "p", "pay_url": "nowhere"}),
    ] {
        there.answers(200, unusable.clone());
        let answer = there.gateway.create_payment(&payment()).await;
        assert!(matches!(answer, Err(GatewayError::NoAnswer(_))), "{unusable}");
    }
}

#[tokio::test]
async fn the_book_is_asked_for_page_by_page() {
    let there = start().await;
    there.answers(
        200,
        json!({"next_cursor": "c2", "data": [{"id": "p", "reference": "a", "status": "captured",
        "amount": 5, "currency": "USD", "captured": 5, "refunded": 0, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "refunds": []}]}),
    );
    let page = there.gateway.book_page(None).await.unwrap();
    assert_eq!((page.data.len(), page.next_cursor.as_deref()), (1, Some("c2")));
    there.gateway.book_page(Some("c2&x")).await.unwrap();
    let paths: Vec<_> = there.received.lock().unwrap().iter().map(|it| it.1.clone()).collect();
    assert_eq!(paths, ["/api/book?limit=1000", "/api/book?limit=1000&cursor=c2%26x"]);
}

#[test]
fn an_address_that_cannot_work_is_refused_at_the_start() {
    for base_url in ["", "127.0.0.1:8100", "https://127.0.0.1", "mailto:gateway"] {
        let settings = HttpGatewaySettings { name: "mock".into(), base_url: base_url.into(), api_key: "key".into() };
        assert!(HttpGateway::new(settings).is_err(), "{base_url}");
    }
}

#[tokio::test]
async fn the_request_id_goes_along() {
    let there = start().await;
    let context = request::Context { request_id: Some("req-7".into()), traceparent: None };
    let span = Span::begin(trace::Kind::Client, "gateway create", None);
    let request = request::scope(context, async {
        let url = there.gateway.address(&["api"]).unwrap();
        on_behalf(there.gateway.request(Method::GET, url), &span).build().unwrap()
    })
    .await;
    assert_eq!(request.headers()["x-request-id"], "req-7");
    assert_eq!(request.headers()["traceparent"], span.traceparent());
    let printed = format!("{:?}", there.gateway);
    assert!(!printed.contains("the-key"));
}
