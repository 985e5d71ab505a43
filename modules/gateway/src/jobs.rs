//! The gateway's own jobs: sending reports until they are taken, and closing payments whose time is over.

use std::{sync::Arc, time::Duration};

use kernel::{Job, Outcome, Queue, job::Registry, request};
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};
use serde::{Deserialize, Serialize};

use crate::{
    Gateway,
    decide::decide,
    error::GatewayError,
    payment::{Decision, DeliveryId},
    store::{self, Delivery},
};

const TIMEOUT: Duration = Duration::from_secs(10);
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const SWEEP_BATCH: i64 = 200;

/// Sends a report to the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverWebhook {
    pub(crate) delivery_id: DeliveryId,
}

impl Job for DeliverWebhook {
    const KIND: &'static str = "gateway.deliver_webhook";
    const QUEUE: Queue = Queue::Gateway;
    const MAX_ATTEMPTS: i16 = 100;
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
        .on::<DeliverWebhook, _, _>(move |job, _context| {
            let (gateway, client) = (Arc::clone(&sender), client.clone());
            async move { deliver(&gateway, &client, job.delivery_id).await.unwrap_or_else(retry) }
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
async fn deliver(gateway: &Gateway, client: &Client, id: DeliveryId) -> Result<Outcome, GatewayError> {
    let delivery = {
        let mut conn = gateway.pool.get().await?;
        store::find_delivery(&mut conn, id).await?
    };
    let Some(delivery) = delivery else { return Ok(Outcome::GiveUp(format!("there is no delivery {id}"))) };
    if delivery.delivered_at.is_some() {
        return Ok(Outcome::Done);
    }
    let sent = send(gateway, client, &delivery).await.map(|()| gateway.clock.now());
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

async fn send(gateway: &Gateway, client: &Client, delivery: &Delivery) -> Result<(), String> {
    let timestamp = gateway.clock.now().timestamp();
    let mut request = client
        .post(&delivery.webhook_url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &delivery.message_id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", gateway.webhook_secret.sign(&delivery.message_id, timestamp, &delivery.body))
        .body(delivery.body.clone());
    if let Some(id) = request::id() {
        request = request.header("x-request-id", id);
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
