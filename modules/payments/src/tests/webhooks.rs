//! The route that gateways report to.

use std::sync::Arc;

use chrono::TimeDelta;
use kernel::{Problem, SharedClock, TestClock};
use poem::{
    EndpointExt, Route,
    http::StatusCode,
    test::{TestClient, TestResponse},
};
use poem_openapi::OpenApiService;

use super::support::{House, captured, noon, usd};
use crate::{Api, SigningSecret, SigningSecrets, WebhookGateway};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const STRANGE: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn secret(text: &str) -> SigningSecret {
    SigningSecret::parse(text).unwrap()
}

fn service(house: &House) -> TestClient<impl poem::Endpoint + use<>> {
    let clock: SharedClock = Arc::new(TestClock::at(noon()));
    let secrets = SigningSecrets::new(vec![secret(OLD).until(noon() + TimeDelta::seconds(1)), secret(NEW)]);
    let api = Api::new(house.pool.clone(), clock, vec![WebhookGateway { name: "mock".into(), secrets }]);
    let service = OpenApiService::new(api, "test", "1");
    TestClient::new(Route::new().nest("/v1", service).catch_all_error(async |error: poem::Error| error.into_response()))
}

struct Sending {
    id: Option<String>,
    timestamp: Option<String>,
    signature: Option<String>,
    body: Vec<u8>,
    path: &'static str,
}

/// A sending that is right in every respect.
fn sending(body: &[u8]) -> Sending {
    let (id, timestamp) = ("msg_1".to_owned(), noon().timestamp().to_string());
    let signature = secret(OLD).header(&id, &timestamp, body);
    Sending {
        id: Some(id),
        timestamp: Some(timestamp),
        signature: Some(signature),
        body: body.to_vec(),
        path: "/v1/webhooks/payments/mock",
    }
}

impl Sending {
    fn signed_with(mut self, text: &str) -> Self {
        let (id, timestamp) = (self.id.clone().unwrap_or_default(), self.timestamp.clone().unwrap_or_default());
        self.signature = Some(secret(text).header(&id, &timestamp, &self.body));
        self
    }

    fn at(mut self, offset: i64) -> Self {
        self.timestamp = Some((noon().timestamp() + offset).to_string());
        self.signed_with(OLD)
    }

