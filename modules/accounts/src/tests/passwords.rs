//! Forgetting, resetting and changing a password.

use chrono::TimeDelta;
use serde_json::json;

use super::support::{PASSWORD, TestApp, pair};

const NEW: &str = "eleven paper boats";

async fn reset_token(app: &TestApp, name: &str) -> String {
    app.post("/auth/forgot-password", json!({ "email": format!("{name}@example.com") })).await.is(202);
    app.mailed_token().await
}

#[tokio::test]
async fn s_03_a_forgotten_password_is_reset_by_mail_and_all_sessions_end() {
    let app = TestApp::new().await;
    let (_, refresh) = app.logged_in("alice").await;
    app.post("/auth/forgot-password", json!({ "email": "Alice@Example.com" })).await.is(202);
    app.run_jobs().await;
    let mails = app.mails();
    assert_eq!(
        (mails.len(), mails[0].template.as_str(), mails[0].to.as_str()),
        (1, "reset_password", "alice@example.com")
    );
    assert_eq!(mails[0].context["expires_in_hours"], 1);
    let token = mails[0].context["token"].as_str().unwrap();
    assert_eq!(
        mails[0].context["link"].as_str().unwrap(),
        format!("https://shop.example.com/v1/auth/reset-password?token={token}")
    );

    app.post("/auth/reset-password", json!({ "token": token, "password": NEW })).await.is(204);
    app.refresh(&refresh).await.problem(401, "invalid_refresh_token");
    app.login("alice", PASSWORD).await.problem(401, "invalid_credentials");
    app.login("alice", NEW).await.is(200);
    app.run_jobs().await;
    let mails = app.mails();
    assert_eq!((mails.len(), mails[0].template.as_str()), (1, "password_changed"));
    app.finish().await;
}

#[tokio::test]
async fn a_reset_token_is_good_once_and_takes_its_siblings_along() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    let (one, two) = (reset_token(&app, "alice").await, reset_token(&app, "alice").await);
    app.post("/auth/reset-password", json!({ "token": one, "password": NEW })).await.is(204);
    for used in [&one, &two] {
        let again = json!({ "token": used, "password": "yet another password" });
        app.post("/auth/reset-password", again).await.problem(404, "invalid_token");
    }
    app.login("alice", NEW).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn of_ten_parallel_resets_with_one_token_one_succeeds() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    let token = reset_token(&app, "alice").await;
    let resets =
        (0..10).map(|n| app.post("/auth/reset-password", json!({ "token": token, "password": format!("{NEW} {n}") })));
    let answers = futures_util::future::join_all(resets).await;
    let won: Vec<_> = (0..10).filter(|n| answers[*n].status == 204).collect();
    assert_eq!(won.len(), 1);
    app.login("alice", &format!("{NEW} {}", won[0])).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn a_reset_token_expires_after_an_hour() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    let token = reset_token(&app, "alice").await;
    app.wait(TimeDelta::hours(1));
    app.post("/auth/reset-password", json!({ "token": token, "password": NEW })).await.problem(404, "invalid_token");
    app.login("alice", PASSWORD).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn a_weak_new_password_leaves_the_token_good() {
    let app = TestApp::new().await;
    app.verified("alice-in-shop").await;
    let token = reset_token(&app, "alice-in-shop").await;
    for weak in ["password123", "alice-in-shop", "Alice-in-shop@example.com"] {
        app.post("/auth/reset-password", json!({ "token": token, "password": weak }))
            .await
            .problem(409, "weak_password");
    }
    app.post("/auth/reset-password", json!({ "token": token, "password": NEW })).await.is(204);
    app.finish().await;
}

#[tokio::test]
async fn who_can_read_the_mail_has_proven_the_address() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    app.mailed_token().await;
    let token = reset_token(&app, "alice").await;
    app.post("/auth/reset-password", json!({ "token": token, "password": NEW })).await.is(204);
    app.login("alice", NEW).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn forgetting_answers_the_same_for_everybody_and_mails_only_who_is_there() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    app.verified("closed").await;
    app.sql("UPDATE accounts.users SET disabled_at = now() WHERE username = 'closed'").await;
    for name in ["alice", "closed", "nobody"] {
        let answer = app.post("/auth/forgot-password", json!({ "email": format!("{name}@example.com") })).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{name}");
    }
    app.run_jobs().await;
    let mails = app.mails();
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["alice@example.com"]);
    for _ in 0..10 {
        app.post("/auth/forgot-password", json!({ "email": "alice@example.com" })).await.is(202);
    }
    app.run_jobs().await;
    assert_eq!(app.mails().len(), 4, "five in an hour");
    app.finish().await;
}

#[tokio::test]
async fn a_verification_token_resets_nothing() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let token = app.mailed_token().await;
    app.post("/auth/reset-password", json!({ "token": token, "password": NEW })).await.problem(404, "invalid_token");
    app.post("/auth/reset-password", json!({ "token": "x.y", "password": NEW })).await.problem(404, "invalid_token");
    app.finish().await;
}

#[tokio::test]
async fn s_03_changing_the_password_ends_all_sessions_and_opens_one_for_who_asked() {
    let app = TestApp::new().await;
    let (access, phone) = app.logged_in("alice").await;
    let (_, laptop) = pair(&app.login("alice", PASSWORD).await);
    let forgotten = reset_token(&app, "alice").await;
    let answer = app.change_password(&access, PASSWORD, NEW).await.is(200);
    for old in [&phone, &laptop] {
        app.refresh(old).await.problem(401, "invalid_refresh_token");
    }
    app.refresh(&pair(&answer).1).await.is(200);
    app.me(&pair(&answer).0).await.is(200);
    app.login("alice", PASSWORD).await.is(401);
    app.login("alice", NEW).await.is(200);
    app.post("/auth/reset-password", json!({ "token": forgotten, "password": "yet another one" })).await.is(404);
    app.run_jobs().await;
    let mails = app.mails();
    assert_eq!((mails.len(), mails[0].template.as_str()), (1, "password_changed"));
    assert_eq!(app.count("accounts.sessions WHERE end_reason = 'password_change'").await, 2);
    app.finish().await;
}

#[tokio::test]
async fn changing_needs_the_present_password_and_a_good_new_one() {
    let app = TestApp::new().await;
    let (access, refresh) = app.logged_in("alice").await;
    app.change_password(&access, "something else", NEW).await.problem(403, "wrong_password");
    app.change_password(&access, PASSWORD, "password123").await.problem(409, "weak_password");
    app.change_password("nonsense", PASSWORD, NEW).await.problem(401, "unauthenticated");
    app.refresh(&refresh).await.is(200);
    app.login("alice", PASSWORD).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn s_03_a_login_that_races_a_password_change_leaves_no_old_session() {
    let app = TestApp::new().await;
    let (access, _) = app.logged_in("alice").await;
    let logins = futures_util::future::join_all((0..8).map(|_| app.login("alice", PASSWORD)));
    let (changed, logins) = tokio::join!(app.change_password(&access, PASSWORD, NEW), logins);
    changed.is(200);
    for login in logins.into_iter().filter(|answer| answer.status == 200) {
        app.refresh(&pair(&login).1).await.problem(401, "invalid_refresh_token");
    }
    assert_eq!(app.count("accounts.sessions WHERE ended_at IS NULL").await, 1);
    app.finish().await;
}
