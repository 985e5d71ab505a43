//! The module as a client meets it.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types as st;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use kernel::{
    Clock, Outcome, PgConn, SharedVerifier, TestClock,
    job::{JobContext, Registry},
    mail::{Mail, MailError, Mailer},
    uuid::Uuid,
};
use poem::{
    Endpoint, EndpointExt, Request, Route,
    endpoint::BoxEndpoint,
    http::{Method, StatusCode, header},
};
use poem_openapi::OpenApiService;
use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::{Accounts, AuthApi, Doors, Hasher, MeApi, TokenKeys, audit, register};

pub(super) const PASSWORD: &str = "seven green lanterns";
pub(super) const SECRET: &[u8] = b"a secret of the tests, 32 bytes or more";

/// What the mail server does with the next mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Server {
    #[default]
    Up,
    Down,
    Refusing,
}

/// A mailer that remembers what it was given.
#[derive(Default)]
pub(super) struct RecordingMailer {
    sent: Mutex<Vec<Mail>>,
    server: Mutex<Server>,
}

#[async_trait::async_trait]
impl Mailer for RecordingMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        match *self.server.lock().unwrap() {
            Server::Down => Err(MailError::Transient("connection refused".into())),
            Server::Refusing => Err(MailError::Permanent("no such mailbox".into())),
            Server::Up => {
                self.sent.lock().unwrap().push(mail.clone());
                Ok(())
            }
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: poem::http::HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }

    /// Fails the test unless it has this status and, for problems, this code.
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub(super) fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.text("code").as_str()), (status, code), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json()["status"], status);
        self
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The module, alone with its database.
pub(super) struct TestApp {
    pub(super) database: TestDatabase,
    pub(super) accounts: Accounts,
    pub(super) clock: Arc<TestClock>,
    mailer: Arc<RecordingMailer>,
    registry: Registry,
    endpoint: BoxEndpoint<'static>,
}

impl TestApp {
    pub(super) async fn new() -> Self {
        Self::with(Hasher::default()).await
    }

    pub(super) async fn with(hasher: Hasher) -> Self {
        let database = TestDatabase::new().await;
        let clock = Arc::new(TestClock::at("2026-03-01T12:00:00Z".parse().unwrap()));
        let keys = Arc::new(TokenKeys::new(SECRET, clock.clone()).unwrap());
        let mailer = Arc::new(RecordingMailer::default());
        let url = "https://shop.example.com/";
        let doors = Arc::new(Doors::new(database.pool(), clock.clone(), keys));
        doors.look_now().await;
        let accounts = Accounts::new(database.pool(), clock.clone(), doors.clone(), mailer.clone(), url, hasher);
        let service =
            OpenApiService::new((AuthApi::new(accounts.clone()), MeApi::new(accounts.clone())), "accounts", "1");
        let verifier: SharedVerifier = doors;
        let endpoint = Route::new().nest("/v1", service).data(verifier).boxed();
        let registry = register(Registry::new(), &accounts);
        Self { database, accounts, clock, mailer, registry, endpoint }
    }