    async fn send<E: poem::Endpoint>(self, to: &TestClient<E>) -> TestResponse {
        let mut request = to.post(self.path).content_type("application/json");
        for (name, value) in
            [("webhook-id", self.id), ("webhook-timestamp", self.timestamp), ("webhook-signature", self.signature)]
        {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request.body(self.body).send().await
    }
}

#[tokio::test]
async fn a_signed_webhook_is_stored_once_with_its_job() {
    let house = House::new().await;
    let service = service(&house);
    let body = captured(&house.pending(usd(500)).await).to_string();
    for _ in 0..3 {
        let answer = sending(body.as_bytes()).send(&service).await;
        answer.assert_status_is_ok();
        answer.assert_json(serde_json::json!({"received": true})).await;
    }
    sending(body.as_bytes()).signed_with(NEW).send(&service).await.assert_status_is_ok();
    assert_eq!(house.count("payments.inbox").await, 1);
    assert_eq!(house.count("jobs.jobs WHERE kind = 'payments.settle_payment' AND queue = 'urgent'").await, 1);
}

#[tokio::test]
async fn w_03_a_webhook_sent_to_many_servers_at_once_is_stored_once() {
    let house = House::new().await;
    let service = Arc::new(service(&house));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { sending(b"{}").send(&service).await.0.status() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(house.count("payments.inbox").await, 1);
    assert_eq!(house.count("jobs.jobs").await, 1);
}

#[tokio::test]
async fn w_01_what_is_not_signed_has_no_effect() {
    let house = House::new().await;
    let service = service(&house);
    let body: &[u8] = br#"{"a": 1}"#;
    let refused = [
        ("no signature", Sending { signature: None, ..sending(body) }, 400),
        ("no id", Sending { id: None, ..sending(body) }, 400),
        ("no timestamp", Sending { timestamp: None, ..sending(body) }, 400),
        ("empty signature", Sending { signature: Some(String::new()), ..sending(body) }, 400),
        ("bad base64", Sending { signature: Some("v1,%%%%".into()), ..sending(body) }, 401),
        ("another secret", sending(body).signed_with(STRANGE), 401),
        (
            "another version",
            Sending { signature: sending(body).signature.map(|it| it.replace("v1,", "v2,")), ..sending(body) },
            401,
        ),
        ("301 s old", sending(body).at(-301), 401),
        ("301 s early", sending(body).at(301), 401),
        ("timestamp not a number", Sending { timestamp: Some("soon".into()), ..sending(body) }, 400),
        ("a blank more", Sending { body: br#"{"a":  1}"#.to_vec(), ..sending(body) }, 401),
        ("another id", Sending { id: Some("msg_2".into()), ..sending(body) }, 401),
        ("huge body", sending(&vec![b' '; 64 * 1024 + 1]), 413),
        ("unknown gateway", Sending { path: "/v1/webhooks/payments/paypal", ..sending(body) }, 404),
        ("no name of a gateway", Sending { path: "/v1/webhooks/payments/..%2f", ..sending(body) }, 400),
    ];
    for (case, sending, status) in refused {
        let answer = sending.send(&service).await;
        assert_eq!(answer.0.status().as_u16(), status, "{case}");
        if status != 400 {
            assert_eq!(answer.0.content_type(), Some("application/problem+json"), "{case}");
        }
    }
    assert_eq!(house.count("payments.inbox").await, 0);
    assert_eq!(house.count("jobs.jobs").await, 0);
    sending(body).at(-300).send(&service).await.assert_status_is_ok();
    let largest = vec![b' '; 64 * 1024];
    Sending { id: Some("msg_9".into()), ..sending(&largest) }
        .signed_with(OLD)
        .send(&service)
        .await
        .assert_status_is_ok();
}

#[tokio::test]
async fn w_02_old_and_new_secret_hold_while_they_overlap_and_then_only_the_new_one() {
    let house = House::new().await;
    let clock = Arc::new(TestClock::at(noon()));
    let end = noon() + TimeDelta::seconds(60);
    let secrets = SigningSecrets::new(vec![secret(NEW), secret(OLD).until(end)]);
    let gateways = vec![WebhookGateway { name: "mock".into(), secrets }];
    let shared: SharedClock = clock.clone();
    let api = Api::new(house.pool.clone(), shared, gateways);
    let service = TestClient::new(Route::new().nest("/v1", OpenApiService::new(api, "test", "1")));
    let of = |id: &str, with: &str| Sending { id: Some(id.to_owned()), ..sending(b"{}") }.signed_with(with);
    of("msg_old", OLD).send(&service).await.assert_status_is_ok();
    of("msg_new", NEW).send(&service).await.assert_status_is_ok();
    clock.advance(TimeDelta::seconds(60));
    assert_eq!(of("msg_late", OLD).send(&service).await.0.status(), StatusCode::UNAUTHORIZED);
    of("msg_late", NEW).send(&service).await.assert_status_is_ok();
    assert_eq!(house.count("payments.inbox").await, 3);
}

#[tokio::test]
async fn the_document_says_that_the_body_is_json() {
    let pool = kernel::db::pool("postgres://nobody@127.0.0.1:1/none", kernel::db::PoolSettings::default());
    let clock: SharedClock = Arc::new(TestClock::at(noon()));
    let spec = OpenApiService::new(Api::new(pool, clock, Vec::new()), "test", "1").spec();
    let spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
    let operation = &spec["paths"]["/webhooks/payments/{gateway}"]["post"];
    assert_eq!(operation["operationId"], "receivePaymentWebhook");
    assert_eq!(operation["summary"], "Take a payment gateway's report");
    let content = operation["requestBody"]["content"].as_object().unwrap();
    assert!(content.keys().all(|key| key.starts_with("application/json")), "{content:?}");
    assert!(spec["components"]["schemas"]["PaymentNotification"]["example"].is_object());
}

#[test]
fn every_error_is_a_problem_of_a_declared_kind() {
    let declared: Vec<_> = crate::problems()
        .into_iter()
        .chain(kernel::problem::kinds())
        .map(|kind| (kind.code.to_owned(), kind.status))
        .collect();
    let errors = [
        crate::PaymentError::AmountNotPositive,
        crate::PaymentError::RefundExceedsCaptured { asked_minor: 2, refundable_minor: 1 },
        crate::PaymentError::CaptureExceedsAuthorized { asked_minor: 2, capturable_minor: 1 },
        crate::PaymentError::NotAuthorized(crate::AttemptId::new()),
        crate::PaymentError::UnknownAttempt(crate::AttemptId::new()),
        crate::PaymentError::UnknownRefund(crate::RefundId::new()),
        crate::PaymentError::UnknownEvent(crate::EventId::new()),
        crate::PaymentError::UnknownGateway,
        crate::PaymentError::InvalidSignature(crate::signature::SignatureError::NoMatch),
        crate::PaymentError::Db(diesel::result::Error::NotFound.into()),
    ];
    for error in errors {
        let problem = Problem::from(error);
        assert!(declared.contains(&(problem.code.clone(), problem.status)), "{problem:?}");
    }
}
