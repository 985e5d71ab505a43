//! One's own account.

use kernel::VerifyToken;
use serde_json::json;

use super::support::{PASSWORD, TestApp};
use crate::Doors;

#[tokio::test]
async fn a_stranger_is_told_to_log_in_before_anything_else() {
    let app = TestApp::new().await;
    for token in [None, Some(""), Some("nonsense"), Some("a.b.c")] {
        use poem::http::Method;
        for (method, path) in [(Method::GET, "/me"), (Method::PATCH, "/me"), (Method::POST, "/me/password")] {
            let answer = app.send(method, path, token, Some("{\"nonsense\": 1}".to_owned())).await;
            assert_eq!(answer.status, 401, "{path} {token:?}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn s_06_nobody_is_let_in_before_it_is_known_whose_sessions_were_ended() {
    let app = TestApp::new().await;
    let (access, _) = app.logged_in("alice").await;
    let doors = Doors::new(app.database.pool(), app.clock.clone(), app.accounts.doors.keys().clone());
    assert!(!doors.are_open() && doors.verify(&access).await.is_none());
    doors.look_now().await;
    assert!(doors.are_open() && doors.verify(&access).await.is_some());
    app.finish().await;
}

#[tokio::test]
async fn what_is_sent_changes_and_the_rest_stays() {
    let app = TestApp::new().await;
    let (access, _) = app.logged_in("alice").await;
    let answer = app.patch_me(&access, json!({ "display_name": "Alice Smith", "phone": "+84901234567" })).await.is(200);
    assert_eq!(answer.json()["display_name"], "Alice Smith");
    assert_eq!(answer.json()["phone"], "+84901234567");
    let answer = app.patch_me(&access, json!({ "username": "alice2", "phone": null })).await.is(200);
    assert_eq!(answer.json()["username"], "alice2");
    assert_eq!(answer.json()["display_name"], "Alice Smith");
    assert!(answer.json().get("phone").is_none());
    let answer = app.patch_me(&access, json!({})).await.is(200);
    assert_eq!(answer.body, app.me(&access).await.is(200).body);
    app.login("alice2", PASSWORD).await.is(200);
    app.login("alice", PASSWORD).await.is(401);
    app.finish().await;
}

#[tokio::test]
async fn a_taken_name_is_refused_and_ones_own_in_another_case_is_not() {
    let app = TestApp::new().await;
    app.verified("bob").await;
    let (access, _) = app.logged_in("alice").await;
    app.patch_me(&access, json!({ "username": "BOB", "phone": "+84901234567" })).await.problem(409, "username_taken");
    assert!(app.me(&access).await.json().get("phone").is_none(), "all or nothing");
    app.patch_me(&access, json!({ "username": "Alice" })).await.is(200);
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_for_the_owner_to_change_is_refused() {
    let app = TestApp::new().await;
    let (access, _) = app.logged_in("alice").await;
    for body in [
        json!({ "role": "admin" }),
        json!({ "email": "other@example.com" }),
        json!({ "email_verified": true }),
        json!({ "id": "018f0000-0000-7000-8000-000000000000" }),
        json!({ "display_name": "" }),
        json!({ "display_name": "   " }),
        json!({ "display_name": "a\u{0}b" }),
        json!({ "display_name": "x".repeat(101) }),
        json!({ "phone": "0901234567" }),
        json!({ "phone": "+8490123456789012" }),
        json!({ "phone": 84901234567_i64 }),
        json!({ "username": "a b" }),
        json!({ "username": "ab" }),
        json!([]),
    ] {
        app.patch_me(&access, body.clone()).await.is(400);
    }
    let me = app.me(&access).await.is(200);
    assert_eq!((me.json()["role"].as_str(), me.json()["username"].as_str()), (Some("customer"), Some("alice")));
    app.finish().await;
}

#[tokio::test]
async fn the_token_of_a_user_who_is_gone_does_not_hold() {
    let app = TestApp::new().await;
    let (access, refresh) = app.logged_in("alice").await;
    app.sql("DELETE FROM accounts.users").await;
    app.me(&access).await.problem(401, "unauthenticated");
    app.patch_me(&access, json!({ "display_name": "Ghost" })).await.problem(401, "unauthenticated");
    app.refresh(&refresh).await.problem(401, "invalid_refresh_token");
    app.finish().await;
}
