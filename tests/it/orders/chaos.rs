//! The gateway's worst day: one life of an order for each way in which it goes wrong, and what must be true when it is over.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    acts::{units, usd},
    app::{Person, TestApp},
    shop::text,
};

const PATIENCE: Duration = Duration::from_secs(60);

impl TestApp {
    /// From now on this goes wrong with the gateway, in percent.
    pub async fn chaos(&self, modes: Value) {
        let gateway = &self.wiring.config.gateway;
        let request = self.http.put(format!("{}/api/chaos", gateway.url)).bearer_auth(gateway.api_key.expose());
        request.body(modes.to_string()).send().await.unwrap().error_for_status().unwrap();
    }

    /// Runs jobs until none is left, those neither that wait to be tried again.
    pub async fn calm_down(&self) {
        let began = Instant::now();
        let left = "SELECT count(*) FROM jobs.jobs WHERE state NOT IN ('finished', 'failed') \
            AND kind NOT IN (SELECT kind FROM jobs.schedules)";
        loop {
            self.run_jobs().await;
            match self.number(left).await {
                0 => return,
                left => assert!(began.elapsed() < PATIENCE, "{left} jobs do not end"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn start(&self, person: &Person, order: &str, key: &str) -> crate::support::answer::Answer {
        let path = format!("/orders/{order}/payments");
        self.command(person, &path, key, json!({ "gateway": "mock" })).await
    }

    /// The events of an order that were found out by asking the gateway.
    async fn reconciled(&self, order: &str) -> Vec<String> {
        let sql = format!(
            "SELECT kind AS word FROM orders.events WHERE order_id = '{order}' AND data->>'reconciled' = 'true' ORDER BY seq"
        );
        self.words(&sql).await
    }
}

/// The webhooks go wrong and arrive: an order that is paid and then cancelled.
async fn lives_through(mode: &str) {
    let app = TestApp::new().await;
    app.chaos(json!({ mode: 100 })).await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let payment = app.start_payment(&alice, &order).await;
    app.press(&payment, "approve").await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0", "{mode}");
    assert_eq!(app.available(&shirt).await, 1);
    app.cancel(&alice, &order).await.ok(200);
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "cancelled refunded 2000 2000 0", "{mode}");
    assert_eq!(app.available(&shirt).await, 3);
    assert_eq!(app.number("SELECT count(*) FROM payments.transactions").await, 2, "{mode}");
    assert_eq!(app.number("SELECT count(*) FROM payments.inbox").await, 2, "{mode}");
    assert_eq!(
        app.history(&alice, &order).await,
        ["placed", "payment_started", "payment_captured", "confirmed", "cancelled", "refund_requested", "refunded"]
    );
    app.finish().await;
}

#[tokio::test]
async fn m_10_chaos_duplicate() {
    lives_through("duplicate").await;
}

#[tokio::test]
async fn m_10_chaos_delay() {
    lives_through("delay").await;
}

#[tokio::test]
async fn m_10_chaos_reorder() {
    lives_through("reorder").await;
}

#[tokio::test]
async fn m_10_chaos_bad_signature() {
    lives_through("bad_signature").await;
}

#[tokio::test]
async fn m_10_chaos_stale_timestamp() {
    lives_through("stale_timestamp").await;
}

#[tokio::test]
async fn m_10_chaos_drop_is_found_by_asking() {
    let app = TestApp::new().await;
    app.chaos(json!({ "drop": 100 })).await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(4).create().await;
    let (paid, declined) = (app.place(&alice, &[(&shirt, 2)]).await, app.place(&alice, &[(&shirt, 1)]).await);
    app.pay(&alice, &paid).await;
    app.press(&app.start_payment(&alice, &declined).await, "decline").await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &paid).await, "pending unpaid 0 0 2000", "nobody has said anything");
    let settled = app.reconcile().await;
    assert_eq!(settled.len(), 2, "{settled:?}");
    assert_eq!(app.standing(&alice, &paid).await, "confirmed paid 2000 0 0");
    assert_eq!(app.standing(&alice, &declined).await, "pending unpaid 0 0 1000");
    assert_eq!(app.reconciled(&paid).await, ["payment_captured"]);
    assert_eq!(app.reconciled(&declined).await, ["payment_failed"]);
    assert_eq!(app.reconcile().await, Vec::<String>::new(), "asked again, nothing happens");
    app.finish().await;
}

#[tokio::test]
async fn m_10_late_money_is_late_however_it_is_heard_of() {
    let app = TestApp::new().await;
    app.chaos(json!({ "drop": 100 })).await;
    let (alice, bob) = (app.customer("alice").await, app.customer("bob").await);
    let (shirt, sock) = (app.variant().stock(1).create().await, app.variant().stock(1).create().await);
    let (revived, too_late) = (app.place(&alice, &[(&shirt, 1)]).await, app.place(&alice, &[(&sock, 1)]).await);
    app.advance_minutes(20);
    let payments = [app.start_payment(&alice, &revived).await, app.start_payment(&alice, &too_late).await];
    app.advance_minutes(11);
    assert_eq!(app.expire().await, 2);
    app.place(&bob, &[(&sock, 1)]).await;
    for payment in &payments {
        app.press(payment, "approve").await;
    }
    app.reconcile().await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &revived).await, "confirmed paid 1000 0 0");
    assert_eq!(app.standing(&alice, &too_late).await, "expired refunded 1000 1000 0");
    assert_eq!((app.available(&shirt).await, app.available(&sock).await), (0, 0));
    app.finish().await;
}

