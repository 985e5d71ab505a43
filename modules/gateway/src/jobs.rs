//! The gateway's own jobs: sending reports until they are taken, and closing payments whose time is over.

use std::{sync::Arc, time::Duration};

use kernel::{Job, Outcome, Queue, job::Registry, request};
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};
use serde::{Deserialize, Serialize};

use crate::{
    Gateway, WebhookSecret,
    chaos::ChaosMode,
    decide::decide,
    error::GatewayError,
    payment::{Decision, DeliveryId},
    store::{self, Delivery},
};

const TIMEOUT: Duration = Duration::from_secs(10);
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const SWEEP_BATCH: i64 = 200;
/// How often a delayed report is put off: for some three seconds altogether.
const DELAYED_ATTEMPTS: i16 = 2;
/// How often a report that a later one is to overtake is put off when none comes: for some six seconds altogether.
const OVERTAKEN_ATTEMPTS: i16 = 3;

/// Sends a report to the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverWebhook {
    pub(crate) delivery_id: DeliveryId,
}

impl Job for DeliverWebhook {
    const KIND: &'static str = "gateway.deliver_webhook";
    const QUEUE: Queue = Queue::Gateway;
    /// Four days of trying.
    const MAX_ATTEMPTS: i16 = 11_520;
    const LONGEST_PAUSE: Duration = Duration::from_secs(30);
}

/// Closes payments whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpirePayments {}

impl Job for ExpirePayments {
    const KIND: &'static str = "gateway.expire_payments";
    const QUEUE: Queue = Queue::Gateway;
}

/// Registers the gateway's jobs.
///
/// # Errors
/// When no HTTP client can be built.
pub fn register(registry: Registry, gateway: &Gateway) -> Result<Registry, reqwest::Error> {
    let client = Client::builder()
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        // The environment is read in one place of the program, and it is not here.
        .no_proxy()
        .user_agent("oms-gateway")
        .build()?;
    let (sender, sweeper) = (Arc::new(gateway.clone()), Arc::new(gateway.clone()));
    Ok(registry
        .on::<DeliverWebhook, _, _>(move |job, context| {
            let (gateway, client) = (Arc::clone(&sender), client.clone());
            async move { deliver(&gateway, &client, job.delivery_id, context.attempt).await.unwrap_or_else(retry) }
        })
        .on::<ExpirePayments, _, _>(move |_job, _context| {
            let gateway = Arc::clone(&sweeper);
            async move { Outcome::from(expire(&gateway).await) }
        })
        .every(SWEEP_EVERY, &ExpirePayments {}))
}

fn retry(error: GatewayError) -> Outcome {
    Outcome::from(Err(error))
}

/// Sends one report. No transaction is open while it travels.
async fn deliver(gateway: &Gateway, client: &Client, id: DeliveryId, attempt: i16) -> Result<Outcome, GatewayError> {
    let delivery = {
        let mut conn = gateway.pool.get().await?;
        store::find_delivery(&mut conn, id).await?
    };
    let Some(delivery) = delivery else { return Ok(Outcome::GiveUp(format!("there is no delivery {id}"))) };
    if delivery.delivered_at.is_some() {
        return Ok(Outcome::Done);
    }
    if is_held_back(gateway, &delivery, id, attempt).await? {
        return Ok(Outcome::Retry("held back, on purpose".to_owned()));
    }
    forge(gateway, client, &delivery).await;
    let now = gateway.clock.now().timestamp();
    let sent = send(client, &delivery, now, &gateway.webhook_secret).await.map(|()| gateway.clock.now());
    if sent.is_ok() && delivery.chaos.contains(&ChaosMode::Duplicate) {
        for _ in 0..rand::random_range(1..=2) {
            // It was taken; what becomes of a copy is nobody's concern.
            drop(send(client, &delivery, now, &gateway.webhook_secret).await);
        }
    }
    let mut conn = gateway.pool.get().await?;
    store::note_sending(&mut conn, id, &sent).await?;
    match sent {
        Ok(_at) => Ok(Outcome::Done),
        Err(why) => {
            tracing::info!(delivery.id = %id, reason = why, "webhook not taken; it will be sent again");
            Ok(Outcome::Retry(why))
        }
    }
}

/// Whether the report is made to wait: for some seconds, or for a later one to go first.
async fn is_held_back(
    gateway: &Gateway,
    delivery: &Delivery,
    id: DeliveryId,
    attempt: i16,
) -> Result<bool, GatewayError> {
    if delivery.chaos.contains(&ChaosMode::Delay) && attempt <= DELAYED_ATTEMPTS {
        return Ok(true);
    }
    if delivery.chaos.contains(&ChaosMode::Reorder) && attempt <= OVERTAKEN_ATTEMPTS {
        let mut conn = gateway.pool.get().await?;
        return Ok(!store::is_overtaken(&mut conn, delivery.payment_id, id).await?);
    }
    Ok(false)
}

/// Sends what must have no effect: the report as a stranger would sign it, and as it was ten minutes ago.
async fn forge(gateway: &Gateway, client: &Client, delivery: &Delivery) {
    let now = gateway.clock.now().timestamp();
    let mut forgeries = Vec::new();
    if delivery.chaos.contains(&ChaosMode::BadSignature) {
        forgeries.push(("signed by a stranger", now, WebhookSecret::random()));
    }
    if delivery.chaos.contains(&ChaosMode::StaleTimestamp) {
        forgeries.push(("ten minutes old", now - 600, gateway.webhook_secret.clone()));
    }
    for (what, timestamp, secret) in forgeries {
        if send(client, delivery, timestamp, &secret).await.is_ok() {
            tracing::error!(delivery.message_id, what, "the merchant took a webhook that it must refuse");
        }
    }
}

async fn send(client: &Client, delivery: &Delivery, timestamp: i64, secret: &WebhookSecret) -> Result<(), String> {
    let mut request = client
        .post(&delivery.webhook_url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &delivery.message_id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", secret.sign(&delivery.message_id, timestamp, &delivery.body))
        .body(delivery.body.clone());
    if let Some(id) = request::id() {
        request = request.header("x-request-id", id);
    }
    if let Some(parent) = request::current().traceparent {
        request = request.header("traceparent", parent);
    }
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("the merchant answered {}", answer.status())),
        // The address may hold what is nobody's business.
        Err(error) => Err(reason(&error.without_url())),
    }
}

fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Closes every payment whose time is over, each in a transaction of its own.
async fn expire(gateway: &Gateway) -> Result<(), GatewayError> {
    let mut conn = gateway.pool.get().await?;
    loop {
        let now = gateway.clock.now();
        let overdue = store::overdue(&mut conn, now, SWEEP_BATCH).await?;
        for id in &overdue {
            decide(&mut conn, *id, Decision::Expire, now).await?;
        }
        if overdue.is_empty() {
            return Ok(());
        }
    }
}
