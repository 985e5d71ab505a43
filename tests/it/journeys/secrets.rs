//! Secrets that are easy to recognise, everywhere where there is one, and every log line that there can be: none of them is
//! ever printed, nor told to somebody who is refused (guarantee I-08).

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use testkit::TestDatabase;
use tokio::time::sleep;

use super::arrange::{assert_sound, order, shelf};
use crate::support::{
    client::{Answer, Client},
    processes::Site,
};

const SECRET_KEY: &str = "canary-signing-key-0123456789-abcdefghijklmnop";
const GATEWAY_KEY: &str = "canary-gateway-key-0123456789";
const DATABASE_PASSWORD: &str = "canary-database-password";
const REDIS_PASSWORD: &str = "canary-redis-password";
const MAIL_PASSWORD: &str = "canary-mail-password";
const STORE_KEY: &str = "canary-store-key";
const WEBHOOK: &str = "canary-webhook-secret-0123456789";
/// What Zoe types, right and wrong and in the wrong place.
const PASSWORD: &str = "canary password of zoe";
const NEXT_PASSWORD: &str = "canary password from a link";
const WRONG_PASSWORD: &str = "canary password that is wrong";
const STAFF_PASSWORD: &str = "canary password of staff";
const BEARER: &str = "canary-bearer-that-is-no-token";

/// Somebody who uses the API, and every refusal they were given.
struct Zoe {
    client: Client,
    refusals: Vec<String>,
}

impl Zoe {
    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = self.client.send(method, path, headers, body).await.unwrap();
        if answer.status >= 400 {
            self.refusals.push(format!("{method} {path}: {:?} {}", answer.headers, answer.text()));
        }
        answer
    }

    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], &body.to_string()).await
    }

    async fn done(&mut self, path: &str, body: Value, status: u16) -> Value {
        let answer = self.post(path, &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }
}