#[tokio::test]
async fn m_10_chaos_wrong_amount_and_currency_are_recorded_as_what_they_are() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(9).create().await;
    app.chaos(json!({ "wrong_amount": 100 })).await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    app.calm_down().await;
    let standing = app.standing(&alice, &order).await;
    let expected = ["pending partially_paid 1800 0 200", "confirmed partially_refunded 2200 200 0"];
    assert!(expected.contains(&standing.as_str()), "{standing}");
    assert!(app.history(&alice, &order).await.contains(&"payment_mismatch".to_owned()));

    app.chaos(json!({ "wrong_currency": 100 })).await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "pending unpaid 0 0 2000");
    assert_eq!(app.history(&alice, &order).await, ["placed", "payment_started", "payment_mismatch"]);
    app.finish().await;
}

#[tokio::test]
async fn m_10_chaos_webhook_first() {
    let app = TestApp::new().await;
    app.chaos(json!({ "webhook_first": 100 })).await;
    let alice = app.customer("alice").await;
    let sam = app.default_shop().await.owner.clone();
    let olga = app.operator().await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.authorize(&alice, &order, None).await;
    app.send_off(&sam, &order, &[(1, 2)]).await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    app.refund(&olga, &order, json!({ "kind": "amount", "amount": usd(300) })).await.ok(200);
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 2000 300 0");
    // Settled by the webhooks: the answers came later and changed nothing.
    let told =
        "SELECT count(*) FROM payments.transactions WHERE kind IN ('capture', 'refund') AND event_id IS NOT NULL";
    assert_eq!(app.number(told).await, 2);
    assert_eq!(app.number("SELECT count(*) FROM payments.transactions").await, 3);
    app.finish().await;
}

#[tokio::test]
async fn m_10_chaos_charge_then_drop() {
    let app = TestApp::new().await;
    app.chaos(json!({ "charge_then_drop": 100, "drop": 100 })).await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.start(&alice, &order, "key").await.problem(503, "gateway_unavailable");
    assert_eq!(app.payments(&alice, &order).await, ["unknown null"]);
    assert_eq!(app.reconcile().await.len(), 1);
    assert_eq!(app.payments(&alice, &order).await, ["pending null"]);
    // The same request resumes where it stopped: there is one payment.
    let payment = app.start(&alice, &order, "key").await.ok(201);
    assert_eq!(app.number("SELECT count(*) FROM gateway.payments").await, 1);
    app.press(&payment, "approve").await;
    app.reconcile().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    app.refund(&olga, &order, json!({ "kind": "full" })).await.ok(200);
    app.run_jobs().await;
    assert_eq!(
        app.number("SELECT refunded_minor FROM gateway.payments").await,
        2_000,
        "it was made, and nobody said so"
    );
    app.reconcile().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed refunded 2000 2000 0");
    assert_eq!(app.reconciled(&order).await, ["payment_captured", "refunded"]);
    app.calm_down().await;
    app.finish().await;
}

