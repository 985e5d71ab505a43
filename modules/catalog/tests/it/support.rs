//! A catalog of its own for each test, and people who use it.

use std::sync::Arc;

use catalog::{Catalog, media::MediaStore};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use kernel::{Caller, Clock, PgConn, Pool, Role, Scopes, SharedVerifier, TestClock, UserId, Verified, VerifyToken};
use object_store::memory::InMemory;
use poem::{
    Body, Endpoint, EndpointExt, Route,
    endpoint::BoxEndpoint,
    http::{Method, StatusCode},
    test::{TestClient, TestForm, TestFormField, TestRequestBuilder},
};
use poem_openapi::OpenApiService;
use serde_json::{Value, json};
use testkit::TestDatabase;
use uuid::Uuid;

/// Tokens say what they are: `operator 0192…`.
struct Tokens;

impl Tokens {
    fn owner(token: &str) -> Option<Caller> {
        let (role, id) = token.split_once('.')?;
        let role = match role {
            "customer" => Role::Customer,
            "operator" => Role::Operator,
            _ => return None,
        };
        Some(Caller::new(id.parse().ok()?, role))
    }
}

impl VerifyToken for Tokens {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Verified>> {
        let verified = Self::owner(token).map(|caller| Verified { caller, scopes: Scopes::All });
        Box::pin(std::future::ready(verified))
    }
}

/// A catalog with a database of its own.
pub struct Shop {
    pub pool: Pool,
    pub clock: Arc<TestClock>,
    pub media: MediaStore,
    pub document: String,
    client: TestClient<BoxEndpoint<'static>>,
    _database: TestDatabase,
}

/// Somebody with a token, or without.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: UserId,
    token: Option<String>,
}

impl Person {
    fn new(role: Role) -> Self {
        let id = UserId::new();
        let name = if role == Role::Operator { "operator" } else { "customer" };
        Self { id, token: Some(format!("{name}.{id}")) }
    }
}

/// Somebody with an account.
pub fn customer() -> Person {
    Person::new(Role::Customer)
}

/// Somebody who works here.
pub fn operator() -> Person {
    Person::new(Role::Operator)
}

/// Somebody we do not know.
pub fn stranger() -> Person {
    Person { token: None, ..customer() }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: poem::http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body, provided that the status is this.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        if self.bytes.is_empty() { Value::Null } else { serde_json::from_slice(&self.bytes).unwrap() }
    }

    /// The problem's body, provided that it is this one.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        // Without any token the refusal is the framework's; the server turns it into a problem.
        if status == 401 && self.header("content-type").is_none_or(|kind| kind.starts_with("text/plain")) {
            assert_eq!(self.status, 401);
            return Value::Null;
        }
        let body = self.ok(status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
        body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn etag(&self) -> String {
        self.header("etag").unwrap().to_owned()
    }
}