    pub(super) async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<String>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/v1{path}").parse().unwrap());
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => request.content_type("application/json").body(body),
            None => request.finish(),
        };
        self.raw(request).await
    }

    pub(super) async fn raw(&self, request: Request) -> Answer {
        let response = self.endpoint.get_response(request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().into_string().await.unwrap();
        assert!(status < 500 || status == StatusCode::SERVICE_UNAVAILABLE.as_u16(), "an answer of {status}: {body}");
        Answer { status, headers, body }
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, Some(body.to_string())).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    pub(super) async fn me(&self, access: &str) -> Answer {
        self.send(Method::GET, "/me", Some(access), None).await
    }

    pub(super) async fn patch_me(&self, access: &str, body: Value) -> Answer {
        self.send(Method::PATCH, "/me", Some(access), Some(body.to_string())).await
    }

    pub(super) async fn change_password(&self, access: &str, current: &str, new: &str) -> Answer {
        let body = json!({ "current_password": current, "new_password": new });
        self.send(Method::POST, "/me/password", Some(access), Some(body.to_string())).await
    }

    pub(super) async fn register(&self, name: &str) -> Answer {
        let email = format!("{name}@example.com");
        self.post("/auth/register", json!({ "username": name, "email": email, "password": PASSWORD })).await
    }

    pub(super) async fn login(&self, login: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({ "login": login, "password": password })).await
    }

    pub(super) async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({ "refresh_token": token })).await
    }

    /// Registers `name` and follows the link in the mail.
    pub(super) async fn verified(&self, name: &str) {
        self.register(name).await.is(201);
        let token = self.mailed_token().await;
        self.post("/auth/verify-email", json!({ "token": token })).await.is(204);
    }

    /// Registers, verifies and logs `name` in; answers access and refresh token.
    pub(super) async fn logged_in(&self, name: &str) -> (String, String) {
        self.verified(name).await;
        pair(&self.login(name, PASSWORD).await.is(200))
    }

    /// Runs the jobs and answers the token in the only mail that they sent.
    pub(super) async fn mailed_token(&self) -> String {
        self.run_jobs().await;
        let [mail] = <[Mail; 1]>::try_from(self.mails()).unwrap();
        mail.context["token"].as_str().unwrap().to_owned()
    }

    /// The mails since the last time somebody asked.
    pub(super) fn mails(&self) -> Vec<Mail> {
        std::mem::take(&mut self.mailer.sent.lock().unwrap())
    }

    pub(super) fn mail_server(&self, server: Server) {
        *self.mailer.server.lock().unwrap() = server;
    }

    /// Runs all waiting jobs once, in order, as the worker would; answers how they ended.
    pub(super) async fn run_jobs(&self) -> Vec<(String, Outcome)> {
        let mut outcomes = Vec::new();
        for job in self.waiting_jobs().await {
            let handler = self.registry.handler(&job.kind).unwrap();
            let context = context_of(job.id);
            let outcome = handler(job.args, context).await;
            if outcome == Outcome::Done {
                self.sql(&format!(
                    "UPDATE jobs.jobs SET state = 'finished', finished_at = now() WHERE id = {}",
                    job.id
                ))
                .await;
            }
            outcomes.push((job.kind, outcome));
        }
        outcomes
    }

    pub(super) async fn waiting_jobs(&self) -> Vec<JobRow> {
        let mut conn = self.database.connect().await;
        diesel::sql_query("SELECT id, kind, args FROM jobs.jobs WHERE state = 'new' ORDER BY id")
            .load(&mut conn)
            .await
            .unwrap()
    }

    pub(super) async fn run_again(&self, job: JobRow) -> Outcome {
        self.registry.handler(&job.kind).unwrap()(job.args, context_of(job.id)).await
    }

    pub(super) async fn sql(&self, sql: &str) {
        self.database.connect().await.batch_execute(sql).await.unwrap();
    }

    pub(super) async fn count(&self, from: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = st::BigInt)]
            count: i64,
        }
        let mut conn = self.database.connect().await;
        let counted: Count =
            diesel::sql_query(format!("SELECT count(*) AS count FROM {from}")).get_result(&mut conn).await.unwrap();
        counted.count
    }

    pub(super) async fn conn(&self) -> PgConn {
        self.database.connect().await
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) fn wait(&self, step: TimeDelta) {
        self.clock.advance(step);
    }

    /// Ends the test: whatever it did, the audit finds nothing.
    pub(super) async fn finish(self) {
        assert_eq!(audit(&mut self.database.connect().await).await.unwrap(), []);
    }
}

#[derive(Debug, Clone, diesel::QueryableByName)]
pub(super) struct JobRow {
    #[diesel(sql_type = st::BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = st::Text)]
    pub(super) kind: String,
    #[diesel(sql_type = st::Jsonb)]
    pub(super) args: Value,
}

/// Access and refresh token of an answer.
pub(super) fn pair(answer: &Answer) -> (String, String) {
    (answer.text("access_token"), answer.text("refresh_token"))
}

fn context_of(id: i64) -> JobContext {
    JobContext { id, attempt: 1, max_attempts: 20, lease_token: Uuid::nil() }
}
