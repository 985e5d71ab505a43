//! Administrators decide who may come in and what they may do; sessions end at once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    app::{Person, TestApp},
    shop::text,
};

const PASSWORD: &str = "correct horse battery staple";

/// A decision about somebody: `disable`, `enable`, or the role they get.
async fn decide(app: &TestApp, by: &Person, whom: &Person, decision: &str) -> Answer {
    let path = |verb| format!("/admin/users/{}/{verb}", whom.id);
    match decision {
        "disable" => app.post(by, &path(decision), json!({ "reason": "Lost their badge" })).await,
        "enable" => app.send(Some(by), Method::POST, &path(decision), &[], None).await,
        role => {
            let body = json!({ "role": role }).to_string();
            app.send(Some(by), Method::PUT, &path("role"), &[], Some(body)).await
        }
    }
}

async fn log_in(app: &TestApp, name: &str) -> Answer {
    let body = json!({ "login": name, "password": PASSWORD }).to_string();
    app.send(None, Method::POST, "/auth/login", &[], Some(body)).await
}

async fn refresh(app: &TestApp, pair: &Value) -> Answer {
    let body = json!({ "refresh_token": pair["refresh_token"] }).to_string();
    app.send(None, Method::POST, "/auth/refresh", &[], Some(body)).await
}

fn names(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|user| text(user, "username")).collect()
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_and_who_is_enabled_may_log_in_again() {
    let app = TestApp::new().await;
    let (ada, alice) = (app.admin().await, app.customer("alice").await);
    let pair = log_in(&app, "alice").await.ok(200);
    app.get(&alice, "/orders").await.ok(200);

    let shown = decide(&app, &ada, &alice, "disable").await.ok(200);
    assert!(shown["disabled_at"].is_string(), "{shown}");
    // An access token that is minutes old and well signed: no table is asked about it, and it is refused all the same.
    app.get(&alice, "/orders").await.problem(401, "unauthenticated");
    app.post(&alice, "/orders", json!({})).await.problem(401, "unauthenticated");
    refresh(&app, &pair).await.problem(401, "invalid_refresh_token");
    log_in(&app, "alice").await.problem(403, "account_disabled");
    let again = decide(&app, &ada, &alice, "disable").await.ok(200);
    assert_eq!(again, shown, "nothing is done twice");

    assert!(decide(&app, &ada, &alice, "enable").await.ok(200).get("disabled_at").is_none());
    app.get(&alice, "/orders").await.problem(401, "unauthenticated");
    refresh(&app, &pair).await.problem(401, "invalid_refresh_token");
    app.log_in(&alice).await;
    app.get(&alice, "/orders").await.ok(200);
    let ended = app.number("SELECT count(*) FROM accounts.sessions WHERE end_reason = 'disabled'").await;
    assert_eq!(ended, 2, "both sessions, once");
    app.finish().await;
}

