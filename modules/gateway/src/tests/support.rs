//! What the tests share: a gateway with a merchant, called as over HTTP.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;
use kernel::{
    Outcome, Pool, TestClock,
    job::{JobContext, Registry},
};
use poem::{
    Endpoint, Response,
    http::StatusCode,
    test::{TestClient, TestResponse},
};
use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::{Gateway, WebhookSecret, register, routes};

pub const API_KEY: &str = "gw_test_key";
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

pub struct House<E> {
    pub client: TestClient<E>,
    pub clock: Arc<TestClock>,
    pub pool: Pool,
    pub registry: Registry,
    _database: TestDatabase,
}

pub async fn house() -> House<impl Endpoint<Output = Response> + use<>> {
    let database = TestDatabase::new().await;
    let clock = Arc::new(TestClock::at(noon()));
    let gateway = Gateway {
        pool: database.pool(),
        clock: clock.clone(),
        api_key: API_KEY.to_owned(),
        webhook_secret: WebhookSecret::parse(SECRET).unwrap(),
        public_url: "http://pay.example/".to_owned(),
        merchant: "Tom & Jerry's <Shop>".to_owned(),
    };
    let registry = register(Registry::new(), &gateway).unwrap();
    House { client: TestClient::new(routes(gateway)), clock, pool: database.pool(), registry, _database: database }
}

pub fn order() -> Value {
    json!({"amount": 1299, "currency": "USD", "reference": "attempt-1", "description": "Order A-1",
        "webhook_url": "http://127.0.0.1:9/hook"})
}

/// The same, to be approved first and captured later.
pub fn manual() -> Value {
    let mut order = order();
    order["capture_method"] = json!("manual");
    order
}

/// The token in a pay page's address.
pub fn token(answer: &Value) -> String {
    answer["pay_url"].as_str().unwrap().strip_prefix("http://pay.example/pay/").unwrap().to_owned()
}

impl<E: Endpoint> House<E> {
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.client.post(path).header("authorization", format!("Bearer {API_KEY}"));
        read(request.header("idempotency-key", key).body_json(body).send().await).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.client.get(path).header("authorization", format!("Bearer {API_KEY}")).send().await).await
    }

    /// Opens a payment.
    pub async fn open(&self, key: &str, body: &Value) -> Value {
        let (status, answer) = self.post("/api/payments", key, body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer
    }

    /// The pay page as a customer sees it.
    pub async fn page(&self, token: &str) -> (TestResponse, String) {
        let mut answer = self.client.get(format!("/pay/{token}")).send().await;
        let html = answer.0.take_body().into_string().await.unwrap();
        (answer, html)
    }

    /// Presses a button of the page.
    pub async fn press(&self, token: &str, button: &str) -> TestResponse {
        let (_, html) = self.page(token).await;
        // A page that was loaded before the payment ended still has its form.
        let nonce = nonce(&html).unwrap_or_else(|| form_nonce(token));
        self.send_form(token, button, &format!("nonce={nonce}")).await
    }

    pub async fn send_form(&self, token: &str, button: &str, form: &str) -> TestResponse {
        let request = self.client.post(format!("/pay/{token}/{button}"));
        request.content_type("application/x-www-form-urlencoded").body(form.to_owned()).send().await
    }

    /// A payment with the money in; answers its id.
    pub async fn captured(&self, key: &str) -> String {
        let answer = self.open(key, &order()).await;
        assert_eq!(self.press(&token(&answer), "approve").await.0.status(), StatusCode::SEE_OTHER);
        answer["id"].as_str().unwrap().to_owned()
    }

    /// A payment with the money held; answers its id and its page's token.
    pub async fn authorized(&self, key: &str) -> (String, String) {
        let answer = self.open(key, &manual()).await;
        let token = token(&answer);
        assert_eq!(self.press(&token, "approve").await.0.status(), StatusCode::SEE_OTHER);
        (answer["id"].as_str().unwrap().to_owned(), token)
    }

    pub async fn count(&self, from_where: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let sql = format!("SELECT count(*) AS count FROM {from_where}");
        let count: Count = diesel::sql_query(sql).get_result(&mut *self.pool.get().await.unwrap()).await.unwrap();
        count.count
    }

    /// The waiting jobs of a kind: their arguments.
    pub async fn jobs(&self, kind: &str) -> Vec<Value> {
        #[derive(diesel::QueryableByName)]
        struct Args {
            #[diesel(sql_type = diesel::sql_types::Jsonb)]
            args: Value,
        }
        let sql = diesel::sql_query("SELECT args FROM jobs.jobs WHERE kind = $1 AND queue = 'gateway' ORDER BY id");
        let rows: Vec<Args> =
            sql.bind::<diesel::sql_types::Text, _>(kind).load(&mut *self.pool.get().await.unwrap()).await.unwrap();
        rows.into_iter().map(|row| row.args).collect()
    }

    /// Runs a job as a worker would.
    pub async fn run(&self, kind: &str, args: Value) -> Outcome {
        let context = JobContext { id: 1, attempt: 1, max_attempts: 20, lease_token: kernel::uuid::Uuid::nil() };
        self.registry.handler(kind).unwrap()(args, context).await
    }
}

pub fn nonce(html: &str) -> Option<String> {
    let (_, rest) = html.split_once(r#"name="nonce" value=""#)?;
    rest.split_once('"').map(|(nonce, _)| nonce.to_owned())
}

fn form_nonce(token: &str) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use sha2::{Digest, Sha256};
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("pay-form.{token}")))
}

async fn read(answer: TestResponse) -> (StatusCode, Value) {
    let mut answer = answer.0;
    let body = answer.take_body().into_string().await.unwrap();
    (answer.status(), serde_json::from_str(&body).unwrap_or(Value::String(body)))
}
