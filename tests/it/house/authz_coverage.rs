//! Every protected operation refuses strangers, tokens that do not hold, and people who may not; read from the document.

use super::operation::{Operation, operations};
use crate::support::app::TestApp;

/// What anybody may do without a token. The list is short, and whoever makes it longer says why in the review.
const PUBLIC: [&str; 21] = [
    // How one gets a token.
    "registerAccount",
    "logIn",
    "refreshTokens",
    "logOut",
    "forgotPassword",
    "resetPassword",
    "openResetLink",
    "sendResetForm",
    "verifyEmail",
    "openVerificationLink",
    "resendVerification",
    // The shop window.
    "listProducts",
    "getProduct",
    "listBusinesses",
    "getBusiness",
    "listCategories",
    "getCategory",
    "getCategoryTree",
    "getMedia",
    // The link is the key: whoever has it may have the file.
    "downloadExport",
    // Signed by the gateway.
    "receivePaymentWebhook",
];

/// A well-formed request to something that does not exist.
async fn call(app: &TestApp, operation: &Operation, authorization: Option<&str>) -> crate::support::answer::Answer {
    let mut headers = Vec::new();
    if let Some(authorization) = authorization {
        headers.push(("authorization", authorization));
    }
    let body = operation.example().map(|example| example.to_string());
    app.send(None, operation.method.clone(), &operation.path_to_nothing(), &headers, body).await
}

#[test]
fn what_is_public_is_on_the_list() {
    let mut public: Vec<_> = operations()
        .iter()
        .filter(|operation| !operation.is_protected())
        .map(|operation| operation.id.clone())
        .collect();
    let mut listed = PUBLIC.to_vec();
    public.sort_unstable();
    listed.sort_unstable();
    assert_eq!(public, listed);
}

#[test]
fn who_needs_a_token_needs_a_role() {
    for operation in operations().iter().filter(|operation| operation.is_protected()) {
        let role = operation.role();
        assert!(matches!(role, Some("customer" | "seller" | "operator" | "admin")), "{}: {role:?}", operation.id);
        let is_staffs = operation.path.starts_with("/v1/admin/");
        assert!(!is_staffs || matches!(role, Some("operator" | "admin")), "{}: {role:?}", operation.id);
    }
}

#[tokio::test]
async fn strangers_and_tokens_that_do_not_hold_are_refused() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let expired = alice.token();
    app.advance_minutes(16);
    app.log_in(&alice).await;
    let good = alice.token();
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    let resigned = format!("Bearer {head}.{claims}.{}", signature.chars().rev().collect::<String>());
    let tokens = [
        ("nothing", None),
        ("garbage", Some("Bearer garbage".to_owned())),
        ("an empty token", Some("Bearer ".to_owned())),
        ("three dots", Some("Bearer a.b.c".to_owned())),
        ("a huge token", Some(format!("Bearer {}", "a".repeat(6_000)))),
        ("another scheme", Some("Basic YWxpY2U6eA==".to_owned())),
        ("an expired token", Some(format!("Bearer {expired}"))),
        ("an unsigned token", Some(unsigned)),
        ("a token signed by somebody", Some(resigned)),
    ];
    let before = app.everything().await;
    for operation in operations().iter().filter(|operation| operation.is_protected()) {
        for (what, authorization) in &tokens {
            let answer = call(&app, operation, authorization.as_deref()).await;
            assert_eq!(answer.status, 401, "{} with {what}: {}", operation.id, answer.text());
            answer.problem(401, "unauthenticated");
        }
    }
    assert_eq!(app.everything().await, before);
    app.finish().await;
}

#[tokio::test]
async fn a_stranger_is_told_to_log_in_before_anything_else() {
    let app = TestApp::new().await;
    let before = app.everything().await;
    for operation in operations().iter().filter(|operation| operation.is_protected()) {
        let path = operation.path_with(|_| "not-an-id".to_owned());
        let body = operation.body_type().map(|_| "{".to_owned());
        let answer = app.send(None, operation.method.clone(), &path, &[], body).await;
        assert_eq!(answer.status, 401, "{}: {}", operation.id, answer.text());
    }
    assert_eq!(app.everything().await, before);
    app.finish().await;
}

#[tokio::test]
async fn a_role_that_is_too_low_is_refused() {
    let app = TestApp::new().await;
    let (alice, olga, ada) = (app.customer("alice").await, app.operator().await, app.admin().await);
    let before = app.everything().await;
    let mut refused = 0;
    for operation in operations() {
        let too_low: &[_] = match operation.role() {
            Some("operator") => &[&alice],
            Some("admin") => &[&alice, &olga],
            _ => continue,
        };
        for person in too_low {
            let bearer = format!("Bearer {}", person.token());
            call(&app, &operation, Some(&bearer)).await.problem(403, "forbidden");
            refused += 1;
        }
    }
    assert!(refused >= 4, "{refused}");
    assert_eq!(app.everything().await, before);
    for operation in operations().iter().filter(|operation| operation.role().is_some()) {
        let bearer = format!("Bearer {}", ada.token());
        // Whether something was found is another matter; opening things is not tried here.
        if operation.method == reqwest::Method::GET {
            let status = call(&app, operation, Some(&bearer)).await.status;
            assert!(matches!(status, 200 | 404), "{}: {status}", operation.id);
        }
    }
    app.finish().await;
}
