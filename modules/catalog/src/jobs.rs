//! What the catalog does in the background.

use std::time::Duration;

use kernel::{
    Job, Outcome, Queue,
    job::{JobContext, Registry},
};
use serde::{Deserialize, Serialize};

use crate::{Catalog, CatalogError, media};

/// Removes stored pictures that nothing shows any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct SweepMedia {}

impl Job for SweepMedia {
    const KIND: &'static str = "catalog.sweep_media";
    const QUEUE: Queue = Queue::Bulk;
}

async fn sweep_media(deps: Catalog) -> Result<(), CatalogError> {
    let mut conn = deps.pool.get().await?;
    let removed = media::sweep(&mut conn, &deps.media, deps.clock.now()).await?;
    if removed > 0 {
        tracing::info!(removed, "stored pictures that nothing shows were removed");
    }
    Ok(())
}

/// Registers the catalog's jobs.
pub fn register(registry: Registry, deps: &Catalog) -> Registry {
    let deps = deps.clone();
    registry
        .on(move |SweepMedia {}, _context: JobContext| {
            let deps = deps.clone();
            async move { Outcome::from(sweep_media(deps).await) }
        })
        .every(Duration::from_secs(6 * 3600), &SweepMedia {})
}
