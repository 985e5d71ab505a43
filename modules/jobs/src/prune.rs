//! Removing jobs that have been done for a while. Dead ones stay.

use std::{sync::Arc, time::Duration};

use diesel::sql_types as st;
use kernel::cached_sql;

use crate::{
    JobsError,
    outage::Outage,
    shared::{Failure, Life, Shared},
    stats::add,
};

const PERIOD: Duration = Duration::from_secs(60);
const BATCH: i64 = 5000;

cached_sql! {
    Prune(retention_ms: st::BigInt = i64, limit: st::BigInt = i64) -> st::Untyped,
    "WITH picked AS MATERIALIZED ( \
         SELECT id FROM jobs.jobs WHERE state IN ('finished', 'cancelled') AND finished_at < now() - $1 * interval '1 millisecond' \
         ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     DELETE FROM jobs.jobs j USING picked WHERE j.id = picked.id"
}

/// Prunes now and then until the engine drains.
pub(crate) async fn keep_short(shared: Arc<Shared>) {
    let mut outage = Outage::new("remove old jobs");
    loop {
        let pause = match prune(&shared).await {
            Ok(pruned) => {
                outage.over();
                add(&shared.counters.pruned, pruned);
                // A full batch: there is more, but others want the disk as well.
                if i64::try_from(pruned).is_ok_and(|pruned| pruned == BATCH) {
                    Duration::from_millis(200)
                } else {
                    PERIOD
                }
            }
            Err(failure) => outage.failed(&failure),
        };
        if !shared.pause(pause, Life::Draining).await {
            return;
        }
    }
}

async fn prune(shared: &Shared) -> Result<usize, Failure> {
    shared
        .in_time(async {
            let mut conn = shared.pool.get().await?;
            let retention_ms = i64::try_from(shared.settings.retention.as_millis()).unwrap_or(i64::MAX);
            let prune = Prune { retention_ms: &retention_ms, limit: &BATCH };
            Ok::<usize, JobsError>(diesel_async::RunQueryDsl::execute(prune, &mut *conn).await?)
        })
        .await
}
