//! S-02: whoever shows nothing, or something that is not an access token of ours, is told to log in, by every operation and
//! before anything else.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::{Role, SystemClock, UserId};
use oms::config::{Config, Environment, Needs};
use serde_json::{Value, json};

use super::operation::operations;
use crate::support::app::TestApp;

/// A token whose header or claims were written by somebody else, with the signature of the good one.
fn rewritten(good: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
    let mut said: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(&parts[part]).unwrap()).unwrap();
    change(&mut said);
    parts[part] = BASE64_URL_SAFE_NO_PAD.encode(said.to_string());
    parts.join(".")
}

#[tokio::test]
async fn s_02_every_hostile_token_is_refused_by_every_operation() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let expired = alice.token();
    app.advance_minutes(16);
    app.log_in(&alice).await;
    let good = alice.token();
    let pair = json!({ "login": "alice", "password": "correct horse battery staple" }).to_string();
    let pair = app.send(None, reqwest::Method::POST, "/auth/login", &[], Some(pair)).await.ok(200);
    let [head, claims, signature] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
    let backwards: String = signature.chars().rev().collect();
    let others = accounts::TokenKeys::new(b"another server's secret, of 32 bytes or more", app.clock.clone()).unwrap();
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let tokens = [
        ("nothing", None),
        ("an empty token", bearer("")),
        ("garbage", bearer("garbage")),
        ("three empty parts", bearer("..")),
        ("a huge token", bearer(&"a".repeat(6_000))),
        ("another scheme", Some(format!("Basic {good}"))),
        ("an expired token", bearer(&expired)),
        ("no algorithm", bearer(&rewritten(&good, 0, |header| header["alg"] = json!("none")))),
        ("no signature", bearer(&format!("{head}.{claims}."))),
        ("a signature of somebody's", bearer(&format!("{head}.{claims}.{backwards}"))),
        ("another algorithm", bearer(&rewritten(&good, 0, |header| header["alg"] = json!("HS512")))),
        ("another key's id", bearer(&rewritten(&good, 0, |header| header["kid"] = json!("0000000000000000")))),
        ("a better role", bearer(&rewritten(&good, 1, |claims| claims["role"] = json!("admin")))),
        ("another person", bearer(&rewritten(&good, 1, |claims| claims["sub"] = json!(UserId::new())))),
        ("a later end", bearer(&rewritten(&good, 1, |claims| claims["exp"] = json!(4_000_000_000_i64)))),
        ("another server's token", bearer(&others.token_for(alice.id, Role::Admin).unwrap())),
        ("a refresh token", bearer(pair["refresh_token"].as_str().unwrap())),
        ("a key that nobody made", bearer(&format!("oms_live_0123456789ab_{}", "A".repeat(43)))),
    ];
    let before = app.everything().await;
    let mut asked = 0;
    for operation in operations().iter().filter(|operation| operation.is_protected()) {
        // Nothing else of the request is right either, and that is not mentioned.
        let path = operation.path_with(|_| "not-an-id".to_owned());
        let body = operation.body_type().map(|_| "{".to_owned());
        for (what, authorization) in &tokens {
            let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
            let answer = app.send(None, operation.method.clone(), &path, &headers, body.clone()).await;
            assert_eq!(answer.status, 401, "{} with {what}: {}", operation.id, answer.text());
            answer.problem(401, "unauthenticated");
            asked += 1;
        }
    }
    assert_eq!(app.everything().await, before);
    println!("S-02: {} hostile tokens, {asked} requests: 401 each", tokens.len());
    app.finish().await;
}

#[test]
fn s_02_a_short_or_well_known_key_is_refused_outside_of_oms_dev() {
    let complete = || {
        Environment::empty()
            .with("DATABASE_URL", "postgres://127.0.0.1/oms")
            .with("OMS_WEBHOOK_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .with("OMS_GATEWAY_API_KEY", "a-gateway-key-for-tests")
    };
    let known = ["", "short", "secret", "changeme", "0123456789012345678901234567890", &"x".repeat(31)];
    for key in known.into_iter().chain(["change-me-change-me-change-me-change-me"]) {
        let problems = Config::read(&complete().with("SECRET_KEY", key), Needs::Everything).unwrap_err().to_string();
        assert!(problems.contains("SECRET_KEY"), "{key:?}: {problems}");
        assert!(key.len() < 6 || !problems.contains(key), "the key is printed: {problems}");
    }
    assert!(Config::read(&complete(), Needs::Everything).is_err(), "there is no default");
    let good = complete().with("SECRET_KEY", "Zm9yIHRlc3RzIG9ubHksIG5vdGhpbmcgZWxzZQ");
    Config::read(&good, Needs::Everything).unwrap();
    let short = accounts::TokenKeys::new(&[7; 31], std::sync::Arc::new(SystemClock));
    assert!(short.is_err());
}
