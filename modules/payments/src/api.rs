//! The route that payment gateways report to.

pub(crate) mod dto;
pub(crate) mod problem;
mod signed_body;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};

use kernel::{
    Pool, SharedClock, Text,
    metrics::{self, Counter, KeyValue},
};
use poem_openapi::{
    ApiResponse, Object, OpenApi, Tags,
    param::{Header, Path},
    payload::Json,
};

use self::{problem::PaymentWebhookProblem, signed_body::SignedBody};
use crate::{
    PaymentError, SigningSecrets,
    receive::{Verified, receive},
};

static WEBHOOKS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about =
        "Reports of payment gateways: stored, repeated (there already), or refused (the signature does not hold).";
    metrics::counter("oms_webhooks", about)
});

/// Counts a report of a gateway of ours: others are not let in.
fn count(gateway: String, outcome: &'static str) {
    WEBHOOKS.add(1, &[KeyValue::new("gateway", gateway), KeyValue::new("outcome", outcome)]);
}

/// What the operations here are about.
#[derive(Tags)]
enum PaymentTag {
    /// How customers pay: attempts, refunds, and the gateways' reports.
    Payments,
}

/// A gateway that may report to us.
#[derive(Debug, Clone)]
pub struct WebhookGateway {
    /// Its name, as in the path.
    pub name: String,
    /// The secrets it may sign with.
    pub secrets: SigningSecrets,
}

/// The webhooks of payment gateways.
#[derive(Clone)]
pub struct Api {
    pool: Pool,
    clock: SharedClock,
    gateways: Arc<BTreeMap<String, SigningSecrets>>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("gateways", &self.gateways.keys()).finish_non_exhaustive()
    }
}

impl Api {
    /// Takes the reports of these gateways.
    pub fn new(pool: Pool, clock: SharedClock, gateways: Vec<WebhookGateway>) -> Self {
        let gateways = gateways.into_iter().map(|gateway| (gateway.name, gateway.secrets)).collect();
        Self { pool, clock, gateways: Arc::new(gateways) }
    }
}

kernel::text_type! {
    /// The name of a payment gateway.
    pub struct GatewayName { min: 1, max: 32, pattern: "^[a-z][a-z0-9_-]*$", say: "small letters, digits, '_' or '-'", example: "mock" }
}
kernel::text_type! {
    /// The `webhook-id` of Standard Webhooks.
    pub struct WebhookId { min: 1, max: 128, pattern: r"^[\x21-\x7e]+$", say: "1 to 128 visible ASCII characters", example: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W" }
}
kernel::text_type! {
    /// The `webhook-timestamp` of Standard Webhooks.
    pub struct WebhookTimestamp { min: 1, max: 12, pattern: "^[0-9]+$", say: "seconds since 1970", example: "1674087231" }
}

/// The webhook is stored
#[derive(Debug, Object)]
struct WebhookReceipt {
    /// Always true: it is stored, now or before, and will be applied
    received: bool,
}

/// The webhook is stored.
#[derive(ApiResponse)]
enum WebhookResponse {
    /// The webhook is stored, now or before
    #[oai(status = 200)]
    Received(Json<WebhookReceipt>),
}

#[OpenApi(prefix_path = "/webhooks/payments", tag = "PaymentTag::Payments")]
impl Api {
    /// Take a payment gateway's report
    ///
    /// For gateways, not for shops. The request is signed as [Standard Webhooks](https://www.standardwebhooks.com) 1.0
    /// says: `webhook-signature` holds `v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`,
    /// byte for byte. A report that is sent twice under one `webhook-id` is taken once. The answer comes as soon as the
    /// report is stored; it is applied a moment later.
    #[oai(path = "/:gateway", method = "post", operation_id = "receivePaymentWebhook")]
    async fn receive_payment_webhook(
        &self,
        /// The gateway's name
        gateway: Path<GatewayName>,
        /// What makes this report this report; the same when it is sent again
        #[oai(name = "webhook-id")]
        id: Header<WebhookId>,
        /// When it was sent, in seconds since 1970; at most 300 seconds from our clock
        #[oai(name = "webhook-timestamp")]
        timestamp: Header<WebhookTimestamp>,
        /// One or more signatures, separated by blanks
        #[oai(name = "webhook-signature")]
        signature: Header<Text<1, 2048>>,
        body: SignedBody,
    ) -> Result<WebhookResponse, PaymentWebhookProblem> {
        let secrets = self.gateways.get(gateway.0.as_str()).ok_or(PaymentError::UnknownGateway)?;
        let now = self.clock.now();
        secrets.verify(id.0.as_str(), timestamp.0.as_str(), signature.0.as_str(), &body.0, now).map_err(|error| {
            count(gateway.0.as_str().to_owned(), "refused");
            PaymentError::InvalidSignature(error)
        })?;
        let webhook =
            Arc::new(Verified { gateway: gateway.0.into_string(), webhook_id: id.0.into_string(), body: body.0 });
        let pool = self.pool.clone();
        let new = kernel::run(move || {
            let (pool, webhook) = (pool.clone(), Arc::clone(&webhook));
            async move {
                let mut conn = pool.get().await?;
                let new = receive(&mut conn, &webhook, now).await?;
                let (gateway, outcome) = (webhook.gateway.clone(), if new { "stored" } else { "repeated" });
                metrics::on_commit(move || count(gateway, outcome));
                Ok::<bool, PaymentError>(new)
            }
        })
        .await?;
        tracing::debug!(new, "payment webhook stored");
        Ok(WebhookResponse::Received(Json(WebhookReceipt { received: true })))
    }
}
