//! Giving back the jobs of processes that have gone silent.

use std::{sync::Arc, time::Duration};

use diesel::sql_types as st;
use kernel::cached_sql;
use uuid::Uuid;

use crate::{
    JobsError,
    outage::Outage,
    shared::{Failure, LeaseToken, Life, Shared},
    sql::with_error,
    stats::add,
};

cached_sql! {
    // The tokens are collected before any job is locked: a job that was given back and claimed again meanwhile has a token
    // that is not among them, and stays where it is. A worker whose row is locked is writing its heartbeat; and whoever
    // sends this is alive. A job whose row is locked is in a transaction of its worker, and a claim under way is not to be
    // seen yet: for their sake the worker's row stays for another lease, and for as long as it has jobs. Only a program that does not
    // know of this goes on beating when it is lost, and learns of it by losing its row.
    Reap(own: st::Uuid = Uuid) -> (st::BigInt, st::Text, st::Text),
    concat!(
        "WITH gone AS ( \
             DELETE FROM jobs.workers WHERE token IN ( \
                 SELECT token FROM jobs.workers w WHERE heartbeat_at > lost_at \
                     OR lost_at < now() - lease_ms * interval '1 millisecond' \
                         AND NOT EXISTS (SELECT 1 FROM jobs.jobs j WHERE j.state = 'in_progress' AND j.lease_token = w.token) \
                 FOR UPDATE SKIP LOCKED)), \
         lost AS ( \
             UPDATE jobs.workers SET lost_at = now() WHERE token IN ( \
                 SELECT token FROM jobs.workers WHERE token <> $1 AND lost_at IS NULL \
                     AND heartbeat_at < now() - lease_ms * interval '1 millisecond' FOR UPDATE SKIP LOCKED) \
             RETURNING token), \
         orphaned AS MATERIALIZED ( \
             SELECT token FROM lost UNION \
             SELECT lease_token FROM jobs.jobs o WHERE o.state = 'in_progress' \
                 AND NOT EXISTS (SELECT 1 FROM jobs.workers w WHERE w.token = o.lease_token AND w.lost_at IS NULL)), \
         picked AS MATERIALIZED ( \
             SELECT p.id FROM jobs.jobs p WHERE p.state = 'in_progress' AND p.lease_token IN (SELECT token FROM orphaned) \
             ORDER BY p.id LIMIT 1000 FOR UPDATE OF p SKIP LOCKED) \
         UPDATE jobs.jobs j SET lease_token = NULL, \
             state = CASE WHEN j.attempt >= j.max_attempts THEN 'failed' ELSE 'retried' END, \
             finished_at = CASE WHEN j.attempt >= j.max_attempts THEN now() END, \
             scheduled_at = now() + least(power(2, least(j.attempt - 1, 12)) - 1, 3600) * interval '1 second', \
             errors = ",
        with_error!("'the worker was lost: ' || coalesce(j.attempted_by, 'unknown')"),
        " FROM picked WHERE j.id = picked.id RETURNING j.id, j.kind, j.state"
    )
}

/// Looks for silent processes until the engine drains.
///
/// Silence is trusted only after this process itself has been heard by the database for a whole lease: when the database
/// comes back, everybody has been silent, and nobody has died.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut outage = Outage::new("look for lost workers");
    let mut pause = shared.settings.lease / 3;
    while shared.pause(pause, Life::Draining).await {
        pause = shared.settings.lease / 3;
        let lease = *shared.lease.borrow();
        let Some(lease) = lease.filter(|lease| lease.heard_since.elapsed() >= shared.settings.lease) else {
            continue;
        };
        match reap(&shared, lease.token).await {
            Ok(reaped) => {
                outage.over();
                if reaped > 0 {
                    // There may be more than one statement takes.
                    pause = Duration::from_millis(10);
                }
            }
            Err(failure) => pause = outage.failed(&failure),
        }
    }
}

async fn reap(shared: &Shared, own: LeaseToken) -> Result<usize, Failure> {
    let reaped: Vec<(i64, String, String)> = shared
        .in_time(async {
            let mut conn = shared.pool.get().await?;
            Ok::<_, JobsError>(diesel_async::RunQueryDsl::load(Reap { own: &own.as_uuid() }, &mut *conn).await?)
        })
        .await?;
    if reaped.is_empty() {
        return Ok(0);
    }
    add(&shared.counters.reaped, reaped.len());
    tracing::warn!(jobs = reaped.len(), "gave back the jobs of workers that have gone silent");
    for (id, kind, state) in &reaped {
        if state == "failed" {
            add(&shared.counters.failed, 1);
            tracing::error!(
                job.id = id,
                job.kind = kind,
                "job is dead: it lost its worker too often; see `oms jobs show`"
            );
        }
    }
    shared.wake();
    kernel::job::announce();
    Ok(reaped.len())
}
