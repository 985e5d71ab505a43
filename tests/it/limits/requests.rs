//! Requests for each caller and each address.

use chrono::TimeDelta;
use reqwest::Method;

use crate::support::{
    answer::Answer,
    app::{Person, TestApp},
};

const LIMITS: [(&str, &str); 2] = [("OMS_RATE_LIMIT_CALLER", "5"), ("OMS_RATE_LIMIT_ADDRESS", "6")];
const BELIEVED: [(&str, &str); 3] = [LIMITS[0], LIMITS[1], ("OMS_TRUSTED_PROXIES", "127.0.0.0/8")];

impl TestApp {
    async fn look(&self, who: Option<&Person>, forwarded: &[&str]) -> Answer {
        let headers: Vec<_> = forwarded.iter().map(|address| ("x-forwarded-for", *address)).collect();
        self.send(who, Method::GET, "/products", &headers, None).await
    }
}

#[tokio::test]
async fn a_caller_is_told_what_is_left_and_when_to_come_back() {
    let app = TestApp::with(&LIMITS).await;
    let (alice, bob) = (app.customer("alice").await, app.customer("bob").await);
    for left in (0..5).rev() {
        let answer = app.look(Some(&alice), &[]).await;
        answer.ok(200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"caller\";q=5;w=60"));
        let expected = format!("\"caller\";r={left};t={}", (5 - left) * 12);
        assert_eq!(answer.header("ratelimit"), Some(expected.as_str()));
        assert_eq!(answer.header("retry-after"), None);
    }
    let refused = app.look(Some(&alice), &[]).await;
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("12"));
    assert_eq!(refused.header("ratelimit"), Some("\"caller\";r=0;t=12"));
    // Also where she is not allowed, or there is nothing.
    app.get(&alice, "/nothing").await.problem(429, "rate_limited");
    app.look(Some(&bob), &[]).await.ok(200);
    app.clock.advance(TimeDelta::seconds(12));
    app.look(Some(&alice), &[]).await.ok(200);
    app.look(Some(&alice), &[]).await.problem(429, "rate_limited");
    app.finish().await;
}

#[tokio::test]
async fn whoever_has_no_token_that_holds_is_counted_by_address() {
    let app = TestApp::with(&LIMITS).await;
    let forged = [("authorization", "Bearer nonsense")];
    for _ in 0..3 {
        app.look(None, &["1.1.1.1"]).await.ok(200);
        app.send(None, Method::GET, "/me", &forged, None).await.problem(401, "unauthenticated");
    }
    let refused = app.send(None, Method::GET, "/me", &forged, None).await;
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"address\";q=6;w=60"));
    // Nobody has said that somebody else's word on addresses counts.
    app.look(None, &["2.2.2.2"]).await.problem(429, "rate_limited");
    // Pages are counted, health and the gateway are not.
    let status = async |path: &str| app.http.get(format!("{}{path}", app.url)).send().await.unwrap().status().as_u16();
    assert_eq!((status("/openapi.json").await, status("/healthz").await, status("/readyz").await), (429, 200, 200));
    let hook = app.send(None, Method::POST, "/webhooks/payments/mock", &[], Some("{}".to_owned())).await;
    assert_eq!((hook.status < 429, hook.header("ratelimit")), (true, None));
    app.finish().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_every_client_is_counted_by_its_own_address() {
    let app = TestApp::with(&BELIEVED).await;
    for _ in 0..6 {
        app.look(None, &["1.1.1.1"]).await.ok(200);
    }
    app.look(None, &["1.1.1.1"]).await.problem(429, "rate_limited");
    app.look(None, &["2.2.2.2"]).await.ok(200);
    // What a client writes in front of its address does not help it, and what cannot be read neither.
    for hostile in ["7.7.7.7, 1.1.1.1", "2.2.2.2,1.1.1.1, 127.0.0.9", "for=7.7.7.7;x, 1.1.1.1", "\u{fe}, 1.1.1.1:80"] {
        app.look(None, &[hostile]).await.problem(429, "rate_limited");
    }
    app.look(None, &["7.7.7.7", "1.1.1.1"]).await.problem(429, "rate_limited");
    // A customer's IPv6 addresses are one.
    for host in 0..6 {
        app.look(None, &[&format!("2001:db8:7:8::{host}")]).await.ok(200);
    }
    app.look(None, &["2001:db8:7:8:ffff::1"]).await.problem(429, "rate_limited");
    app.look(None, &["2001:db8:7:9::1"]).await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn zero_is_no_limit() {
    let app = TestApp::new().await;
    for _ in 0..50 {
        let answer = app.look(None, &[]).await;
        answer.ok(200);
        assert_eq!(answer.header("ratelimit"), None);
    }
    app.finish().await;
}
