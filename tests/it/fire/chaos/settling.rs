//! Liveness: when everything is whole again, everything comes to an end by itself, and soon.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    clients::{Client, Write},
    scene::Scene,
    shop::Shop,
};
use crate::{
    journeys::arrange::{order, words},
    support::client,
};

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is still on its way, each with how much of it: queries that answer words.
const OPEN: &[(&str, &str)] = &[
    (
        "jobs",
        "SELECT kind || ' ' || state || ' ' || coalesce(errors -> -1 ->> 'error', '') AS word FROM jobs.jobs \
         WHERE state IN ('new', 'retried', 'in_progress') AND kind NOT IN (SELECT kind FROM jobs.schedules)",
    ),
    ("dead jobs", "SELECT kind || ' ' || errors::text AS word FROM jobs.jobs WHERE state = 'failed'"),
    ("webhooks", "SELECT webhook_id AS word FROM payments.inbox WHERE processed_at IS NULL"),
    (
        "reports of the gateway",
        "SELECT message_id AS word FROM gateway.deliveries WHERE delivered_at IS NULL AND NOT 'drop' = ANY(chaos)",
    ),
    (
        "payments",
        "SELECT a.id || ' ' || a.state || ', the gateway says ' || coalesce(g.status, 'nothing') AS word FROM payments.attempts a \
         LEFT JOIN gateway.payments g ON g.reference = a.id::text \
         WHERE a.state IN ('created', 'unknown') OR (a.state = 'pending' AND g.status IS DISTINCT FROM 'pending')",
    ),
    (
        "captures and voids",
        "SELECT id || ' ' || state AS word FROM payments.attempts WHERE state = 'authorized' AND (capturing_minor > 0 OR voiding)",
    ),
    ("refunds", "SELECT id || ' ' || state AS word FROM payments.refunds WHERE state IN ('pending', 'unknown')"),
    (
        "orders that should have expired",
        // One that is paid for and held waits to be released.
        "SELECT number AS word FROM orders.orders WHERE status = 'pending' AND expires_at < now() - interval '10 seconds' \
         AND (hold_reason IS NULL OR captured_minor + authorized_minor + capturing_minor - refunded_minor - refunding_minor < total_minor)",
    ),
];

/// Waits until nothing is open any more, both servers are ready, and a fresh order goes through. Nothing: it took too long,
/// which is a violation.
pub async fn settles<'a>(shop: &'a Shop<'a>, scene: &Scene, client: &mut Client<'a>) -> Option<Duration> {
    let (began, mut conn) = (Instant::now(), scene.database.connect().await);
    if shop.history.is_broken() {
        return None;
    }
    loop {
        let mut open = vec![];
        for (what, select) in OPEN {
            let found = words(&mut conn, select).await;
            if !found.is_empty() {
                open.push(format!("{} {what}, such as {:?}", found.len(), found.iter().take(3).collect::<Vec<_>>()));
            }
        }
        for server in shop.servers {
            let ready = client::Client::new(&[server], 0).send("GET", "/readyz", &[], "").await;
            if !ready.as_ref().is_ok_and(|answer| answer.status == 200) {
                open.push(format!("{server} is not ready"));
            }
        }
        if open.is_empty() {
            break;
        }
        if began.elapsed() > PATIENCE {
            shop.history.violated(format!("not settled after {} s: {}", PATIENCE.as_secs(), open.join("; ")));
            return None;
        }
        sleep(Duration::from_millis(250)).await;
    }
    let took = began.elapsed();
    fresh_order(shop, client).await;
    Some(took)
}

/// From placing to delivered.
async fn fresh_order<'a>(shop: &'a Shop<'a>, client: &mut Client<'a>) {
    let (buyer, staff) = (&shop.buyers[0], &shop.operator);
    let body: Value = serde_json::from_str(&order(&[(shop.cold[0], 1)])).unwrap();
    let placed = done(client, Write::post("place", buyer, "/v1/orders".to_owned(), &body).making("/id")).await;
    let base = format!("/v1/orders/{}", placed["id"].as_str().unwrap_or_default());
    let paid = json!({ "amount": placed["total"], "method": "bank_transfer" });
    done(client, Write::post("record", staff, format!("{base}/payments/offline"), &paid)).await;
    let goods = json!({ "lines": [{ "position": 1, "quantity": 1 }] });
    let packed =
        done(client, Write::post("pack", staff, format!("{base}/shipments"), &goods).making("/shipment/id")).await;
    let parcel = format!("/v1/shipments/{}", packed["shipment"]["id"].as_str().unwrap_or_default());
    done(client, Write::post("ship", staff, format!("{parcel}/ship"), &json!({}))).await;
    let arrived = done(client, Write::post("deliver", staff, format!("{parcel}/deliver"), &Value::Null)).await;
    if arrived["order"]["status"] != "completed" {
        shop.history.violated(format!("a fresh order does not go through: {arrived}"));
    }
}

async fn done<'a>(client: &mut Client<'a>, write: Write<'a>) -> Value {
    match client.insists(&write).await {
        Some((_, answer)) if answer.status < 400 => answer.json(),
        Some((key, answer)) => {
            client.shop.history.violated(format!("{key} of a fresh order is refused: {}", answer.text()));
            Value::Null
        }
        None => Value::Null,
    }
}
