//! The chain of refresh tokens.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde_json::json;

use super::support::{PASSWORD, TestApp, pair};

#[tokio::test]
async fn every_refresh_hands_out_another_pair() {
    let app = TestApp::new().await;
    let (access, mut refresh) = app.logged_in("alice").await;
    let (mut accesses, mut refreshes) = (HashSet::from([access]), HashSet::from([refresh.clone()]));
    for _ in 0..5 {
        app.wait(TimeDelta::minutes(1));
        let answer = app.refresh(&refresh).await.is(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.json()["refresh_expires_in"], 30 * 24 * 3600);
        let (access, next) = pair(&answer);
        app.me(&access).await.is(200);
        assert!(accesses.insert(access) && refreshes.insert(next.clone()));
        refresh = next;
    }
    assert_eq!(app.count("accounts.refresh_tokens").await, 6);
    assert_eq!(app.count("accounts.refresh_tokens WHERE rotated_at IS NULL").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn s_03_a_second_use_ends_the_session_for_both_holders() {
    let app = TestApp::new().await;
    let (_, stolen) = app.logged_in("alice").await;
    let (_, other) = pair(&app.login("alice", PASSWORD).await);
    let (_, successor) = pair(&app.refresh(&stolen).await.is(200));
    app.wait(TimeDelta::seconds(11));
    app.refresh(&stolen).await.problem(401, "invalid_refresh_token");
    app.refresh(&successor).await.problem(401, "invalid_refresh_token");
    assert_eq!(app.count("accounts.sessions WHERE end_reason = 'token_reuse'").await, 1);
    app.refresh(&other).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn s_03_a_double_refresh_within_ten_seconds_gets_the_same_successor() {
    let app = TestApp::new().await;
    let (_, first) = app.logged_in("alice").await;
    let (_, second) = pair(&app.refresh(&first).await.is(200));
    app.wait(TimeDelta::seconds(10));
    let again = app.refresh(&first).await.is(200);
    assert_eq!(pair(&again).1, second, "the chain does not fork");
    assert_eq!(again.json()["refresh_expires_in"], 30 * 24 * 3600 - 10);
    let (_, third) = pair(&app.refresh(&second).await.is(200));
    app.wait(TimeDelta::seconds(1));
    app.refresh(&first).await.problem(401, "invalid_refresh_token");
    app.refresh(&third).await.problem(401, "invalid_refresh_token");
    app.finish().await;
}

#[tokio::test]
async fn s_03_parallel_refreshes_all_get_the_same_successor() {
    let app = TestApp::new().await;
    let (_, token) = app.logged_in("alice").await;
    let answers = futures_util::future::join_all((0..20).map(|_| app.refresh(&token))).await;
    let successors: HashSet<String> = answers.into_iter().map(|answer| pair(&answer.is(200)).1).collect();
    assert_eq!(successors.len(), 1);
    assert_eq!(app.count("accounts.refresh_tokens").await, 2);
    app.refresh(successors.iter().next().unwrap()).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn s_03_of_a_refresh_and_a_logout_at_once_the_logout_wins() {
    let app = TestApp::new().await;
    let (_, token) = app.logged_in("alice").await;
    let (refreshed, out) =
        tokio::join!(app.refresh(&token), app.post("/auth/logout", json!({ "refresh_token": token })));
    out.is(204);
    if refreshed.status == 200 {
        app.refresh(&pair(&refreshed).1).await.problem(401, "invalid_refresh_token");
    }
    assert_eq!(app.count("accounts.sessions WHERE ended_at IS NULL").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_refresh_token_expires_after_thirty_days() {
    let app = TestApp::new().await;
    let (_, token) = app.logged_in("alice").await;
    app.wait(TimeDelta::days(30) - TimeDelta::seconds(1));
    let (_, next) = pair(&app.refresh(&token).await.is(200));
    app.wait(TimeDelta::days(30));
    app.refresh(&next).await.problem(401, "invalid_refresh_token");
    app.finish().await;
}

#[tokio::test]
async fn s_03_only_hashes_are_stored() {
    let app = TestApp::new().await;
    let (_, first) = app.logged_in("alice").await;
    let (_, second) = pair(&app.refresh(&first).await.is(200));
    for token in [first, second] {
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, &token).unwrap();
        let hex = hex::encode(bytes);
        assert_eq!(
            app.count(&format!("accounts.refresh_tokens t WHERE t::text LIKE '%{token}%' OR t::text LIKE '%{hex}%'"))
                .await,
            0
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn other_tokens_are_no_refresh_tokens() {
    let app = TestApp::new().await;
    let (access, _) = app.logged_in("alice").await;
    app.post("/auth/refresh", json!({ "refresh_token": access })).await.is(400);
    app.refresh(&"A".repeat(43)).await.problem(401, "invalid_refresh_token");
    // 43 characters whose last one carries bits that no 32 bytes have.
    app.refresh(&"_".repeat(43)).await.problem(401, "invalid_refresh_token");
    app.finish().await;
}

#[tokio::test]
async fn a_new_role_is_in_the_next_access_token() {
    let app = TestApp::new().await;
    let (access, refresh) = app.logged_in("alice").await;
    app.sql("UPDATE accounts.users SET role = 'operator'").await;
    let role = |token: &str| app.accounts.keys.read(token).unwrap().role;
    assert_eq!(role(&access), kernel::Role::Customer);
    assert_eq!(role(&pair(&app.refresh(&refresh).await.is(200)).0), kernel::Role::Operator);
    app.finish().await;
}
