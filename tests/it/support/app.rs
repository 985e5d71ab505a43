//! The application in the test's own process: real routes on a port, a database of its own, the mock gateway over HTTP, a
//! clock that is moved by hand, and jobs that run when they are told to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use accounts::{Password, Username, admin};
use catalog::media::open_store;
use chrono::{DateTime, TimeDelta, Utc};
use kernel::{Clock, EmailAddress, Queue, Role, SystemClock, TestClock, UserId};
use oms::{
    audit,
    config::{Config, Environment, Needs},
    gateway,
    http::{self, Shutdown, shutdown::Trigger},
    jobs::registry,
    wiring::Wiring,
};
use reqwest::{Method, redirect};
use serde_json::{Value, json};
use testkit::TestDatabase;
use tokio::{net::TcpListener, sync::OnceCell};

use super::{answer::Answer, outbox::Outbox, shop::Shop};

/// What the gateway signs with.
pub const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PASSWORD: &str = "correct horse battery staple";
const SETTINGS: [(&str, &str); 8] = [
    ("SECRET_KEY", "only-for-tests-and-of-at-least-thirty-two-bytes"),
    ("OMS_WEBHOOK_SECRETS", WEBHOOK_SECRET),
    ("OMS_GATEWAY_API_KEY", "only-for-tests-gateway"),
    // The sweep and the reconciliation are run by hand.
    ("OMS_EXPIRY_SWEEP_SECONDS", "3600"),
    ("OMS_RECONCILE_SECONDS", "3600"),
    // Whoever tests limits sets some.
    ("OMS_RATE_LIMIT_CALLER", "0"),
    ("OMS_RATE_LIMIT_ADDRESS", "0"),
    ("OMS_LOGIN_GUESSES", "0"),
];
/// Longer than any test's jobs take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: UserId,
    pub name: String,
    /// The access token, and when it was issued.
    token: Arc<Mutex<(String, DateTime<Utc>)>>,
}

impl Person {
    /// Where their mail goes.
    pub fn address(&self) -> String {
        format!("{}@example.com", self.name)
    }

    /// The access token they hold, which may have expired.
    pub fn token(&self) -> String {
        self.token.lock().unwrap().0.clone()
    }
}

pub struct TestApp {
    pub wiring: Wiring,
    pub clock: Arc<TestClock>,
    pub outbox: Arc<Outbox>,
    pub url: String,
    pub http: reqwest::Client,
    pub database: TestDatabase,
    shop: OnceCell<Shop>,
    numbers: AtomicU32,
    stop: Trigger,
    /// Whether somebody has looked if everything adds up.
    audited: AtomicBool,
}

/// Nobody forgets the audit (guarantee M-05).
impl Drop for TestApp {
    fn drop(&mut self) {
        let is_fine = std::thread::panicking() || *self.audited.get_mut();
        assert!(is_fine, "this test ends without the audit: end it with app.finish()");
    }
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// An application with these settings.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::new().await;
        let door = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (api, pages) = (door().await, door().await);
        let (url, gateway_url) =
            (format!("http://{}", api.local_addr().unwrap()), format!("http://{}", pages.local_addr().unwrap()));
        let environment =
            SETTINGS.iter().chain(settings).fold(Environment::empty(), |all, (name, value)| all.with(name, *value));
        let environment = environment
            .with("DATABASE_URL", database.url())
            .with("OMS_PUBLIC_URL", &url)
            .with("OMS_GATEWAY_URL", &gateway_url)
            .with("OMS_GATEWAY_PUBLIC_URL", &gateway_url);
        let config = Config::read(&environment, Needs::Everything).unwrap();
        let clock = Arc::new(TestClock::at(SystemClock.now()));
        let outbox = Arc::new(Outbox::default());
        let mut wiring = Wiring::with(config, clock.clone(), open_store("memory:///", []).unwrap()).unwrap();
        wiring.mailer = outbox.clone();
        let (stop, shutdown) = Shutdown::by_hand();
        let server = http::serve_on(api, &wiring, shutdown.clone()).unwrap();
        tokio::spawn(server.run());
        let gateway = gateway::start(&wiring.config, clock.clone(), pages, shutdown).await.unwrap();
        tokio::spawn(gateway.run());
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        let (shop, numbers) = (OnceCell::new(), AtomicU32::new(0));
        let audited = AtomicBool::new(false);
        Self { wiring, clock, outbox, url, http, database, shop, numbers, stop, audited }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn advance_minutes(&self, minutes: i64) {
        self.clock.advance(TimeDelta::minutes(minutes));
    }

