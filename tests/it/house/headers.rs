//! What a browser is told about each class of answers (guarantee I-07): one table, and every operation of the document.

use reqwest::Method;

use super::{
    operation::operations,
    strangers::{estate, path_to},
};
use crate::support::{answer::Answer, app::TestApp};

const SHOP: &str = "https://shop.example.com";

/// Whatever it is, nobody guesses its type, frames it, or learns where its reader came from.
fn assert_safe(answer: &Answer) {
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("x-frame-options", "DENY")]
    {
        assert_eq!(answer.header(name), Some(value), "{}: {name}", answer.asked);
    }
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{}: no policy", answer.asked));
    assert!(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "{}: {policy}",
        answer.asked
    );
    assert!(!policy.contains('*') && !policy.contains("unsafe-eval"), "{}: {policy}", answer.asked);
    for tells in ["server", "x-powered-by"] {
        assert_eq!(answer.header(tells), None, "{}", answer.asked);
    }
}

#[tokio::test]
async fn i_07_every_class_of_routes_has_its_headers() {
    let app = TestApp::with(&[("OMS_CORS_ORIGINS", SHOP)]).await;
    let alice = app.customer("alice").await;
    let (page, json) = ("text/html", "application/json");
    let problem = "application/problem+json";
    // Path, whether Alice asks, status, type, who may keep it, whether the shop's pages may read it.
    let table = [
        ("/v1/me", true, 200, json, Some("no-store"), true),
        ("/v1/orders", true, 200, json, Some("no-store"), true),
        ("/v1/products", false, 200, json, Some("no-store"), true),
        ("/v1/category-tree", false, 200, json, Some("no-store"), true),
        ("/v1/me", false, 401, problem, Some("no-store"), true),
        ("/v1/admin/orders", true, 403, problem, Some("no-store"), true),
        ("/v1/nowhere", true, 404, problem, Some("no-store"), true),
        ("/v1/auth/verify-email?token=x", false, 404, page, Some("no-store"), true),
        ("/v1/auth/reset-password?token=x", false, 404, page, Some("no-store"), true),
        ("/healthz", false, 200, json, Some("no-store"), true),
        ("/readyz", false, 200, json, Some("no-store"), true),
        ("/", false, 200, json, None, true),
        ("/problems", false, 200, json, None, true),
        ("/problems/out_of_stock", false, 200, json, None, true),
        ("/openapi.json", false, 200, json, Some("public, max-age=60"), true),
        ("/docs", false, 200, page, Some("public, max-age=60"), true),
        ("/redoc", false, 200, page, Some("public, max-age=60"), true),
        ("/nowhere", false, 404, problem, Some("no-store"), true),
    ];
    let (count, mut wrong) = (table.len(), Vec::new());
    for (path, is_alice, status, kind, keep, is_shared) in table {
        for origin in [None, Some(SHOP), Some("https://evil.example.com"), Some("null")] {
            let url = format!("{}{path}", app.url);
            let mut request = app.http.get(&url);
            if is_alice {
                request = request.bearer_auth(alice.token());
            }
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let request = request.build().unwrap();
            let url = request.url().clone();
            let answer = Answer::read(&Method::GET, &url, app.http.execute(request).await.unwrap()).await;
            let told = answer.header("content-type").and_then(|kind| kind.split(';').next());
            let found = (answer.status, told, answer.header("cache-control"));
            if found != (status, Some(kind), keep) {
                wrong.push(format!("{path}: {found:?}"));
            }
            assert_safe(&answer);
            // The document is everybody's; nothing else is, and nobody's page may send credentials along.
            let allowed = answer.header("access-control-allow-origin");
            let expected = match origin {
                Some(SHOP) if is_shared => Some(SHOP),
                _ if path == "/openapi.json" => Some("*"),
                _ => None,
            };
            assert_eq!(allowed, expected, "{path} for {origin:?}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
            let varies = answer.headers.get_all("vary").iter().any(|vary| vary == "Origin");
            assert!(varies, "{path}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("I-07: {count} routes of every class, asked from four origins");
    app.finish().await;
}

#[tokio::test]
async fn i_07_what_is_private_is_stored_nowhere() {
    let app = TestApp::new().await;
    let (mine, people) = estate(&app).await;
    let mut seen = 0;
    for operation in operations() {
        let refused = app.send(None, operation.method.clone(), &operation.path_to_nothing(), &[], None).await;
        assert_safe(&refused);
        assert!(refused.status < 300 || refused.header("cache-control") == Some("no-store"), "{}", operation.id);
        let is_elsewhere =
            ["/v1/categories/", "/v1/media/", "/v1/webhooks/"].iter().any(|p| operation.path.starts_with(p));
        if !operation.is_protected() || operation.method != Method::GET || is_elsewhere {
            continue;
        }
        let who = match operation.role() {
            Some("operator" | "admin") => &people.admin,
            Some("seller") => &people.seller,
            _ => &people.buyer,
        };
        let answer = app.get(who, &path_to(&operation, &mine)).await;
        assert_safe(&answer);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.asked);
        seen += u32::from(answer.status == 200);
    }
    assert!(seen >= 15, "{seen}");
    println!("I-07: {seen} kinds of private answers, none of which may be stored");
    app.finish().await;
}