/// Headers of a request.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl Shop {
    pub async fn open() -> Self {
        Self::with_media(Arc::new(InMemory::new())).await
    }

    pub async fn with_media(media: MediaStore) -> Self {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let clock = Arc::new(TestClock::at("2026-11-22T12:00:00Z".parse::<DateTime<Utc>>().unwrap()));
        let deps = Catalog {
            pool: pool.clone(),
            clock: clock.clone(),
            media: Arc::clone(&media),
            workshop: catalog::media::Workshop::default(),
            public_url: "http://shop.test/".to_owned(),
            has_account: |_conn, id| Box::pin(std::future::ready(Ok(!id.as_uuid().is_nil()))),
        };
        let service = OpenApiService::new(catalog::api(&deps), "catalog", "1");
        let document = service.spec();
        let verifier: SharedVerifier = Arc::new(Tokens);
        let client = TestClient::new(Route::new().nest("/v1", service).data(verifier).map_to_response().boxed());
        Self { pool, clock, media, document, client, _database: database }
    }

    /// Lets a second pass, so that what comes next is newer.
    pub fn tick(&self) -> DateTime<Utc> {
        self.clock.advance(TimeDelta::seconds(1));
        self.clock.now()
    }

    pub async fn conn(
        &self,
    ) -> bb8::PooledConnection<'_, diesel_async::pooled_connection::AsyncDieselConnectionManager<PgConn>> {
        self.pool.get().await.unwrap()
    }

    fn request(
        &self,
        person: &Person,
        method: Method,
        path: &str,
        headers: Headers<'_>,
    ) -> TestRequestBuilder<'_, impl Endpoint> {
        let mut request = self.client.request(method, format!("/v1{path}"));
        if let Some(token) = &person.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    }

    async fn send(&self, request: TestRequestBuilder<'_, impl Endpoint>) -> Answer {
        let response = request.send().await.0;
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, bytes: body.into_vec().await.unwrap() }
    }

    pub async fn get(&self, person: &Person, path: &str) -> Answer {
        self.get_with(person, path, &[]).await
    }

    pub async fn get_with(&self, person: &Person, path: &str, headers: Headers<'_>) -> Answer {
        self.send(self.request(person, Method::GET, path, headers)).await
    }

    pub async fn delete(&self, person: &Person, path: &str) -> Answer {
        self.send(self.request(person, Method::DELETE, path, &[])).await
    }

    pub async fn post(&self, person: &Person, path: &str, body: Value) -> Answer {
        self.post_with(person, path, &[], body).await
    }

    pub async fn post_with(&self, person: &Person, path: &str, headers: Headers<'_>, body: Value) -> Answer {
        self.json(person, Method::POST, path, headers, body).await
    }

    pub async fn put(&self, person: &Person, path: &str, body: Value) -> Answer {
        self.json(person, Method::PUT, path, &[], body).await
    }

    /// PATCH with the ETag that was seen; none when it is empty.
    pub async fn patch(&self, person: &Person, path: &str, etag: &str, body: Value) -> Answer {
        let headers: Headers<'_> = &[("if-match", etag)];
        let headers = if etag.is_empty() { &[] } else { headers };
        self.json(person, Method::PATCH, path, headers, body).await
    }

    async fn json(&self, person: &Person, method: Method, path: &str, headers: Headers<'_>, body: Value) -> Answer {
        let request = self.request(person, method, path, headers);
        self.send(request.content_type("application/json").body(Body::from_string(body.to_string()))).await
    }

    pub async fn upload(&self, person: &Person, method: Method, path: &str, file_name: &str, file: Vec<u8>) -> Answer {
        let field = TestFormField::bytes(file).name("file").filename(file_name).content_type("image/jpeg");
        let request = self.request(person, method, path, &[]).multipart(TestForm::new().field(field));
        self.send(request).await
    }

    /// A business of somebody's; its id.
    pub async fn business(&self, owner: &Person, name: &str) -> String {
        let body = json!({ "name": name, "city": "Huế", "country": "VN" });
        self.post(owner, "/businesses", body).await.ok(201)["id"].as_str().unwrap().to_owned()
    }

    /// A category; its id.
    pub async fn category(&self, slug: &str, parent: Option<&str>) -> String {
        let mut body = json!({ "slug": slug, "name": slug });
        if let Some(parent) = parent {
            body["parent_id"] = json!(parent);
        }
        self.post(&operator(), "/categories", body).await.ok(201)["id"].as_str().unwrap().to_owned()
    }

    /// A product with one variant, as it is answered.
    pub async fn product(&self, seller: &Person, business: &str, sku: &str, price_minor: i64) -> Value {
        let body = json!({ "business_id": business, "name": format!("Product {sku}"), "currency": "USD", "sku": sku,
            "price_minor": price_minor });
        self.post(seller, "/products", body).await.ok(201)
    }

    /// Books goods that came in.
    pub async fn receive(&self, seller: &Person, variant: &str, quantity: i32) -> Value {
        let key = Uuid::new_v4().to_string();
        let path = format!("/variants/{variant}/stock/receive");
        self.post_with(seller, &path, &[("idempotency-key", &key)], json!({ "quantity": quantity })).await.ok(200)
    }

    /// Nothing in the catalog may contradict itself.
    pub async fn assert_sound(&self) {
        assert_eq!(catalog::audit(&mut *self.conn().await).await.unwrap(), vec![]);
    }
}

/// The id in an answer.
pub fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

/// The id of a product's first variant.
pub fn variant(product: &Value) -> &str {
    id(&product["variants"][0])
}