#[tokio::test]
async fn a_new_role_ends_the_sessions_of_the_old_one() {
    let app = TestApp::new().await;
    let (ada, olga) = (app.admin().await, app.operator().await);
    app.get(&olga, "/admin/orders").await.ok(200);
    assert_eq!(decide(&app, &ada, &olga, "customer").await.ok(200)["role"], "customer");
    app.get(&olga, "/admin/orders").await.problem(401, "unauthenticated");
    app.log_in(&olga).await;
    app.get(&olga, "/admin/orders").await.problem(403, "forbidden");
    decide(&app, &ada, &olga, "operator").await.ok(200);
    app.get(&olga, "/me").await.problem(401, "unauthenticated");
    app.log_in(&olga).await;
    app.get(&olga, "/admin/orders").await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn s_03_a_changed_password_ends_access_tokens_too() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let body = json!({ "current_password": PASSWORD, "new_password": "eleven paper boats" });
    let pair = app.post(&alice, "/me/password", body).await.ok(200);
    app.get(&alice, "/me").await.problem(401, "unauthenticated");
    let bearer = format!("Bearer {}", text(&pair, "access_token"));
    app.send(None, Method::GET, "/me", &[("authorization", &bearer)], None).await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn nobody_locks_themselves_out_and_an_administrator_is_always_left() {
    let app = TestApp::new().await;
    let ada = app.admin().await;
    for decision in ["disable", "operator", "admin"] {
        decide(&app, &ada, &ada, decision).await.problem(409, "own_account");
    }
    // Two administrators take each other away at the same moment, again and again: one of them is left each time.
    let bob = app.customer("bob").await;
    for round in 0..10 {
        decide(&app, &ada, &bob, "admin").await.ok(200);
        app.log_in(&bob).await;
        let word = if round % 2 == 0 { "disable" } else { "customer" };
        let (one, other) = tokio::join!(decide(&app, &ada, &bob, word), decide(&app, &bob, &ada, word));
        let done = [&one, &other].into_iter().filter(|answer| answer.status == 200).count();
        assert_eq!(done, 1, "{} {}", one.text(), other.text());
        let left = "SELECT count(*) FROM accounts.users WHERE role = 'admin' AND disabled_at IS NULL";
        assert_eq!(app.number(left).await, 1);
        // From the console everything is put back.
        let back = "UPDATE accounts.users SET role = 'admin', disabled_at = NULL WHERE username = 'ada'";
        diesel_async::SimpleAsyncConnection::batch_execute(&mut app.database.connect().await, back).await.unwrap();
        app.log_in(&ada).await;
        decide(&app, &ada, &bob, "enable").await.ok(200);
        decide(&app, &ada, &bob, "customer").await.ok(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_console_cannot_take_the_last_administrator_away_either() {
    use accounts::{AccountsError, Decision, admin};
    use kernel::{Role, trail::Actor};

    let app = TestApp::new().await;
    let ada = app.admin().await;
    let mut conn = app.database.connect().await;
    for decision in [Decision::Disable(None), Decision::Role(Role::Operator)] {
        let refused = admin::decide(&mut conn, Actor::Console, ada.id, &decision, app.now()).await;
        assert!(matches!(refused, Err(AccountsError::LastAdmin)), "{refused:?}");
    }
    app.get(&ada, "/admin/users").await.ok(200);
    drop(conn);
    app.finish().await;
}

#[tokio::test]
async fn users_are_found_by_how_their_name_or_address_begins() {
    let app = TestApp::new().await;
    let ada = app.admin().await;
    for name in ["alice", "Alistair", "bob", "b_b", "carol"] {
        app.customer(name).await;
    }
    let carol = app.customer("carla").await;
    let list = async |query: &str| app.get(&ada, &format!("/admin/users{query}")).await.ok(200);
    assert_eq!(names(&list("?q=AL").await), ["Alistair", "alice"]);
    assert_eq!(names(&list("?q=alice@exam").await), ["alice"]);
    assert_eq!(names(&list("?q=b_").await), ["b_b"]);
    for nobody in ["%25", "lice", "'", "zzz"] {
        assert_eq!(names(&list(&format!("?q={nobody}")).await), Vec::<String>::new(), "{nobody}");
    }
    assert_eq!(names(&list("?role=admin").await), ["ada"]);
    decide(&app, &ada, &carol, "disable").await.ok(200);
    assert_eq!(names(&list("?disabled=true").await), ["carla"]);
    assert_eq!(names(&list("?disabled=false").await).len(), 6);
    // Page by page, the newest first.
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("?limit=3{cursor}")).await;
        all.extend(names(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all, ["carla", "carol", "b_b", "bob", "Alistair", "alice", "ada"]);
    let shown = app.get(&ada, &format!("/admin/users/{}", carol.id)).await.ok(200);
    assert_eq!((text(&shown, "username"), text(&shown, "email")), ("carla".to_owned(), "carla@example.com".to_owned()));
    app.get(&ada, &format!("/admin/users/{}", uuid::Uuid::nil())).await.problem(404, "not_found");
    app.finish().await;
}