/// The token in the mail that brought a link to this page.
async fn mailed(site: &Site, page: &str) -> String {
    let (mut window, began) = (Client::new(&[site.mail], 0), Instant::now());
    loop {
        let mails = window.send("GET", "/api/messages?to=zoe@example.com", &[], "").await.unwrap().json();
        let mut links = mails["data"].as_array().unwrap().iter().filter_map(|mail| mail["links"][0].as_str());
        if let Some(link) = links.find(|link| link.contains(page)) {
            return link.split_once("token=").unwrap_or_else(|| panic!("no token in {link}")).1.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the mail never came: {mails}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Logs in, out, and wrongly; forgets the password; pays. Answers the tokens that were handed out meanwhile.
async fn everything_secret(zoe: &mut Zoe, site: &Site, variant: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let account = json!({ "username": "zoe", "email": "zoe@example.com", "password": PASSWORD });
    zoe.done("/v1/auth/register", account.clone(), 201).await;
    zoe.done("/v1/auth/register", account, 409).await;
    let verify = mailed(site, "verify-email").await;
    zoe.send("GET", &format!("/v1/auth/verify-email?token={verify}"), &[], "").await;
    zoe.send("GET", &format!("/v1/auth/verify-email?token={verify}x"), &[], "").await;
    zoe.done("/v1/auth/verify-email", json!({ "token": format!("{verify}y") }), 404).await;

    let pair = zoe.done("/v1/auth/login", json!({ "login": "zoe", "password": PASSWORD }), 200).await;
    let word = |pair: &Value, name: &str| pair[name].as_str().unwrap().to_owned();
    let (access, refresh) = (word(&pair, "access_token"), word(&pair, "refresh_token"));
    // Wrong, too long, of the wrong type, in the wrong place, and not JSON at all.
    for (body, status) in [
        (json!({ "login": "zoe", "password": WRONG_PASSWORD }), 401),
        (json!({ "login": WRONG_PASSWORD, "password": PASSWORD }), 401),
        (json!({ "login": "zoe", "password": PASSWORD.repeat(20) }), 400),
        (json!({ "login": "zoe", "password": [PASSWORD] }), 400),
        (json!({ "login": "zoe", "password": { PASSWORD: PASSWORD } }), 400),
        (json!({ "login": "zoe", "password": format!("{PASSWORD}\u{0}") }), 400),
    ] {
        zoe.done("/v1/auth/login", body, status).await;
    }
    for body in
        [format!("{{\"login\": \"zoe\", \"password\": \"{PASSWORD}"), format!("\"{PASSWORD}\""), PASSWORD.to_owned()]
    {
        let answer = zoe.send("POST", "/v1/auth/login", &[("content-type", "application/json")], &body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let weak = json!({ "username": "zoe2", "email": "zoe2@example.com", "password": "password123" });
    zoe.post("/v1/auth/register", &weak).await;
    for authorization in [format!("Bearer {BEARER}"), format!("Basic {BEARER}"), format!("Bearer {access}x")] {
        let answer = zoe.send("GET", "/v1/me", &[("authorization", &authorization)], "").await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }

    let bearer = format!("Bearer {access}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "a")];
    let placed = zoe.send("POST", "/v1/orders", &headers, variant).await;
    assert_eq!(placed.status, 201, "{}", placed.text());
    let id = placed.json()["id"].as_str().unwrap().to_owned();
    let headers = [headers[0], headers[1], ("idempotency-key", "b")];
    let paying = zoe
        .send("POST", &format!("/v1/orders/{id}/payments"), &headers, &json!({ "gateway": "mock" }).to_string())
        .await;
    assert_eq!(paying.status, 201, "{}", paying.text());
    let change = json!({ "current_password": WRONG_PASSWORD, "new_password": NEXT_PASSWORD }).to_string();
    zoe.send("POST", "/v1/me/password", &headers, &change).await;

    let next = zoe.done("/v1/auth/refresh", json!({ "refresh_token": refresh }), 200).await;
    zoe.done("/v1/auth/refresh", json!({ "refresh_token": "canary".repeat(8)[..43] }), 401).await;
    zoe.done("/v1/auth/forgot-password", json!({ "email": "zoe@example.com" }), 202).await;
    let reset = mailed(site, "reset-password").await;
    let body = json!({ "token": reset, "password": NEXT_PASSWORD });
    zoe.send("GET", &format!("/v1/auth/reset-password?token={reset}"), &[], "").await;
    zoe.done("/v1/auth/reset-password", json!({ "token": format!("{reset}z"), "password": NEXT_PASSWORD }), 404).await;
    let answer = zoe.post("/v1/auth/reset-password", &body).await;
    assert!(answer.status < 300, "{}", answer.text());
    zoe.post("/v1/auth/reset-password", &body).await;
    for each in [&refresh, &word(&next, "refresh_token"), &access, &word(&next, "access_token"), &verify, &reset] {
        // Of a signed token the signature is what nobody may have.
        tokens.push(each.rsplit('.').next().unwrap().to_owned());
    }
    tokens
}

/// Every command that prints something, and every setting that is wrong in a way of its own.
async fn everything_printed(site: &Site, database: &str) -> Vec<String> {
    let mut printed = Vec::new();
    for arguments in [
        &["doctor"][..],
        &["config"],
        &["config", "--env"],
        &["--help"],
        &["serve", "--help"],
        &["openapi"],
        &["migrate", "status"],
        &["audit", "--json"],
        &["jobs", "list"],
        &["user", "create-admin", "ada", "ada@example.com", "--password-stdin"],
        &["user", "create-admin", "ada", "ada@example.com", "--password-stdin"],
        &["frobnicate"],
    ] {
        printed.push(site.run(arguments, &[], &format!("{STAFF_PASSWORD}\n")).await.1);
    }
    let (one, hole) = (
        format!("postgres://oms:{DATABASE_PASSWORD}@127.0.0.1:1/none"),
        format!("postgres://oms:{DATABASE_PASSWORD}@[::bad"),
    );
    let other = format!("mysql://oms:{DATABASE_PASSWORD}@127.0.0.1/none");
    let gone = format!("{}_gone", database);
    let redis = format!("http://:{REDIS_PASSWORD}@nowhere");
    let port = format!("redis://:{REDIS_PASSWORD}@127.0.0.1:99999");
    let mail = [("MAIL_USERNAME", "oms"), ("MAIL_PASSWORD", MAIL_PASSWORD), ("MAIL_PORT", "1")];
    let store =
        [("OMS_MEDIA_URL", "s3://bucket/x"), ("AWS_SECRET_ACCESS_KEY", STORE_KEY), ("AWS_ACCESS_KEY_ID", STORE_KEY)];
    let wrong: [&[(&'static str, &str)]; 12] = [
        &[("DATABASE_URL", &one)],
        &[("DATABASE_URL", &hole)],
        &[("DATABASE_URL", &other)],
        &[("DATABASE_URL", &gone)],
        &[("DATABASE_URL", DATABASE_PASSWORD)],
        &[("SECRET_KEY", "canary-signing")],
        &[("OMS_GATEWAY_API_KEY", "canary-gatew")],
        &[("OMS_WEBHOOK_SECRETS", WEBHOOK)],
        &[("REDIS_URL", &redis)],
        &[("REDIS_URL", &port), ("OMS_DB_POOL", "canary-number")],
        &mail,
        &store,
    ];
    for settings in wrong {
        for arguments in [&["doctor"][..], &["migrate", "status"], &["audit"]] {
            printed.push(site.run(arguments, settings, "").await.1);
        }
        // Whoever starts after all, is not waited for.
        let starts = settings.iter().any(|(name, _)| name.starts_with("MAIL") || name.starts_with("AWS"));
        for arguments in [&["serve", "--no-worker"][..], &["worker"], &["gateway"]] {
            if !starts {
                printed.push(site.run(arguments, settings, "").await.1);
            }
        }
    }
    printed
}

#[tokio::test]
async fn i_08_no_secret_is_printed_by_anything_at_any_level() {
    let database = TestDatabase::new().await;
    // Nobody asks for the password, and everybody has it.
    let url = database.url().replacen("@", &format!(":{DATABASE_PASSWORD}@"), 1);
    assert!(url.contains(DATABASE_PASSWORD), "{}", database.url());
    let webhook = BASE64_STANDARD.encode(WEBHOOK);
    let site = Site::new(&url)
        .await
        .set("SECRET_KEY", SECRET_KEY)
        .set("OMS_GATEWAY_API_KEY", GATEWAY_KEY)
        .set("OMS_WEBHOOK_SECRETS", &format!("whsec_{webhook}"))
        .set("REDIS_URL", &format!("redis://:{REDIS_PASSWORD}@127.0.0.1:1"))
        .set("AWS_SECRET_ACCESS_KEY", STORE_KEY)
        .set("OMS_LOG", "trace");
    let shelf = shelf(&mut database.connect().await, &[10]).await;
    let mut processes =
        [site.mailcatcher(50).await, site.gateway().await, site.serve_only().await, site.worker().await];
    let mut zoe = Zoe { client: Client::new(&[site.public], 0), refusals: Vec::new() };
    let tokens = everything_secret(&mut zoe, &site, &order(&[(shelf[0], 1)])).await;
    let mut printed = everything_printed(&site, &url).await;
    for process in &processes[2..] {
        let numbers = Client::new(&[process.metrics().await], 0).send("GET", "/metrics", &[], "").await.unwrap();
        assert!(numbers.text().contains("oms_build_info"), "{}", numbers.text());
        printed.push(numbers.text());
    }
    for process in &mut processes {
        process.kill();
    }
    let logs = site.printed();
    let lines = logs.lines().count();
    assert!(lines > 40 && logs.contains("\"level\":\"DEBUG\""), "{lines} lines are not everything there is:\n{logs}");
    assert!(zoe.refusals.len() >= 15, "{:?}", zoe.refusals);
    let refusals = zoe.refusals.len();
    printed.push(logs);
    // What somebody sent in the address is in our own note of it, and not in the answer.
    printed.extend(zoe.refusals.iter().map(|refusal| refusal.split_once(": ").unwrap().1.to_owned()));

    let mut secrets: Vec<String> = tokens;
    secrets.extend([PASSWORD, NEXT_PASSWORD, WRONG_PASSWORD, STAFF_PASSWORD, BEARER, SECRET_KEY].map(str::to_owned));
    secrets.extend([GATEWAY_KEY, DATABASE_PASSWORD, REDIS_PASSWORD, MAIL_PASSWORD, STORE_KEY].map(str::to_owned));
    secrets.extend([webhook, WEBHOOK.to_owned(), "canary".to_owned()]);
    let mut hits = Vec::new();
    for text in &printed {
        for line in text.lines() {
            hits.extend(
                secrets.iter().filter(|secret| line.contains(*secret)).map(|secret| format!("{secret}: {line}")),
            );
        }
    }
    assert!(hits.is_empty(), "{} hits, among them\n{}", hits.len(), hits[..hits.len().min(20)].join("\n"));
    println!("I-08: {} secrets, {lines} lines of logs at level trace and {refusals} refusals: 0 hits", secrets.len());
    assert_sound(&database, &[]).await;
}
