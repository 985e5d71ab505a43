//! Reports that come twice, backwards, or from nobody we know.

use serde_json::json;

use crate::support::{app::TestApp, order::sign, shop::text};

/// A report about `payment` as the gateway words it.
fn report(kind: &str, payment_id: &str, attempt: &str, amount: i64, status: &str) -> String {
    json!({ "type": kind, "timestamp": "2026-11-22T12:00:00Z", "data": {
        "payment_id": payment_id, "reference": attempt, "amount": amount, "currency": "USD", "status": status } })
    .to_string()
}

#[tokio::test]
async fn every_report_may_come_three_times_and_backwards() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    app.cancel(&alice, &order).await.ok(200);
    app.run_jobs().await;
    let (before, history) = (app.order(&alice, &order).await, app.history(&alice, &order).await);
    let reports = app.reports().await;
    assert_eq!(reports.len(), 2, "captured and refunded: {reports:?}");
    for round in 0..3 {
        for (id, body) in reports.iter().rev() {
            // Once under its own name, then under names that were never heard.
            let id = if round == 0 { id.clone() } else { format!("{id}-{round}") };
            app.webhook(&id, body).await.ok(200);
        }
        app.run_jobs().await;
    }
    assert_eq!(app.order(&alice, &order).await, before);
    assert_eq!(app.history(&alice, &order).await, history);
    assert_eq!(app.number("SELECT count(*) FROM payments.transactions").await, 2);
    app.finish().await;
}

#[tokio::test]
async fn captured_wins_over_failed_in_either_order() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(9).create().await;
    for (turn, first_failed) in [(0, true), (1, false)] {
        let order = app.place(&alice, &[(&shirt, 1)]).await;
        let attempt = text(&app.start_payment(&alice, &order).await, "id");
        let failed = report("payment.failed", &format!("pay-{turn}"), &attempt, 1_000, "failed");
        let captured = report("payment.captured", &format!("pay-{turn}"), &attempt, 1_000, "captured");
        let both = if first_failed { [failed, captured] } else { [captured, failed] };
        for (at, body) in both.iter().enumerate() {
            app.webhook(&format!("msg-{turn}-{at}"), body).await.ok(200);
            app.run_jobs().await;
        }
        assert_eq!(app.standing(&alice, &order).await, "confirmed paid 1000 0 0", "failed first: {first_failed}");
    }
    app.finish_with_forgeries().await;
}

#[tokio::test]
async fn less_than_was_asked_for_is_not_paid() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let attempt = text(&app.start_payment(&alice, &order).await, "id");
    app.webhook("msg-1", &report("payment.captured", "pay-1", &attempt, 400, "captured")).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.standing(&alice, &order).await, "pending partially_paid 400 0 600");
    assert_eq!(app.history(&alice, &order).await, ["placed", "payment_started", "payment_mismatch"]);
    app.finish_with_forgeries().await;
}

#[tokio::test]
async fn nobody_else_can_report() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let attempt = text(&app.start_payment(&alice, &order).await, "id");
    let body = report("payment.captured", "pay-1", &attempt, 1_000, "captured");
    let before = app.everything().await;
    let at = app.now().timestamp().to_string();
    let genuine = sign("msg-1", &at, &body);
    let old = (app.now().timestamp() - 301).to_string();
    let outdated = sign("msg-1", &old, &body);
    for (id, at, signature, body) in [
        ("msg-1", &at, "v1,AAAA", body.clone()),
        ("msg-2", &at, genuine.as_str(), body.clone()),
        ("msg-1", &old, genuine.as_str(), body.clone()),
        ("msg-1", &old, outdated.as_str(), body.clone()),
        ("msg-1", &at, genuine.as_str(), body.replace("1000", "1001")),
    ] {
        let headers = [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
        let answer = app.send(None, reqwest::Method::POST, "/webhooks/payments/mock", &headers, Some(body)).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    assert_eq!(app.everything().await, before);
    app.finish().await;
}