    /// A number that no other has.
    pub fn next(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A fresh idempotency key.
    pub fn key(&self) -> String {
        format!("key-{}", self.next())
    }

    pub async fn customer(&self, name: &str) -> Person {
        self.person(name, Role::Customer).await
    }

    pub async fn operator(&self) -> Person {
        self.person("olga", Role::Operator).await
    }

    pub async fn admin(&self) -> Person {
        self.person("ada", Role::Admin).await
    }

    /// The shop of everything that nobody says a shop of.
    pub async fn default_shop(&self) -> &Shop {
        self.shop.get_or_init(|| self.seller("sam")).await
    }

    async fn person(&self, name: &str, role: Role) -> Person {
        let wiring = &self.wiring;
        let hash = password_hash().await;
        let mut conn = wiring.api_pool.get().await.unwrap();
        let (username, email) = (Username::parse(name).unwrap(), format!("{name}@example.com"));
        let email = EmailAddress::parse(email).unwrap();
        let user = admin::create_user(&mut conn, &username, &email, hash, role, true, self.now()).await.unwrap();
        drop(conn);
        let token = Arc::new(Mutex::new((String::new(), DateTime::UNIX_EPOCH)));
        let person = Person { id: user.id, name: name.to_owned(), token };
        self.log_in(&person).await;
        person
    }

    pub async fn log_in(&self, person: &Person) {
        let body = json!({ "login": person.name, "password": PASSWORD });
        let pair = self.send(None, Method::POST, "/auth/login", &[], Some(body.to_string())).await.ok(200);
        let token = pair["access_token"].as_str().unwrap().to_owned();
        *person.token.lock().unwrap() = (token, self.now());
    }

    /// Sends a request and checks the answer. Whoever's token has expired logs in again first.
    pub async fn send(
        &self,
        person: Option<&Person>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = self.http.request(method.clone(), format!("{}/v1{path}", self.url));
        if let Some(person) = person {
            let issued = person.token.lock().unwrap().1;
            if self.now() - issued > TimeDelta::minutes(14) {
                Box::pin(self.log_in(person)).await;
            }
            request = request.bearer_auth(person.token());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        let request = request.build().unwrap();
        let url = request.url().clone();
        Answer::read(&method, &url, self.http.execute(request).await.unwrap()).await
    }

    pub async fn get(&self, person: &Person, path: &str) -> Answer {
        self.send(Some(person), Method::GET, path, &[], None).await
    }

    pub async fn post(&self, person: &Person, path: &str, body: Value) -> Answer {
        self.send(Some(person), Method::POST, path, &[], Some(body.to_string())).await
    }

    /// POST with an idempotency key.
    pub async fn command(&self, person: &Person, path: &str, key: &str, body: Value) -> Answer {
        self.send(Some(person), Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
    }

    /// Runs every job that is ready, and what those enqueue, to the end.
    pub async fn run_jobs(&self) {
        let wiring = &self.wiring;
        let settings = ::jobs::Settings {
            queues: vec![(Queue::Urgent, 2), (Queue::Bulk, 2)],
            poll: Duration::from_millis(20),
            ..::jobs::Settings::default()
        };
        let (url, pool) = (wiring.config.database_url.expose(), wiring.machinery_pool.clone());
        let engine = ::jobs::start(url, pool, registry(wiring), settings).await.unwrap();
        let done = async {
            loop {
                let mut conn = wiring.api_pool.get().await.unwrap();
                let pending = ::jobs::admin::pending(&mut conn).await.unwrap();
                drop(conn);
                if pending == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, done).await.expect("the jobs end");
        engine.stop().await;
    }

    /// What the sweep does; answers how many orders expired.
    pub async fn expire(&self) -> usize {
        orders::expire_due(&self.wiring.orders(&self.wiring.worker_pool)).await.unwrap()
    }

    /// What `oms reconcile --all` does, without failures; answers what it settled, in words.
    pub async fn reconcile(&self) -> Vec<String> {
        let done = orders::reconcile(&self.wiring.orders(&self.wiring.worker_pool), orders::Scope::All).await.unwrap();
        assert_eq!(done.failed, vec![]);
        done.settled.iter().map(|(_, change)| change.to_string()).collect()
    }

    /// What a test put into the tables behind the modules' backs does not add up: no audit.
    pub fn is_made_up(&self) {
        self.audited.store(true, Ordering::Relaxed);
    }

    /// Whatever `oms audit` finds, the gateway's book left out.
    pub async fn differences(&self) -> Vec<kernel::Difference> {
        self.audited.store(true, Ordering::Relaxed);
        audit::audit(self.database.url(), &[]).await.unwrap().differences
    }

    /// Ends the test: every job is run, none may have failed, nothing may have panicked, and no audit may find anything, in
    /// the gateway's book neither.
    pub async fn finish(self) {
        self.run_jobs().await;
        let gateway = self.wiring.gateways.get("mock").unwrap();
        let later = self.now() + TimeDelta::hours(1);
        let mut conn = self.database.connect().await;
        assert_eq!(payments::audit_book_at(&mut conn, gateway.as_ref(), later).await.unwrap(), vec![]);
        drop(conn);
        self.finish_with_forgeries().await;
    }

    /// Ends a test in which somebody else than the gateway signed reports, so that its book knows nothing of them.
    pub async fn finish_with_forgeries(self) {
        self.run_jobs().await;
        // What is due by the clock may have been enqueued a moment ago.
        let left = "SELECT kind || ' ' || state || ' ' || errors::text AS word FROM jobs.jobs \
            WHERE state <> 'finished' AND NOT (state = 'new' AND kind IN (SELECT kind FROM jobs.schedules))";
        assert_eq!(self.words(left).await, Vec::<String>::new(), "jobs are left over");
        assert_eq!(self.differences().await, vec![]);
        assert_eq!(kernel::panics::caught(), 0, "something panicked (guarantee R-11)");
        self.stop.leave();
        self.stop.stop();
    }
}

/// The hash of everybody's password, made once: making one takes as long as everything else in a test.
async fn password_hash() -> &'static accounts::HashedPassword {
    static HASH: OnceCell<accounts::HashedPassword> = OnceCell::const_new();
    HASH.get_or_init(|| async { accounts::Hasher::default().hash(&Password::parse(PASSWORD).unwrap()).await.unwrap() })
        .await
}
