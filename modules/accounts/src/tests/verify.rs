//! Proving an address by token, and asking for another mail.

use chrono::TimeDelta;
use kernel::Outcome;
use serde_json::json;

use super::support::{PASSWORD, TestApp};

#[tokio::test]
async fn a_token_is_good_once() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let token = app.mailed_token().await;
    app.post("/auth/verify-email", json!({ "token": token })).await.is(204);
    app.post("/auth/verify-email", json!({ "token": token })).await.problem(404, "invalid_token");
    app.finish().await;
}

#[tokio::test]
async fn of_twenty_parallel_uses_one_succeeds() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let token = app.mailed_token().await;
    let uses = (0..20).map(|_| app.post("/auth/verify-email", json!({ "token": token })));
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 404).count(), 19);
    app.finish().await;
}

#[tokio::test]
async fn a_token_expires_after_a_day() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let token = app.mailed_token().await;
    app.wait(TimeDelta::hours(24));
    app.post("/auth/verify-email", json!({ "token": token })).await.problem(404, "invalid_token");
    app.login("alice", PASSWORD).await.problem(403, "email_not_verified");

    app.post("/auth/resend-verification", json!({ "email": "Alice@example.com" })).await.is(202);
    let token = app.mailed_token().await;
    app.wait(TimeDelta::hours(24) - TimeDelta::seconds(1));
    app.post("/auth/verify-email", json!({ "token": token })).await.is(204);
    app.finish().await;
}

#[tokio::test]
async fn a_forged_or_foreign_token_does_nothing() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let alice = app.mailed_token().await;
    app.register("bob").await.is(201);
    let bob = app.mailed_token().await;
    app.post("/auth/forgot-password", json!({ "email": "alice@example.com" })).await.is(202);
    let reset = app.mailed_token().await;
    let (alice_id, alice_mac) = alice.split_once('.').unwrap();
    let (bob_id, bob_mac) = bob.split_once('.').unwrap();
    let flipped = format!("{alice_id}.{}{}", if alice_mac.starts_with('A') { 'B' } else { 'A' }, &alice_mac[1..]);
    for forged in [
        format!("{alice_id}.{bob_mac}"),
        format!("{bob_id}.{alice_mac}"),
        flipped,
        format!("{alice}A"),
        alice[..alice.len() - 2].to_owned(),
        alice_id.to_owned(),
        format!("{alice_id}."),
        format!(".{alice_mac}"),
        reset,
        "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ] {
        app.post("/auth/verify-email", json!({ "token": forged })).await.problem(404, "invalid_token");
        app.get(&format!("/auth/verify-email?token={forged}")).await.is(404);
    }
    assert_eq!(app.count("accounts.users WHERE email_verified_at IS NOT NULL").await, 0);
    assert_eq!(app.count("accounts.one_time_tokens WHERE used_at IS NOT NULL").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_database_dump_holds_no_usable_token() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let token = app.mailed_token().await;
    let (_, mac) = token.split_once('.').unwrap();
    let everything = "accounts.one_time_tokens t, jobs.jobs j, accounts.users u";
    assert_eq!(app.count(&format!("{everything} WHERE t::text || j::text || u::text LIKE '%{mac}%'")).await, 0);
    app.finish().await;
}

#[tokio::test]
async fn resending_answers_the_same_for_everybody_and_mails_only_whom_it_helps() {
    let app = TestApp::new().await;
    app.verified("verified").await;
    app.register("waiting").await.is(201);
    app.register("closed").await.is(201);
    app.sql("UPDATE accounts.users SET disabled_at = now() WHERE username = 'closed'").await;
    app.run_jobs().await;
    app.mails();
    for name in ["verified", "waiting", "closed", "nobody"] {
        let answer = app.post("/auth/resend-verification", json!({ "email": format!("{name}@example.com") })).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{name}");
    }
    app.run_jobs().await;
    let mails = app.mails();
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["waiting@example.com"]);
    app.finish().await;
}

#[tokio::test]
async fn nobody_is_flooded_with_mail() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let asks = (0..12).map(|_| app.post("/auth/resend-verification", json!({ "email": "alice@example.com" })));
    for answer in futures_util::future::join_all(asks).await {
        answer.is(202);
    }
    app.run_jobs().await;
    assert_eq!(app.mails().len(), 5, "one for registering and four more");
    app.wait(TimeDelta::hours(1));
    app.post("/auth/resend-verification", json!({ "email": "alice@example.com" })).await.is(202);
    app.run_jobs().await;
    assert_eq!(app.mails().len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_mail_that_nobody_needs_any_more_is_not_sent() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    app.post("/auth/resend-verification", json!({ "email": "alice@example.com" })).await.is(202);
    let jobs = app.waiting_jobs().await;
    assert_eq!(app.run_again(jobs[0].clone()).await, Outcome::Done);
    let token = app.mails()[0].context["token"].as_str().unwrap().to_owned();
    app.post("/auth/verify-email", json!({ "token": token })).await.is(204);
    assert_eq!(app.run_again(jobs[1].clone()).await, Outcome::Done, "the address is verified already");
    assert!(app.mails().is_empty());
    app.finish().await;
}
