//! Logging in, and being told no.

use chrono::TimeDelta;
use serde_json::json;

use super::support::{PASSWORD, TestApp, pair};
use crate::{Hasher, Password, hasher::outdated_hash};

#[tokio::test]
async fn name_and_address_log_in_in_any_case() {
    let app = TestApp::new().await;
    app.verified("Alice").await;
    for login in ["Alice", "alice", "ALICE", "alice@example.com", "ALICE@Example.COM"] {
        app.login(login, PASSWORD).await.is(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_unverified_address_is_mentioned_only_to_who_knows_the_password() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    app.login("alice", PASSWORD).await.problem(403, "email_not_verified");
    app.login("alice", "something else").await.problem(401, "invalid_credentials");
    assert_eq!(app.count("accounts.sessions").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_disabled_account_neither_logs_in_nor_refreshes_nor_shows_itself() {
    let app = TestApp::new().await;
    let (access, refresh) = app.logged_in("alice").await;
    app.sql("UPDATE accounts.users SET disabled_at = now()").await;
    app.login("alice", PASSWORD).await.problem(403, "account_disabled");
    app.login("alice", "something else").await.problem(401, "invalid_credentials");
    app.refresh(&refresh).await.problem(401, "invalid_refresh_token");
    app.me(&access).await.problem(401, "unauthenticated");
    app.patch_me(&access, json!({ "display_name": "Alice" })).await.problem(401, "unauthenticated");
    app.change_password(&access, PASSWORD, "another good one").await.problem(401, "unauthenticated");
    app.sql("UPDATE accounts.users SET disabled_at = NULL").await;
    app.login("alice", PASSWORD).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn s_04_an_unknown_user_and_a_wrong_password_are_the_same_answer() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    let wrong = app.login("alice", "wrong password").await.problem(401, "invalid_credentials");
    for login in ["nobody", "nobody@example.com", "%", "' OR 1=1 --", "alice@", "@", "älice", "alice "] {
        let unknown = app.login(login, "wrong password").await.problem(401, "invalid_credentials");
        assert_eq!(unknown.body, wrong.body, "{login}");
    }
    for short in ["x", "1234567"] {
        app.login("alice", short).await.problem(401, "invalid_credentials");
    }
    app.finish().await;
}

#[tokio::test]
async fn s_01_an_old_hash_is_replaced_at_the_next_login() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    let old = outdated_hash(&Password::parse(PASSWORD).unwrap());
    app.sql(&format!("UPDATE accounts.users SET password_hash = '{old}'")).await;
    app.login("alice", "wrong password").await.is(401);
    assert_eq!(app.count(&format!("accounts.users WHERE password_hash = '{old}'")).await, 1);
    // Two at once: whoever comes second finds the fresh hash and verifies against that.
    let logins = (0..6).map(|_| app.login("alice", PASSWORD));
    for answer in futures_util::future::join_all(logins).await {
        answer.is(200);
    }
    assert_eq!(app.count("accounts.users WHERE password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'").await, 1);
    app.login("alice", PASSWORD).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn a_flood_of_logins_is_answered_or_told_to_come_back() {
    let app = TestApp::with(Hasher::new(1, 3)).await;
    app.verified("alice").await;
    let logins = (0..12).map(|_| app.login("alice", PASSWORD));
    let answers = futures_util::future::join_all(logins).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 4);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.problem(503, "unavailable");
    }
    app.login("alice", PASSWORD).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn the_access_token_expires_and_the_refresh_token_brings_another() {
    let app = TestApp::new().await;
    let (access, refresh) = app.logged_in("alice").await;
    app.wait(TimeDelta::minutes(14));
    app.me(&access).await.is(200);
    app.wait(TimeDelta::minutes(2));
    app.me(&access).await.problem(401, "unauthenticated");
    let (access, _) = pair(&app.refresh(&refresh).await.is(200));
    app.me(&access).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn s_03_logging_out_ends_the_session_and_only_that() {
    let app = TestApp::new().await;
    let (_, phone) = app.logged_in("alice").await;
    let (_, laptop) = pair(&app.login("alice", PASSWORD).await.is(200));
    for _ in 0..2 {
        app.post("/auth/logout", json!({ "refresh_token": phone })).await.is(204);
    }
    app.refresh(&phone).await.problem(401, "invalid_refresh_token");
    let (_, laptop) = pair(&app.refresh(&laptop).await.is(200));
    let unknown = "A".repeat(43);
    app.post("/auth/logout", json!({ "refresh_token": unknown })).await.is(204);
    app.refresh(&laptop).await.is(200);
    assert_eq!(app.count("accounts.sessions WHERE end_reason = 'logout'").await, 1);
    app.finish().await;
}
