//! W-03 and W-05: webhooks that come again and again to whichever server, and more of them than anybody pays.

use std::time::Duration;

use kernel::{Clock, Currency, Money, OrderId, PgConn, SystemClock};
use payments::CaptureMethod;
use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep_until;

use crate::{
    journeys::{
        arrange::{Buyer, assert_sound, buyers, count, order, shelf, until, words},
        power_cuts::approve,
    },
    support::{
        client::Client,
        load::{Dice, spread},
        processes::Site,
    },
};

const SEED: u64 = 20_261_122;

/// Sends a webhook as the gateway would; the status of the answer.
async fn report(site: &Site, client: &mut Client, id: &str, body: &str) -> u16 {
    let headers = site.signed(id, body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.send("POST", "/v1/webhooks/payments/mock", &headers, body).await.unwrap().status
}

#[tokio::test]
#[ignore = "fire: half a minute"]
async fn w_03_every_event_three_times_shuffled_over_two_servers_has_one_effect() {
    const ORDERS: usize = 100;
    let database = TestDatabase::new().await;
    // Nobody but these webhooks tells of the money.
    let site = Site::new(database.url()).await.set("OMS_RECONCILE_SECONDS", "3600");
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, ORDERS).await;
    let variants = shelf(&mut conn, &[1_000; 2]).await;
    let _gateway = site.gateway().await;
    site.chaos(r#"{"drop": 100}"#).await;
    let (server, other) = (site.serve().await, site.another().await);
    let servers = [server.address(), other.address()];
    let ids = spread(buyers.iter().collect(), 8, &servers, async |client, buyer: &Buyer| {
        let placed = buyer.place(client, "order", &order(&[(variants[0], 1), (variants[1], 1)])).await;
        assert_eq!(placed.status, 201, "{}", placed.text());
        let id = placed.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/orders/{id}/payments");
        let payment = buyer.post(client, &path, "payment", r#"{"gateway":"mock"}"#).await.unwrap();
        assert_eq!(payment.status, 201, "{}", payment.text());
        let url = payment.json()["pay_url"].as_str().unwrap().to_owned();
        let page = url.strip_prefix(&format!("http://{}", site.gateway)).unwrap();
        approve(&mut Client::new(&[site.gateway], 0), page).await;
        (buyer.token.clone(), id)
    })
    .await;
    assert_eq!(count(&mut conn, "payments.inbox").await, 0);
    let mut dice = Dice::new(SEED);
    let mut sent = send_thrice(&site, &mut conn, &mut dice, &servers, "payment.captured").await;
    until(&mut conn, "orders.orders WHERE status = 'confirmed' AND payment_status = 'paid'", 100).await;

    // Their money goes back; then those reports come as well, after the answers.
    spread(ids, 8, &servers, async |client, (token, id): (String, String)| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "cancel"),
        ];
        let path = format!("/v1/orders/{id}/cancel");
        let answer = client.send("POST", &path, &headers, r#"{"reason":"Changed my mind"}"#).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    })
    .await;
    until(&mut conn, "gateway.deliveries WHERE kind = 'refund.succeeded'", 100).await;
    sent += send_thrice(&site, &mut conn, &mut dice, &servers, "refund.succeeded").await;
    until(&mut conn, "payments.inbox WHERE processed_at IS NULL", 0).await;
    until(&mut conn, "orders.orders WHERE payment_status = 'refunded'", 100).await;

    assert_eq!(count(&mut conn, "payments.inbox").await, 200);
    for kind in ["capture", "refund"] {
        assert_eq!(count(&mut conn, &format!("payments.transactions WHERE kind = '{kind}'")).await, 100, "{kind}");
    }
    for kind in ["payment_captured", "confirmed", "cancelled", "refunded"] {
        assert_eq!(count(&mut conn, &format!("orders.events WHERE kind = '{kind}'")).await, 100, "{kind}");
    }
    println!("W-03: {sent} deliveries of 200 events over 2 servers, 200 effects");
    assert_sound(&database, &[&site.book()]).await;
}

/// Sends every report of a kind three times, in an order that chance has made.
async fn send_thrice(
    site: &Site,
    conn: &mut PgConn,
    dice: &mut Dice,
    servers: &[std::net::SocketAddr],
    kind: &str,
) -> usize {
    let sql = format!("SELECT message_id || ' ' || body AS word FROM gateway.deliveries WHERE kind = '{kind}'");
    let reports = words(conn, &sql).await;
    let mut copies: Vec<String> = reports.iter().flat_map(|report| [report; 3]).cloned().collect();
    dice.shuffle(&mut copies);
    let statuses = spread(copies, 16, servers, async |client, copy: String| {
        let (id, body) = copy.split_once(' ').unwrap();
        report(site, client, id, body).await
    })
    .await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    statuses.len()
}

#[tokio::test]
#[ignore = "fire: 20 s"]
async fn w_05_two_hundred_webhooks_a_second_are_answered_at_once() {
    const RATE: u32 = 200;
    const SECONDS: u32 = 10;
    let database = TestDatabase::new().await;
    // Settling goes on at the same time, in a process of its own; it may lag, the answers may not.
    let site = Site::new(database.url()).await.set("OMS_WORKERS_URGENT", "1");
    let mut conn = database.connect().await;
    let server = site.serve_only().await;
    let _worker = site.worker().await;
    let now = SystemClock.now();
    let mut reports = Vec::new();
    for number in 0..RATE * SECONDS {
        let amount = Money::new(1_000, Currency::USD);
        let method = CaptureMethod::Automatic;
        let attempt = payments::start(&mut conn, OrderId::new(), "mock", amount, method, now).await.unwrap();
        let body = json!({ "type": "payment.captured", "timestamp": now, "data": { "payment_id": format!("pay-{number}"),
            "reference": attempt.id, "amount": 1_000, "currency": "USD", "status": "captured" } });
        reports.push((number, body.to_string()));
    }
    let began = tokio::time::Instant::now() + Duration::from_millis(100);
    let mut times = spread(reports, 32, &[server.address()], async |client, (number, body): (u32, String)| {
        // Each has its moment, whatever became of the others; who comes late has waited since then.
        let due = began + Duration::from_secs(1) * number / RATE;
        sleep_until(due).await;
        assert_eq!(report(&site, client, &format!("msg-{number}"), &body).await, 200);
        due.elapsed()
    })
    .await;
    let took = began.elapsed();
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("W-05: {} webhooks in {:.1} s, p50 {p50:?}, p99 {p99:?}", times.len(), took.as_secs_f64());
    until(&mut conn, "payments.attempts WHERE state = 'captured'", i64::from(RATE * SECONDS)).await;
    println!("W-05: all settled {:.1} s later", (began.elapsed() - took).as_secs_f64());
    assert!(p99 < Duration::from_millis(200), "p99 {p99:?}");
}
