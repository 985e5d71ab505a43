//! Reports that come twice, backwards, or from nobody we know.

use serde_json::json;

use crate::support::{
    app::TestApp,
    order::{sign, sign_with},
    shop::text,
};

/// A report about `payment` as the gateway words it.
fn report(kind: &str, payment_id: &str, attempt: &str, amount: i64, status: &str) -> String {
    json!({ "type": kind, "timestamp": "2026-11-22T12:00:00Z", "data": {
        "payment_id": payment_id, "reference": attempt, "amount": amount, "currency": "USD", "status": status } })
    .to_string()
}

#[tokio::test]
async fn w_03_every_report_may_come_three_times_and_backwards() {
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
async fn w_04_captured_wins_over_failed_in_either_order() {
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
async fn w_01_eleven_wrong_webhooks_have_no_effect() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    let attempt = text(&app.start_payment(&alice, &order).await, "id");
    let body = report("payment.captured", "pay-1", &attempt, 1_000, "captured");
    let before = app.everything().await;
    let at = app.now().timestamp().to_string();
    let genuine = sign("msg-1", &at, &body);
    let shifted = |seconds: i64| (app.now().timestamp() + seconds).to_string();
    let (old, early) = (shifted(-301), shifted(301));
    let (outdated, premature) = (sign("msg-1", &old, &body), sign("msg-1", &early, &body));
    let strange = sign_with("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "msg-1", &at, &body);
    let (other_version, with_a_blank) = (genuine.replace("v1,", "v2,"), body.replacen(':', ": ", 1));
    let huge = format!("{}{}", " ".repeat(64 * 1024), body);
    let of_huge = sign("msg-1", &at, &huge);
    let cases = [
        ("no header", "msg-1", at.as_str(), None, body.as_str(), 400),
        ("empty", "msg-1", &at, Some(""), &body, 400),
        ("bad base64", "msg-1", &at, Some("v1,%%%%"), &body, 401),
        ("another secret", "msg-1", &at, Some(strange.as_str()), &body, 401),
        ("another version", "msg-1", &at, Some(&other_version), &body, 401),
        ("301 s old", "msg-1", &old, Some(&outdated), &body, 401),
        ("301 s early", "msg-1", &early, Some(&premature), &body, 401),
        ("timestamp not a number", "msg-1", "soon", Some(&genuine), &body, 400),
        ("a blank more", "msg-1", &at, Some(&genuine), &with_a_blank, 401),
        ("another id", "msg-2", &at, Some(&genuine), &body, 401),
        ("huge", "msg-1", &at, Some(&of_huge), &huge, 413),
    ];
    for (case, id, at, signature, body, status) in cases {
        let headers: Vec<_> =
            [("webhook-id", Some(id)), ("webhook-timestamp", Some(at)), ("webhook-signature", signature)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
        let post = app.send(None, reqwest::Method::POST, "/webhooks/payments/mock", &headers, Some(body.to_owned()));
        assert_eq!(post.await.status, status, "{case}");
    }
    assert_eq!(app.everything().await, before);
    println!("W-01: {} wrong webhooks, no effect", cases.len());
    // The same webhook as it should be is taken.
    app.webhook("msg-1", &body).await.ok(200);
    app.finish_with_forgeries().await;
}
