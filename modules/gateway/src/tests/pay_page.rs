//! The hosted pay page.

use std::sync::Arc;

use chrono::TimeDelta;
use poem::http::StatusCode;
use serde_json::json;

use super::support::{API_KEY, SECRET, house, nonce, order, token};
use crate::PAYMENT_LIFETIME;

#[tokio::test]
async fn the_page_shows_what_is_paid_and_nothing_secret() {
    let house = house().await;
    let mut body = order();
    body["description"] = json!("<script>alert('x')</script> & \"quotes\"");
    body["return_url"] = json!("http://shop.example:8080/done?a=1&b=\"><img>");
    let payment = house.open("key", &body).await;
    let (answer, html) = house.page(&token(&payment)).await;
    answer.assert_status_is_ok();
    assert!(html.contains("12.99 USD"));
    assert!(html.contains("Tom &amp; Jerry&#x27;s &lt;Shop&gt;"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(") && !html.contains("<script") && !html.contains("<img"), "{html}");
    for secret in [API_KEY, SECRET, "/hook", "attempt-1", payment["id"].as_str().unwrap()] {
        assert!(!html.contains(secret), "{secret}");
    }
    let headers = answer.0.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
    assert!(policy.contains("form-action 'self' http://shop.example:8080; base-uri 'none'; frame-ancestors 'none'"));
    let style = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(html.contains(&format!("<style nonce=\"{style}\">")));
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert!(html.contains("name=\"viewport\""));
}

#[tokio::test]
async fn approving_captures_once_and_shows_so() {
    let house = Arc::new(house().await);
    let payment = house.open("key", &order()).await;
    let token = token(&payment);
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (house, token) = (Arc::clone(&house), token.clone());
            tokio::spawn(async move { house.press(&token, "approve").await })
        })
        .collect();
    for task in tasks {
        let answer = task.await.unwrap();
        answer.assert_status(StatusCode::SEE_OTHER);
        answer.assert_header("location", format!("../{token}"));
    }
    house.press(&token, "decline").await.assert_status(StatusCode::SEE_OTHER);
    let (_, html) = house.page(&token).await;
    assert!(html.contains("Payment successful") && nonce(&html).is_none(), "{html}");
    assert_eq!(house.count("gateway.payments WHERE status = 'captured' AND captured_minor = 1299").await, 1);
    assert_eq!(house.count("gateway.transactions WHERE kind = 'capture'").await, 1);
    assert_eq!(house.count("gateway.deliveries WHERE kind = 'payment.captured'").await, 1);
    assert_eq!(house.jobs("gateway.deliver_webhook").await.len(), 1);
}

#[tokio::test]
async fn declining_charges_nothing_and_goes_back_to_the_shop() {
    let house = house().await;
    let mut body = order();
    body["return_url"] = json!("http://shop.example/done?order=1");
    let token = token(&house.open("key", &body).await);
    let answer = house.press(&token, "decline").await;
    answer.assert_status(StatusCode::SEE_OTHER);
    answer.assert_header("location", "http://shop.example/done?order=1");
    house.press(&token, "approve").await.assert_status(StatusCode::SEE_OTHER);
    let (_, html) = house.page(&token).await;
    assert!(html.contains("Payment declined") && html.contains("href=\"http:&#x2f;&#x2f;shop.example"), "{html}");
    assert_eq!(house.count("gateway.payments WHERE status = 'failed' AND captured_minor = 0").await, 1);
    assert_eq!(house.count("gateway.deliveries WHERE kind = 'payment.failed'").await, 1);
}

#[tokio::test]
async fn a_form_that_is_not_the_pages_is_refused() {
    let house = house().await;
    let token = token(&house.open("key", &order()).await);
    let (_, html) = house.page(&token).await;
    let nonce = nonce(&html).unwrap();
    for form in
        ["", "nonce=", "nonce=wrong", &format!("nonce={nonce}&more=1"), &format!("nonce={nonce}{}", "x".repeat(2_000))]
    {
        house.send_form(&token, "approve", form).await.assert_status(StatusCode::BAD_REQUEST);
    }
    assert_eq!(house.count("gateway.payments WHERE status = 'pending'").await, 1);
    for wrong in ["x", &"A".repeat(43), "..%2f..%2fapi", "%00"] {
        let (answer, html) = house.page(wrong).await;
        answer.assert_status(StatusCode::NOT_FOUND);
        assert!(html.contains("There is no such payment"));
        house.send_form(wrong, "approve", &format!("nonce={nonce}")).await.assert_status(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn time_runs_out() {
    let house = house().await;
    let (seen, swept) = (house.open("key-1", &order()).await, house.open("key-2", &order()).await);
    house.clock.advance(PAYMENT_LIFETIME - TimeDelta::seconds(1));
    house.run("gateway.expire_payments", json!({})).await;
    assert_eq!(house.count("gateway.payments WHERE status = 'pending'").await, 2);
    let form = nonce(&house.page(&token(&seen)).await.1).unwrap();
    house.clock.advance(TimeDelta::seconds(1));
    let (_, html) = house.page(&token(&seen)).await;
    assert!(html.contains("Payment expired") && nonce(&html).is_none());
    let id = seen["id"].as_str().unwrap();
    assert_eq!(house.get(&format!("/api/payments/{id}")).await.1["status"], "expired");
    house.send_form(&token(&seen), "approve", &format!("nonce={form}")).await.assert_status(StatusCode::SEE_OTHER);
    assert_eq!(house.count("gateway.payments WHERE status = 'expired' AND captured_minor = 0").await, 1);
    assert_eq!(house.run("gateway.expire_payments", json!({})).await, kernel::Outcome::Done);
    assert_eq!(house.count("gateway.payments WHERE status = 'expired'").await, 2);
    assert_eq!(
        house.count("gateway.deliveries WHERE kind = 'payment.failed' AND body LIKE '%\"status\":\"expired\"%'").await,
        2
    );
    assert!(house.page(&token(&swept)).await.1.contains("Payment expired"));
}

#[tokio::test]
async fn the_front_page_says_what_this_is() {
    let house = house().await;
    let mut answer = house.client.get("/").send().await;
    answer.assert_status_is_ok();
    assert!(answer.0.take_body().into_string().await.unwrap().contains("Mock payment gateway"));
}
