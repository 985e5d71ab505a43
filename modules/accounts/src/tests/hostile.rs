//! Requests that nobody sends by accident: refused with 400, and nothing is stored.

use poem::{Request, http::Method};
use serde_json::{Value, json};

use super::support::{PASSWORD, TestApp};

/// Each public operation with a request that would be accepted.
fn requests() -> Vec<(&'static str, Value)> {
    let token = "AZq7c1v9cD2bQ0nJY2l4Xw.3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    vec![
        ("/auth/register", json!({ "username": "mallory", "email": "mallory@example.com", "password": PASSWORD })),
        ("/auth/verify-email", json!({ "token": token })),
        ("/auth/resend-verification", json!({ "email": "mallory@example.com" })),
        ("/auth/login", json!({ "login": "mallory", "password": PASSWORD })),
        ("/auth/refresh", json!({ "refresh_token": "A".repeat(43) })),
        ("/auth/logout", json!({ "refresh_token": "A".repeat(43) })),
        ("/auth/forgot-password", json!({ "email": "mallory@example.com" })),
        ("/auth/reset-password", json!({ "token": token, "password": PASSWORD })),
    ]
}

#[tokio::test]
async fn s_08_every_field_is_needed_bounded_and_of_its_type() {
    let app = TestApp::new().await;
    for (path, good) in requests() {
        for field in good.as_object().unwrap().keys() {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(field);
            app.post(path, without).await.is(400);
            for bad in [
                json!(null),
                json!(1),
                json!(-1),
                json!(1e300),
                json!(true),
                json!([]),
                json!(["alice"]),
                json!({}),
                json!({ "$ne": null }),
                json!(""),
                json!("\u{0}"),
                json!("alice\u{0}@example.com"),
                json!("alice\r\nBcc: everybody@example.com"),
                json!("\u{1b}[31m"),
                json!("x".repeat(256)),
                json!("x".repeat(100_000)),
            ] {
                let mut hostile = good.clone();
                hostile[field] = bad.clone();
                let answer = app.post(path, hostile).await;
                assert_eq!(answer.status, 400, "{path} {field} {:.60}", bad.to_string());
            }
        }
    }
    nothing_is_stored(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn s_08_unknown_fields_and_bodies_that_are_no_objects_are_refused() {
    let app = TestApp::new().await;
    for (path, good) in requests() {
        for name in ["role", "id", "email_verified", "__proto__", "Password"] {
            let mut more = good.clone();
            more[name] = json!("admin");
            app.post(path, more).await.is(400);
        }
        for body in ["", "{", "null", "[]", "\"x\"", "1", "{\"a\":}", "\u{feff}{}", "{}"] {
            let answer = app.send(Method::POST, path, None, Some(body.to_owned())).await;
            assert_eq!(answer.status, 400, "{path} {body:?}");
        }
        let invalid = Request::builder().method(Method::POST).uri(format!("/v1{path}").parse().unwrap());
        app.raw(invalid.content_type("application/json").body(vec![b'{', 0xff, b'}'])).await.is(400);
        let form = Request::builder().method(Method::POST).uri(format!("/v1{path}").parse().unwrap());
        let answer = app.raw(form.content_type("application/x-www-form-urlencoded").body("username=mallory")).await;
        assert_eq!(answer.status, 415, "{path}");
    }
    nothing_is_stored(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn names_and_addresses_that_could_deceive_are_refused() {
    let app = TestApp::new().await;
    let register = |name: &str, email: &str| {
        app.post("/auth/register", json!({ "username": name, "email": email, "password": PASSWORD }))
    };
    let long = "a".repeat(31);
    for name in [
        "ab",
        "a b",
        " alice",
        "alice ",
        "al@ice",
        "аlice",
        "alice\u{202e}",
        "-alice",
        ".alice",
        "alice\n",
        long.as_str(),
        "../../etc",
        "<b>x</b>",
        "{{7*7}}",
    ] {
        assert_eq!(register(name, "mallory@example.com").await.status, 400, "{name:?}");
    }
    for email in [
        "alice",
        "alice@",
        "@example.com",
        "a@b",
        "a@b@example.com",
        "\"a b\"@example.com",
        "alice@example.com ",
        "alice@exa mple.com",
        "alice@example.com,bob@example.com",
        "alice@-example.com",
        "alice@example..com",
        "älice@example.com",
        "alice@example.com\u{0}",
    ] {
        assert_eq!(register("mallory", email).await.status, 400, "{email:?}");
    }
    nothing_is_stored(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_hostile_login_is_a_wrong_login() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    for login in [
        "alice' --",
        "alice\"; DROP TABLE accounts.users; --",
        "a%",
        "_lice",
        "alice\\",
        "${jndi:ldap://x}",
        "😀😀😀",
        "ALİCE",
    ] {
        app.login(login, PASSWORD).await.problem(401, "invalid_credentials");
        app.login("alice", login).await.problem(401, "invalid_credentials");
    }
    app.login("alice", PASSWORD).await.is(200);
    app.finish().await;
}

async fn nothing_is_stored(app: &TestApp) {
    for table in
        ["accounts.users", "accounts.sessions", "accounts.refresh_tokens", "accounts.one_time_tokens", "jobs.jobs"]
    {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
}
