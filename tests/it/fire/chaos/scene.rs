//! Where it happens: every part is a process of its own, and may be killed and frozen.

use std::{net::SocketAddr, time::Duration};

use chrono::{DateTime, Utc};
use kernel::{Clock, SystemClock};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{
    client::Client,
    cluster::Cluster,
    processes::{GATEWAY_KEY, Process, Site},
    redis::Redis,
};

/// The processes. The nemesis has them; everybody else knows addresses only.
pub struct Scene {
    pub database: Cluster,
    pub redis: Redis,
    pub servers: [Process; 2],
    pub workers: [Process; 2],
    pub gateway: Process,
    pub mail: Process,
    /// Since when the mail sink remembers.
    pub mail_since: DateTime<Utc>,
    pub site: Site,
}

/// How long a lease is: shorter than the longest freeze, so that a frozen worker loses its jobs and comes back to find them gone.
const LEASE_SECONDS: &str = "8";
/// Orders that are not paid expire while the run lasts.
const EXPIRY_SECONDS: &str = "25";

impl Scene {
    /// Everything up.
    pub async fn new() -> Self {
        // As in production: whatever is acknowledged is on the disk.
        let database = Cluster::with(true, &[("max_connections", "200"), ("shared_buffers", "256MB")]).await;
        let redis = Redis::start().await;
        let site = Site::new(&database.url())
            .await
            .set("REDIS_URL", &redis.url())
            .set("OMS_JOB_LEASE_SECONDS", LEASE_SECONDS)
            .set("OMS_ORDER_EXPIRY_SECONDS", EXPIRY_SECONDS)
            .set("OMS_EXPIRY_SWEEP_SECONDS", "2")
            .set("OMS_RECONCILE_SECONDS", "5");
        let mail = site.mailcatcher(1_000_000).await;
        let gateway = site.gateway().await;
        let servers = [site.serve_only().await, site.another().await];
        let workers = [site.named_worker("worker-1").await, site.named_worker("worker-2").await];
        let mail_since = SystemClock.now();
        Self { database, redis, servers, workers, gateway, mail, mail_since, site }
    }

    /// Where the API is.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        [self.servers[0].address(), self.servers[1].address()]
    }

    /// The gateway misbehaves from now on in that way, and in no other.
    pub async fn misbehaves(&self, modes: &Value) {
        let authorization = format!("Bearer {GATEWAY_KEY}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let mut client = Client::new(&[self.site.gateway], 0);
        loop {
            // It is told until it has heard: its database may still be recovering.
            match client.send("PUT", "/api/chaos", &headers, &modes.to_string()).await {
                Ok(answer) if answer.status == 200 => return,
                Ok(answer) if answer.status < 500 => panic!("{}: {}", answer.status, answer.text()),
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
    }
}
