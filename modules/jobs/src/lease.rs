//! The heartbeat: a thread and a connection of its own, so that a busy runtime or an exhausted pool cannot cost us the
//! lease.
//!
//! A row in `jobs.workers` is the lease. Whoever finds it silent for too long declares it lost, and the jobs with it change
//! hands; we learn of it at the next beat, break off what runs under the old token, and register anew.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use diesel::sql_types as st;
use diesel_async::RunQueryDsl;
use kernel::{
    PgConn, cached_sql,
    db::{self, PoolSettings},
};
use uuid::Uuid;

use crate::{
    JobsError,
    outage::Outage,
    shared::{Lease, LeaseToken, Life, Shared},
    supervise::keep_going,
};

/// How long a process that stops waits to be signed off; the others would notice by themselves.
const FAREWELL: Duration = Duration::from_secs(2);

cached_sql! {
    Register(token: st::Uuid = Uuid, hostname: st::Text = String, pid: st::Integer = i32, queues: st::Array<st::Text> = Vec<&'static str>, lease_ms: st::BigInt = i64) -> st::Untyped,
    "INSERT INTO jobs.workers (token, hostname, pid, queues, lease_ms) VALUES ($1, $2, $3, $4, $5)"
}

cached_sql! {
    Beat(token: st::Uuid = Uuid) -> st::Untyped,
    "UPDATE jobs.workers SET heartbeat_at = now() WHERE token = $1 AND lost_at IS NULL"
}

cached_sql! {
    // What could not be written down any more is still in progress: it is given back by others, at their next look.
    Leave(token: st::Uuid = Uuid) -> st::Untyped,
    "WITH kept AS (UPDATE jobs.workers SET lost_at = now() \
         WHERE token = $1 AND EXISTS (SELECT 1 FROM jobs.jobs WHERE state = 'in_progress' AND lease_token = $1) RETURNING token) \
     DELETE FROM jobs.workers WHERE token = $1 AND NOT EXISTS (SELECT 1 FROM kept)"
}

/// Starts the thread. It ends with the engine.
pub(crate) fn keep(shared: Arc<Shared>, url: String) -> Result<JoinHandle<()>, JobsError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(JobsError::Thread)?;
    thread::Builder::new()
        .name("jobs-heartbeat".to_owned())
        .spawn(move || runtime.block_on(keep_going("heartbeat", || beat_on(&shared, &url))))
        .map_err(JobsError::Thread)
}

async fn beat_on(shared: &Shared, url: &str) {
    let mut outage = Outage::new("keep its lease");
    let mut conn = None;
    let mut gap = false;
    loop {
        let started = Instant::now();
        let failure: Box<dyn std::fmt::Debug> =
            match tokio::time::timeout(shared.settings.lease / 3, beat(shared, url, &mut conn, gap)).await {
                Ok(Ok(())) => {
                    outage.over();
                    gap = false;
                    let pause = shared.settings.heartbeat.saturating_sub(started.elapsed());
                    if shared.pause(pause, Life::Over).await {
                        continue;
                    }
                    break;
                }
                Ok(Err(error)) => Box::new(error),
                Err(elapsed) => Box::new(elapsed),
            };
        (conn, gap) = (None, true);
        let pause = outage.failed(&failure).min(shared.settings.heartbeat);
        if !shared.pause(pause, Life::Over).await {
            break;
        }
    }
    let lease = *shared.lease.borrow();
    if let (Some(lease), Some(mut conn)) = (lease, conn) {
        let token = lease.token.as_uuid();
        let left = tokio::time::timeout(FAREWELL, Leave { token: &token }.execute(&mut conn)).await;
        if !matches!(left, Ok(Ok(_))) {
            tracing::warn!(outcome = ?left, "could not sign off as a worker; the other workers will notice by themselves");
        }
    }
    shared.lease.send_replace(None);
}

/// `gap`: the database has not heard from us for a while.
async fn beat(shared: &Shared, url: &str, conn: &mut Option<PgConn>, gap: bool) -> Result<(), JobsError> {
    let conn = match conn {
        Some(conn) => conn,
        None => {
            let settings = PoolSettings { application_name: "oms jobs heartbeat", ..PoolSettings::default() };
            let fresh = db::connect(url, &settings).await.map_err(|error| kernel::DbError::Pool(Box::new(error)))?;
            conn.insert(fresh)
        }
    };
    let lease = *shared.lease.borrow();
    if let Some(lease) = lease {
        let token = lease.token.as_uuid();
        let beaten = Beat { token: &token }.execute(conn).await?;
        if beaten == 1 {
            if gap {
                shared.lease.send_replace(Some(Lease { heard_since: Instant::now(), ..lease }));
            }
            return Ok(());
        }
        tracing::error!(
            in_flight = shared.in_flight().len(),
            "this worker process was silent for longer than its lease and was declared dead; breaking off what it runs"
        );
        shared.lease.send_replace(None);
    }
    let token = LeaseToken::new();
    let settings = &shared.settings;
    Register {
        token: &token.as_uuid(),
        hostname: &settings.hostname,
        pid: &i32::try_from(settings.pid).unwrap_or(i32::MAX),
        queues: &settings.queue_names(),
        lease_ms: &i64::try_from(settings.lease.as_millis()).unwrap_or(i64::MAX),
    }
    .execute(conn)
    .await?;
    shared.lease.send_replace(Some(Lease { token, heard_since: Instant::now() }));
    Ok(())
}
