//! Mails and sweeping, as the worker does them.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::{Outcome, UserId, enqueue, job::Registry};
use serde_json::json;

use super::support::{Server, TestApp, pair};
use crate::{OneTimeTokenId, PruneAccounts, SendPasswordChanged, SendPasswordReset, SendVerification, audit, register};

#[tokio::test]
async fn a_mail_that_is_sent_twice_is_the_same_mail() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let job = app.waiting_jobs().await.remove(0);
    assert_eq!(app.run_again(job.clone()).await, Outcome::Done);
    assert_eq!(app.run_again(job).await, Outcome::Done);
    let mails = app.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1], "one key, so one Message-ID");
    app.finish().await;
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_given_up() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    app.mail_server(Server::Refusing);
    let outcomes = app.run_jobs().await;
    let [(_, Outcome::GiveUp(why))] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(why.contains("no such mailbox"), "{why}");
    assert!(!why.contains("example.com"), "no address in {why}");
    app.finish().await;
}

#[tokio::test]
async fn jobs_about_what_is_gone_are_done() {
    let app = TestApp::new().await;
    let mut conn = app.conn().await;
    enqueue(&mut conn, &SendVerification { token_id: OneTimeTokenId::new() }).await.unwrap();
    enqueue(&mut conn, &SendPasswordReset { token_id: OneTimeTokenId::new() }).await.unwrap();
    enqueue(&mut conn, &SendPasswordChanged { user_id: UserId::new() }).await.unwrap();
    assert!(app.run_jobs().await.iter().all(|(_, outcome)| *outcome == Outcome::Done));
    assert!(app.mails().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn an_expired_link_is_not_mailed() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    app.wait(TimeDelta::hours(24));
    assert!(app.run_jobs().await.iter().all(|(_, outcome)| *outcome == Outcome::Done));
    assert!(app.mails().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn jobs_carry_ids_and_no_secrets() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let job = app.waiting_jobs().await.remove(0);
    assert_eq!(job.args.as_object().unwrap().keys().collect::<Vec<_>>(), ["token_id"]);
    app.finish().await;
}

#[tokio::test]
async fn sweeping_forgets_what_cannot_be_used_and_nothing_else() {
    let app = TestApp::new().await;
    let (_, old) = app.logged_in("alice").await;
    let (_, old) = pair(&app.refresh(&old).await.is(200));
    app.wait(TimeDelta::days(29));
    let (_, live) = pair(&app.refresh(&old).await.is(200));
    app.wait(TimeDelta::days(2));
    enqueue(&mut app.conn().await, &PruneAccounts {}).await.unwrap();
    assert_eq!(app.run_jobs().await, [("accounts.prune".to_owned(), Outcome::Done)]);
    assert_eq!(app.count("accounts.one_time_tokens").await, 0);
    assert_eq!(app.count("accounts.refresh_tokens").await, 1);
    let (_, live) = pair(&app.refresh(&live).await.is(200));
    app.post("/auth/logout", json!({ "refresh_token": live })).await.is(204);
    app.wait(TimeDelta::days(8));
    enqueue(&mut app.conn().await, &PruneAccounts {}).await.unwrap();
    app.run_jobs().await;
    assert_eq!(app.count("accounts.sessions").await, 0);
    assert_eq!(app.count("accounts.users").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn the_registry_knows_the_jobs_and_sweeps_every_hour() {
    let app = TestApp::new().await;
    let registry = register(Registry::new(), &app.accounts);
    assert_eq!(
        registry.kinds(),
        [
            "accounts.prune",
            "accounts.send_password_changed",
            "accounts.send_password_reset",
            "accounts.send_verification"
        ]
    );
    let [sweep] = registry.schedules() else { panic!() };
    assert_eq!((sweep.kind, sweep.every), ("accounts.prune", Duration::from_secs(3600)));
}

#[tokio::test]
async fn the_audit_finds_planted_corruption() {
    let app = TestApp::new().await;
    for name in ["alice", "bob", "carol", "dave"] {
        let (_, refresh) = app.logged_in(name).await;
        app.refresh(&refresh).await.is(200);
    }
    let session = |name: &str| {
        format!(
            "(SELECT s.id FROM accounts.sessions s JOIN accounts.users u ON u.id = s.user_id WHERE username = '{name}')"
        )
    };
    app.sql(&format!(
        "UPDATE accounts.refresh_tokens SET rotated_at = created_at WHERE session_id = {} AND rotated_at IS NULL",
        session("alice")
    ))
    .await;
    app.sql(&format!("UPDATE accounts.refresh_tokens SET successor_id = (SELECT id FROM accounts.refresh_tokens WHERE session_id = {} AND rotated_at IS NULL) WHERE session_id = {} AND rotated_at IS NOT NULL", session("carol"), session("bob"))).await;
    app.sql("UPDATE accounts.users SET email_verified_at = NULL WHERE username = 'dave'").await;
    let found = audit(&mut app.conn().await).await.unwrap();
    let checks: Vec<&str> = found.iter().map(|difference| difference.check).collect();
    assert_eq!(
        checks,
        [
            "accounts.session_has_live_token",
            "accounts.refresh_chain_is_whole",
            "accounts.refresh_chain_is_whole",
            "accounts.session_owner_is_verified",
            "accounts.used_token_verified_address",
        ]
    );
}
