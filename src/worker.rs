//! The job workers of this process, from start to graceful stop.

use jobs::{JobsError, Settings};
use kernel::Queue;

use crate::{http::shutdown::Shutdown, wiring::Wiring};

/// Works the queues of `oms` until `shutdown`.
///
/// # Errors
/// When the settings do not hold.
pub async fn run(wiring: &Wiring, mut shutdown: Shutdown) -> Result<(), JobsError> {
    let queues = vec![(Queue::Urgent, wiring.config.workers_urgent), (Queue::Bulk, wiring.config.workers_bulk)];
    let registry = crate::jobs::registry(wiring);
    let kinds = registry.kinds().len();
    let settings = Settings { queues, ..Settings::default() };
    let url = wiring.config.database_url.expose();
    let engine = jobs::start(url, wiring.machinery_pool.clone(), registry, settings).await?;
    tracing::info!(kinds, "workers started");
    shutdown.started().await;
    engine.stop().await;
    tracing::info!("workers stopped");
    Ok(())
}
