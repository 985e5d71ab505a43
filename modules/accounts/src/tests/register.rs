//! Registering, and the way from there to being logged in.

use serde_json::json;

use super::support::{PASSWORD, Server, TestApp, pair};

#[tokio::test]
async fn somebody_registers_verifies_logs_in_and_sees_themselves() {
    let app = TestApp::new().await;
    let body = json!({ "username": "Alice", "email": "Alice@Example.com", "password": PASSWORD });
    let answer = app.post("/auth/register", body).await.is(201);
    assert_eq!(answer.json()["username"], "Alice");
    assert_eq!(answer.json()["email"], "alice@example.com");
    assert_eq!(answer.json()["email_verified"], false);
    assert_eq!(answer.json()["role"], "customer");
    assert!(answer.json().get("phone").is_none(), "what is not there is left out");
    assert!(!answer.body.contains(PASSWORD) && !answer.body.contains("argon2"));

    let token = app.mailed_token().await;
    app.post("/auth/verify-email", json!({ "token": token })).await.is(204);
    let answer = app.login("alice", PASSWORD).await.is(200);
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert_eq!(answer.json()["expires_in"], 900);
    assert_eq!(answer.json()["refresh_expires_in"], 30 * 24 * 3600);
    assert_eq!(answer.header("cache-control"), "no-store");

    let me = app.me(&pair(&answer).0).await.is(200);
    assert_eq!(me.json()["username"], "Alice");
    assert_eq!(me.json()["email_verified"], true);
    app.finish().await;
}

#[tokio::test]
async fn registering_answers_before_any_mail_is_sent_and_the_mail_waits_for_the_server() {
    let app = TestApp::new().await;
    app.mail_server(Server::Down);
    app.register("alice").await.is(201);
    assert!(app.mails().is_empty());
    assert_eq!(app.waiting_jobs().await.len(), 1, "the job was committed with the account");
    let outcomes = app.run_jobs().await;
    assert!(matches!(&outcomes[..], [(kind, kernel::Outcome::Retry(_))] if kind == "accounts.send_verification"));

    app.mail_server(Server::Up);
    app.run_jobs().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "alice@example.com");
    assert_eq!(mails[0].template, "verify_email");
    assert_eq!(mails[0].context["username"], "alice");
    assert_eq!(mails[0].context["expires_in_hours"], 24);
    let (link, token) = (mails[0].context["link"].as_str().unwrap(), mails[0].context["token"].as_str().unwrap());
    assert_eq!(link, format!("https://shop.example.com/v1/auth/verify-email?token={token}"));
    app.finish().await;
}

#[tokio::test]
async fn a_taken_name_or_address_is_refused_whatever_its_case_and_nothing_is_stored() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let taken = |name: &str, email: &str| {
        app.post("/auth/register", json!({ "username": name, "email": email, "password": PASSWORD }))
    };
    taken("ALICE", "other@example.com").await.problem(409, "username_taken");
    let problem = taken("other", "ALICE@example.COM").await.problem(409, "email_taken");
    assert_eq!(problem.json()["errors"][0]["field"], "email");
    assert_eq!(app.count("accounts.users").await, 1);
    assert_eq!(app.count("accounts.one_time_tokens").await, 1);
    assert_eq!(app.count("jobs.jobs").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn of_twenty_parallel_registrations_of_one_name_one_succeeds() {
    let app = TestApp::new().await;
    let attempts = (0..20).map(|n| {
        let body = json!({ "username": "alice", "email": format!("alice{n}@example.com"), "password": PASSWORD });
        app.post("/auth/register", body)
    });
    let answers = futures_util::future::join_all(attempts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "username_taken");
    }
    assert_eq!(app.count("accounts.users").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn s_01_a_password_that_is_tried_first_is_refused() {
    let app = TestApp::new().await;
    for weak in ["password123", "QWERTYUIOP", "zzzzzzzzzzzz", "alice@example.com", "aliceinwonder"] {
        let body = json!({ "username": "aliceinwonder", "email": "alice@example.com", "password": weak });
        let problem = app.post("/auth/register", body).await.problem(409, "weak_password");
        assert_eq!(problem.json()["errors"][0]["field"], "password");
    }
    assert_eq!(app.count("accounts.users").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn s_01_only_a_hash_of_the_password_is_stored() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    assert_eq!(app.count("accounts.users WHERE password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'").await, 1);
    let everything = "accounts.users u, accounts.one_time_tokens t, jobs.jobs j";
    assert_eq!(app.count(&format!("{everything} WHERE u::text || t::text || j::text LIKE '%{PASSWORD}%'")).await, 0);
    app.finish().await;
}
