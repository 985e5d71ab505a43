//! What the gateway needs to run.

use std::fmt;

use kernel::{Pool, SharedClock};

use crate::WebhookSecret;

/// The gateway: its database, its time, and what it shares with its one merchant.
#[derive(Clone)]
pub struct Gateway {
    /// Its own pool, on its own schema.
    pub pool: Pool,
    /// Its clock.
    pub clock: SharedClock,
    /// The key the merchant shows.
    pub api_key: String,
    /// The secret that webhooks are signed with.
    pub webhook_secret: WebhookSecret,
    /// Where customers find its pay pages: `http://127.0.0.1:8100`.
    pub public_url: String,
    /// The merchant's name, as customers read it.
    pub merchant: String,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("public_url", &self.public_url)
            .field("merchant", &self.merchant)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// The address of a payment's pay page.
    pub(crate) fn pay_url(&self, token: &str) -> String {
        format!("{}/pay/{token}", self.public_url.trim_end_matches('/'))
    }
}
