//! The queue's own invariants, for `oms audit`.

use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Difference, PgConn, cached_sql};

cached_sql! {
    // The constraints of the table forbid most of this; the audit does not take their word for it.
    Differences() -> (st::Text, st::BigInt, st::Text),
    "(SELECT 'orphan', j.id, j.kind || ' is in progress at ' || coalesce(j.attempted_by, 'nobody') || ', which ' \
             || CASE WHEN w.token IS NULL THEN 'is no worker' ELSE 'was last heard of at ' || w.heartbeat_at END \
         FROM jobs.jobs j LEFT JOIN jobs.workers w ON w.token = j.lease_token \
         WHERE j.state = 'in_progress' \
             AND (w.token IS NULL OR coalesce(w.lost_at, w.heartbeat_at) < now() - 2 * w.lease_ms * interval '1 millisecond') LIMIT 1000) \
     UNION ALL \
     (SELECT 'state', id, kind || ' is in the unknown state ' || state FROM jobs.jobs \
         WHERE state NOT IN ('new', 'in_progress', 'retried', 'finished', 'failed', 'cancelled') LIMIT 1000) \
     UNION ALL \
     (SELECT 'end', id, kind || ' is ' || state || CASE WHEN finished_at IS NULL THEN ' without a time of its end' \
             ELSE ' and yet ended at ' || finished_at END FROM jobs.jobs \
         WHERE (state IN ('finished', 'failed', 'cancelled')) <> (finished_at IS NOT NULL) LIMIT 1000) \
     UNION ALL \
     (SELECT 'lease', id, kind || ' is ' || state || CASE WHEN lease_token IS NULL THEN ' without a lease' \
             ELSE ' and yet leased' END FROM jobs.jobs \
         WHERE (state = 'in_progress') <> (lease_token IS NOT NULL) LIMIT 1000) \
     UNION ALL \
     (SELECT 'attempts', id, kind || ' was tried ' || attempt || ' times of at most ' || max_attempts FROM jobs.jobs \
         WHERE attempt > max_attempts LIMIT 1000)"
}

/// All differences: jobs in progress that nobody works on, states that are none, ends without a time, attempts beyond the
/// limit.
///
/// # Errors
/// What the database said.
pub async fn audit(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let rows: Vec<(String, i64, String)> = Differences.load(conn).await?;
    let difference = |(what, id, detail): (String, i64, String)| {
        let check = match what.as_str() {
            "orphan" => "jobs.in_progress_has_a_live_worker",
            "state" => "jobs.state_is_known",
            "end" => "jobs.ended_has_a_time",
            "lease" => "jobs.in_progress_has_a_lease",
            _ => "jobs.attempts_within_the_limit",
        };
        Difference::new(check, format!("job {id}"), detail)
    };
    Ok(rows.into_iter().map(difference).collect())
}
