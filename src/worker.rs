//! The job workers of this process, from start to graceful stop.

use std::time::Duration;

use ::jobs::{JobsError, Settings};
use kernel::Queue;

use crate::{
    http::shutdown::Shutdown,
    jobs,
    metrics::{self, Health},
    wiring::Wiring,
};

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

/// The usual settings with this lease. A process may miss some heartbeats before it counts as silent.
pub(crate) fn with_lease(lease: Duration) -> Settings {
    let usual = Settings::default();
    Settings { lease, heartbeat: usual.heartbeat.min(lease / 6), ..usual }
}

/// Works the queues until `shutdown`, and has `health` know; then lets running jobs end, for 20 seconds at most, and gives back the others.
///
/// # Errors
/// When the engine cannot be started. A database that is away is no reason: workers wait for it.
pub async fn run(wiring: &Wiring, health: &Health, mut shutdown: Shutdown) -> Result<(), JobsError> {
    let config = &wiring.config;
    let registry = jobs::registry(wiring);
    let settings = Settings {
        observer: Some(metrics::observer(&registry)),
        queues: vec![(Queue::Urgent, config.workers_urgent), (Queue::Bulk, config.workers_bulk)],
        hostname: hostname(),
        ..with_lease(config.job_lease)
    };
    let (url, pool) = (config.database_url.expose(), wiring.machinery_pool.clone());
    let engine = ::jobs::start(url, pool, registry, settings).await?;
    metrics::watch_workers(health, &engine.watch());
    shutdown.started().await;
    engine.stop().await;
    Ok(())
}

/// Tells the workers of other processes about jobs that this one enqueues, until `shutdown`.
pub async fn only_tell_others(wiring: &Wiring, mut shutdown: Shutdown) {
    let notifier = ::jobs::notify_only(wiring.config.database_url.expose());
    shutdown.stopping().await;
    drop(notifier);
}