#[tokio::test]
async fn m_10_a_repeat_resumes_its_own_payment_whatever_is_owed_meanwhile() {
    let app = TestApp::new().await;
    app.chaos(json!({ "charge_then_drop": 100 })).await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(3).create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.start(&alice, &order, "key").await.problem(503, "gateway_unavailable");
    let body = json!({ "lines": units(&[(1, 1)]), "reason": "Too many" });
    app.command(&app.operator().await, &format!("/orders/{order}/cancel-lines"), "fewer", body).await.ok(200);
    app.chaos(json!({})).await;
    let payment = app.start(&alice, &order, "key").await.ok(201);
    assert_eq!(app.number("SELECT count(*) FROM gateway.payments").await, 1);
    // Paid before the answer came: it is still this payment that is answered.
    app.chaos(json!({ "charge_then_drop": 100 })).await;
    app.press(&payment, "approve").await;
    app.chaos(json!({})).await;
    assert_eq!(app.start(&alice, &order, "key").await.ok(201), payment);
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed partially_refunded 3000 1000 0");
    app.finish().await;
}

#[tokio::test]
async fn m_10_chaos_error_500() {
    let app = TestApp::new().await;
    app.chaos(json!({ "error_500": 100 })).await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.start(&alice, &order, "key").await.problem(503, "gateway_unavailable");
    assert_eq!(app.reconcile().await, Vec::<String>::new(), "the call may still be on its way");
    app.advance_minutes(1);
    assert_eq!(app.reconcile().await.len(), 1);
    assert_eq!(app.payments(&alice, &order).await, ["failed null"]);
    assert_eq!(app.reconciled(&order).await, ["payment_failed"]);
    app.chaos(json!({})).await;
    let payment = app.start(&alice, &order, "key").await.ok(201);
    app.press(&payment, "approve").await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    assert_eq!(app.payments(&alice, &order).await, ["failed null", "captured 2000"]);
    app.finish().await;
}

#[tokio::test]
async fn m_10_chaos_slow() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().stock(2).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &order).await;
    app.chaos(json!({ "slow": 100, "drop": 100 })).await;
    app.refund(&olga, &order, json!({ "kind": "full" })).await.ok(200);
    // Whether the answer came in time is the dice's business, once; in the end the money went back once.
    app.run_jobs().await;
    app.chaos(json!({ "drop": 100 })).await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed refunded 2000 2000 0");
    assert_eq!(app.number("SELECT count(*) FROM gateway.refunds").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn m_10_chaos_decline() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let sam = app.default_shop().await.owner.clone();
    let shirt = app.variant().stock(9).create().await;
    let order = app.place(&alice, &[(&shirt, 2)]).await;
    let payment = app.authorize(&alice, &order, None).await;
    app.chaos(json!({ "decline": 100 })).await;
    app.send_off(&sam, &order, &[(1, 2)]).await;
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed authorized 0 0 2000");
    assert!(app.history(&alice, &order).await.contains(&"capture_failed".to_owned()));
    app.payment(&olga, &order, &payment, "void", json!({ "reason": "Try another one" })).await.ok(200);
    app.calm_down().await;
    assert!(app.history(&alice, &order).await.contains(&"void_failed".to_owned()));
    app.chaos(json!({})).await;
    app.payment(&olga, &order, &payment, "capture", json!({})).await.ok(200);
    app.calm_down().await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 2000 0 0");
    app.finish().await;
}

#[tokio::test]
async fn units_whose_refund_was_declined_can_be_refunded_again() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let sam = app.default_shop().await.owner.clone();
    let shirt = app.variant().stock(9).create().await;
    let order = app.place(&alice, &[(&shirt, 3)]).await;
    app.pay(&alice, &order).await;
    app.bring(&sam, &order, &[(1, 3)]).await;
    app.chaos(json!({ "decline": 100 })).await;
    let wish = json!({ "kind": "lines", "lines": units(&[(1, 2)]) });
    app.refund(&olga, &order, wish.clone()).await.ok(200);
    assert_eq!(app.line(&alice, &order, 1).await[6], 2);
    app.calm_down().await;
    assert!(app.history(&alice, &order).await.contains(&"refund_failed".to_owned()));
    assert_eq!(app.line(&alice, &order, 1).await[6], 0, "as if nobody had asked");
    assert_eq!(app.standing(&alice, &order).await, "completed paid 3000 0 0");
    app.chaos(json!({})).await;
    app.refund(&olga, &order, wish).await.ok(200);
    app.calm_down().await;
    assert_eq!(app.line(&alice, &order, 1).await[6], 2);
    assert_eq!(app.standing(&alice, &order).await, "completed partially_refunded 3000 2000 0");
    let view = app.order(&olga, &order).await;
    assert_eq!(text(&view, "status"), "completed");
    app.finish().await;
}
