//! Periodic jobs: every process that knows a kind ticks it, and each slot is one job.
//!
//! Slots that were missed are not made up for. A slot falls out while the job of an earlier one is still waiting or
//! running, so that a slow job does not pile up. A schedule that no running program knows never fires, because only
//! those who know the kind tick it, and its row goes after a week; it is not removed at the start of a program, which
//! may be an older one beside a newer.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::sql_types as st;
use diesel_async::RunQueryDsl;
use kernel::{PgConn, cached_sql, job::Schedule};
use serde_json::Value;

use crate::{
    JobsError,
    outage::Outage,
    shared::{Failure, Life, Shared},
    stats::add,
};

const TICK: Duration = Duration::from_secs(1);
/// How often a process says which schedules it knows.
const VOUCH: Duration = Duration::from_secs(60 * 60);

cached_sql! {
    Vouch(
        kinds: st::Array<st::Text> = Vec<&'static str>, queues: st::Array<st::Text> = Vec<&'static str>,
        args: st::Array<st::Jsonb> = Vec<Value>, every_ms: st::Array<st::BigInt> = Vec<i64>,
    ) -> st::Untyped,
    "INSERT INTO jobs.schedules AS s (kind, queue, args, every_ms) SELECT * FROM unnest($1, $2, $3, $4) \
     ON CONFLICT (kind) DO UPDATE SET queue = excluded.queue, args = excluded.args, every_ms = excluded.every_ms, \
         next_at = CASE WHEN s.every_ms = excluded.every_ms THEN s.next_at \
                        ELSE least(s.next_at, now() + excluded.every_ms * interval '1 millisecond') END, \
         updated_at = now()"
}

cached_sql! {
    Forget() -> st::Untyped,
    "DELETE FROM jobs.schedules WHERE updated_at < now() - interval '7 days'"
}

cached_sql! {
    /// One statement, hence one transaction: the slot is taken and its job is there, or neither.
    Tick(kinds: st::Array<st::Text> = Vec<&'static str>) -> st::Text,
    "WITH due AS MATERIALIZED ( \
         SELECT kind, queue, args, every_ms, next_at FROM jobs.schedules WHERE next_at <= now() AND kind = ANY($1) \
         ORDER BY kind FOR UPDATE SKIP LOCKED), \
     free AS MATERIALIZED ( \
         SELECT * FROM due WHERE NOT EXISTS ( \
             SELECT 1 FROM jobs.jobs j WHERE j.kind = due.kind AND j.unique_key LIKE 'slot:%' \
                 AND j.unique_key IS NOT NULL AND j.state IN ('new', 'retried', 'in_progress'))), \
     moved AS ( \
         UPDATE jobs.schedules s SET \
             next_at = due.next_at + due.every_ms * interval '1 millisecond' \
                 * (floor(extract(epoch FROM now() - due.next_at) * 1000 / due.every_ms) + 1), \
             last_at = CASE WHEN EXISTS (SELECT 1 FROM free WHERE free.kind = due.kind) THEN due.next_at ELSE s.last_at END \
         FROM due WHERE s.kind = due.kind) \
     INSERT INTO jobs.jobs (queue, kind, args, unique_key) \
     SELECT queue, kind, args, 'slot:' || to_char(next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS') FROM free \
     ON CONFLICT DO NOTHING RETURNING kind"
}

/// Ticks until the engine drains.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let schedules: BTreeMap<&str, Schedule> =
        shared.registry.schedules().iter().map(|schedule| (schedule.kind, schedule.clone())).collect();
    if schedules.is_empty() {
        return;
    }
    let schedules: Vec<Schedule> = schedules.into_values().collect();
    let kinds = schedules.iter().map(|schedule| schedule.kind).collect();
    let mut outage = Outage::new("tick its schedules");
    let mut vouched_at = None;
    loop {
        let vouch = vouched_at.is_none_or(|at: Instant| at.elapsed() > VOUCH);
        let mut pause = TICK.min(shared.settings.poll);
        match turn(&shared, &schedules, &kinds, vouch).await {
            Ok(()) => {
                outage.over();
                if vouch {
                    vouched_at = Some(Instant::now());
                }
            }
            Err(failure) => pause = outage.failed(&failure),
        }
        if !shared.pause(pause, Life::Draining).await {
            return;
        }
    }
}

async fn turn(shared: &Shared, schedules: &[Schedule], kinds: &Vec<&'static str>, vouch: bool) -> Result<(), Failure> {
    let started = shared
        .in_time(async {
            let mut conn = shared.pool.get().await?;
            if vouch {
                vouch_for(&mut conn, schedules).await?;
            }
            Ok::<Vec<String>, JobsError>(Tick { kinds }.load(&mut *conn).await?)
        })
        .await?;
    if !started.is_empty() {
        add(&shared.counters.scheduled, started.len());
        tracing::debug!(kinds = ?started, "periodic jobs are due");
        shared.wake();
        kernel::job::announce();
    }
    Ok(())
}

async fn vouch_for(conn: &mut PgConn, schedules: &[Schedule]) -> Result<(), JobsError> {
    Vouch {
        kinds: &schedules.iter().map(|schedule| schedule.kind).collect(),
        queues: &schedules.iter().map(|schedule| schedule.queue.name()).collect(),
        args: &schedules.iter().map(|schedule| schedule.args.clone()).collect(),
        every_ms: &schedules.iter().map(every_ms).collect(),
    }
    .execute(conn)
    .await?;
    Forget.execute(conn).await?;
    Ok(())
}

fn every_ms(schedule: &Schedule) -> i64 {
    i64::try_from(schedule.every.as_millis()).unwrap_or(i64::MAX).max(1)
}
