//! The job workers of this process, from start to graceful stop.

use crate::{http::shutdown::Shutdown, jobs, wiring::Wiring};

/// Works the queues until `shutdown`.
pub async fn run(wiring: &Wiring, mut shutdown: Shutdown) {
    let registry = jobs::registry(wiring);
    tracing::info!(kinds = registry.kinds().len(), "workers started");
    shutdown.started().await;
    tracing::info!("workers stopped");
}
