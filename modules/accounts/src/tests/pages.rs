//! The pages behind the links in mails.

use poem::{Request, http::Method};
use serde_json::json;

use super::support::{Answer, PASSWORD, TestApp};

const NEW: &str = "eleven paper boats";

fn is_safe_page(answer: &Answer) {
    assert!(answer.header("content-type").starts_with("text/html"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!answer.body.contains("<script") && !answer.body.contains("http"), "{}", answer.body);
}

async fn send_form(app: &TestApp, body: String) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/auth/reset-password/form".parse().unwrap())
        .content_type("application/x-www-form-urlencoded")
        .body(body);
    app.raw(request).await
}

#[tokio::test]
async fn the_verification_link_works_and_may_be_followed_again() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    let token = app.mailed_token().await;
    let page = app.get(&format!("/auth/verify-email?token={token}")).await.is(200);
    is_safe_page(&page);
    assert!(page.body.contains("is confirmed"));
    let page = app.get(&format!("/auth/verify-email?token={token}")).await.is(200);
    assert!(page.body.contains("already confirmed"));
    app.login("alice", PASSWORD).await.is(200);
    let page = app.get("/auth/verify-email?token=nonsense").await.is(404);
    is_safe_page(&page);
    for bad in ["", "?token=", "?token=%00", "?token=a%20b", &format!("?token={}", "a".repeat(201))] {
        app.get(&format!("/auth/verify-email{bad}")).await.is(400);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_reset_link_leads_to_a_form_that_works() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    app.post("/auth/forgot-password", json!({ "email": "alice@example.com" })).await.is(202);
    let token = app.mailed_token().await;
    let link = format!("/auth/reset-password?token={token}");
    for _ in 0..2 {
        let page = app.get(&link).await.is(200);
        is_safe_page(&page);
        assert!(page.body.contains("alice") && page.body.contains(&format!("value=\"{token}\"")));
        assert!(page.body.contains("action=\"reset-password/form\""));
    }
    for weak in ["short", "password123"] {
        let page = send_form(&app, format!("token={token}&password={weak}")).await.is(409);
        is_safe_page(&page);
        assert!(page.body.contains("action=\"form\""), "the form is offered again, one level deeper");
    }
    let done = send_form(&app, format!("token={token}&password={}", NEW.replace(' ', "+"))).await.is(200);
    is_safe_page(&done);
    app.login("alice", NEW).await.is(200);
    is_safe_page(&app.get(&link).await.is(404));
    is_safe_page(&send_form(&app, format!("token={token}&password=another+good+one")).await.is(404));
    app.finish().await;
}

#[tokio::test]
async fn a_hostile_form_is_refused() {
    let app = TestApp::new().await;
    for body in [
        "",
        "token=x",
        "password=x",
        "token=%00&password=12345678",
        "token=x&password=1%002345678",
        "token=x&password=y&role=admin",
        "%",
    ] {
        let answer = send_form(&app, body.to_owned()).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    app.finish().await;
}
