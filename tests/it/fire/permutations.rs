//! The reports of an order's life in every order in which they can arrive.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use kernel::{Currency, Money};
use payments::{CaptureId, CaptureMethod, CreateCapture};
use serde_json::{Value, json};

use crate::support::{
    app::{Person, TestApp},
    shop::text,
};

/// Every order of `0..n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    permutations(n - 1)
        .into_iter()
        .flat_map(|shorter| {
            (0..n).map(move |place| {
                let mut longer = shorter.clone();
                longer.insert(place, n - 1);
                longer
            })
        })
        .collect()
}

impl TestApp {
    /// An order over 20.00 with three payments: one declined, one held and taken, and one of 7.00 that is too much. Nobody
    /// has told us. Answers the order and its payments.
    async fn three_payments(&self, alice: &Person, variant: &str) -> (String, [String; 3]) {
        let order = self.place(alice, &[(variant, 2)]).await;
        let declined = self.other_payment(&order, 500).await;
        self.press(&declined, "decline").await;
        let gateway = self.wiring.gateways.get("mock").unwrap();
        let held = {
            let mut conn = self.database.connect().await;
            let (id, amount) = (order.parse().unwrap(), Money::new(2_000, Currency::USD));
            let attempt =
                payments::start(&mut conn, id, "mock", amount, CaptureMethod::Manual, self.now()).await.unwrap();
            let webhook = format!("{}/v1/webhooks/payments/mock", self.url);
            let opened = payments::open_at_gateway(gateway.as_ref(), &attempt, "Order", &webhook, None).await.unwrap();
            payments::opened(&mut conn, attempt.id, &opened, self.now()).await.unwrap()
        };
        self.press(&json!({ "pay_url": held.pay_url }), "approve").await;
        let payment_reference = held.reference.clone().unwrap();
        let capture = CreateCapture { capture_id: CaptureId::new(), payment_reference, amount: held.amount };
        gateway.capture(&capture).await.unwrap();
        let excess = self.other_payment(&order, 700).await;
        self.press(&excess, "approve").await;
        (order, [text(&declined, "id"), held.id.to_string(), text(&excess, "id")])
    }
}

#[tokio::test]
#[ignore = "fire: half a minute"]
async fn w_04_a_hundred_and_twenty_orders_of_arrival_end_in_one_state() {
    let app = TestApp::new().await;
    app.chaos(json!({ "drop": 100 })).await;
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(240).create().await;
    let all = permutations(5);
    assert_eq!(all.len(), 120);
    let orders: Vec<_> =
        stream::iter(&all).map(|_| app.three_payments(&alice, &shirt)).buffer_unordered(4).collect().await;
    let mut told: BTreeMap<(String, String), String> = BTreeMap::new();
    for (_, body) in app.reports().await {
        let report: Value = serde_json::from_str(&body).unwrap();
        told.insert((text(&report["data"], "reference"), text(&report, "type")), body);
    }
    let report = |payment: &String, kind: &str| told[&(payment.clone(), kind.to_owned())].clone();
    for step in 0..5 {
        for (number, ((_, [declined, held, excess]), turns)) in orders.iter().zip(&all).enumerate() {
            let life = [
                report(declined, "payment.failed"),
                report(held, "payment.authorized"),
                report(held, "payment.captured"),
                report(excess, "payment.captured"),
                // The gateway contradicts itself, as gateways do.
                report(excess, "payment.captured")
                    .replace("payment.captured", "payment.failed")
                    .replace("\"captured\"", "\"expired\""),
            ];
            app.webhook(&format!("msg-{number}-{step}"), &life[turns[step]]).await.ok(200);
        }
        app.run_jobs().await;
    }
    app.calm_down().await;
    for (order, _) in &orders {
        assert_eq!(app.standing(&alice, order).await, "confirmed partially_refunded 2700 700 0", "{order}");
    }
    let ends = app
        .words(
            "SELECT DISTINCT string_agg(state || ' ' || captured_minor || ' ' || refunded_minor || ' ' || refunding_minor, ', ' ORDER BY id) \
             AS word FROM payments.attempts GROUP BY order_id",
        )
        .await;
    assert_eq!(ends, ["failed 0 0 0, captured 2000 0 0, captured 700 700 0"]);
    assert_eq!(app.available(&shirt).await, 0);
    assert_eq!(app.number("SELECT count(*) FROM payments.transactions WHERE kind = 'capture'").await, 240);
    assert_eq!(app.number("SELECT count(*) FROM payments.transactions WHERE kind = 'refund'").await, 120);
    println!("W-04: {} orders of arrival, {} end state", all.len(), ends.len());
    app.finish().await;
}
