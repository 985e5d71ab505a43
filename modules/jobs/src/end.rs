//! Writing down how jobs ended: many at once, and for as long as it takes.

use std::{sync::Arc, time::Duration};

use diesel::sql_types as st;
use kernel::cached_sql;
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use crate::{
    State,
    claim::Claimed,
    outage::Outage,
    shared::{Failure, Life, Shared},
    sql::with_error,
};

const BATCH: usize = 500;
/// What is kept of an error's text, in characters.
const ERROR_LENGTH: usize = 2000;

/// What became of a run, as it will stand in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done; a handler that used `complete_in` has written this itself already.
    Finished,
    /// Another attempt after a pause.
    Retry { error: String, pause: Duration },
    /// Dead, and kept.
    Failed { error: String },
    /// Later, and the attempt is not charged: nobody here knows the kind.
    Snoozed { error: String, pause: Duration },
    /// At once, by somebody else, and the attempt is not charged.
    Released,
    /// Not ours any more: nothing is written.
    Lost,
}

/// A verdict on its way into the table.
#[derive(Debug)]
pub(crate) struct Ending {
    id: i64,
    attempt: i16,
    lease: Uuid,
    verdict: Verdict,
    /// Told, or dropped, when the verdict has been dealt with.
    written: oneshot::Sender<()>,
}

impl Ending {
    /// Hands the verdict over and waits until it is written. It cannot fail: either it gets into the table, or the job
    /// is no longer ours, or the engine is over and the lease will tell.
    pub(crate) async fn send(shared: &Shared, job: &Claimed, verdict: Verdict) {
        if verdict != Verdict::Lost {
            let (written, wait) = oneshot::channel();
            let lease = job.token.as_uuid();
            let ending = Self { id: job.id, attempt: job.attempt, lease, verdict, written };
            if shared.endings.send(ending).is_ok() {
                // An error means that the engine is over.
                let _ = wait.await;
            }
        }
    }
}

cached_sql! {
    End(
        ids: st::Array<st::BigInt> = Vec<i64>, attempts: st::Array<st::SmallInt> = Vec<i16>, leases: st::Array<st::Uuid> = Vec<Uuid>,
        states: st::Array<st::Text> = Vec<&'static str>, charged: st::Array<st::SmallInt> = Vec<i16>,
        pauses_ms: st::Array<st::BigInt> = Vec<i64>, errors: st::Array<st::Nullable<st::Text>> = Vec<Option<String>>,
    ) -> st::Untyped,
    // The fence: a job that was taken from us has another lease, another attempt or another state.
    concat!(
        "UPDATE jobs.jobs j SET state = d.state, lease_token = NULL, attempt = j.attempt - 1 + d.charged, \
         finished_at = CASE WHEN d.state IN ('finished', 'failed') THEN now() END, \
         scheduled_at = CASE WHEN d.state = 'retried' THEN now() + d.pause_ms * interval '1 millisecond' ELSE j.scheduled_at END, \
         errors = CASE WHEN d.error IS NULL THEN j.errors ELSE ",
        with_error!("d.error"),
        " END FROM unnest($1, $2, $3, $4, $5, $6, $7) AS d(id, attempt, lease, state, charged, pause_ms, error) \
         WHERE j.id = d.id AND j.attempt = d.attempt AND j.lease_token = d.lease AND j.state = 'in_progress'"
    )
}

/// Writes what comes in, batch by batch, until the engine is over.
///
/// What it was holding when it panicked is not written: those jobs are given back when somebody next claims from their
/// queue, because nobody here knows of them any more, and run again.
pub(crate) async fn write_down(shared: Arc<Shared>, endings: Arc<Mutex<mpsc::UnboundedReceiver<Ending>>>) {
    let mut endings = endings.lock().await;
    let mut outage = Outage::new("write how jobs ended");
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = shared.reached(Life::Over) => return,
            received = endings.recv_many(&mut batch, BATCH) => if received == 0 { return },
        }
        // One that is refused must not hold up the others.
        let mut size = BATCH;
        while !batch.is_empty() {
            let part = batch.len().min(size);
            match write(&shared, batch.get(..part).unwrap_or_default()).await {
                Ok(()) => {
                    outage.over();
                    for ending in batch.drain(..part) {
                        // Nobody waits for the ending of a worker that was dropped.
                        let _ = ending.written.send(());
                    }
                }
                Err(failure) => {
                    if failure.is_refusal() && part > 1 {
                        tracing::error!(error = ?failure, jobs = part, "the end of several jobs was refused; writing them one by one");
                        size = 1;
                        continue;
                    }
                    let pause = outage.failed(&failure);
                    batch.rotate_left(part);
                    if !shared.pause(pause, Life::Over).await {
                        return;
                    }
                }
            }
        }
    }
}

async fn write(shared: &Shared, endings: &[Ending]) -> Result<(), Failure> {
    let rows: Vec<_> = endings.iter().map(|ending| row(&ending.verdict)).collect();
    let end = End {
        ids: &endings.iter().map(|ending| ending.id).collect(),
        attempts: &endings.iter().map(|ending| ending.attempt).collect(),
        leases: &endings.iter().map(|ending| ending.lease).collect(),
        states: &rows.iter().map(|(state, ..)| state.as_str()).collect(),
        charged: &rows.iter().map(|(_, charged, ..)| i16::from(*charged)).collect(),
        pauses_ms: &rows.iter().map(|(.., pause, _)| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)).collect(),
        errors: &rows.iter().map(|(.., error)| error.map(storable)).collect(),
    };
    shared
        .in_time(async {
            let mut conn = shared.pool.get().await?;
            diesel_async::RunQueryDsl::execute(end, &mut *conn).await?;
            Ok(())
        })
        .await
}

/// State, whether the attempt is charged, pause, error.
fn row(verdict: &Verdict) -> (State, bool, Duration, Option<&str>) {
    match verdict {
        // Lost ones are not sent.
        Verdict::Finished | Verdict::Lost => (State::Finished, true, Duration::ZERO, None),
        Verdict::Retry { error, pause } => (State::Retried, true, *pause, Some(error)),
        Verdict::Failed { error } => (State::Failed, true, Duration::ZERO, Some(error)),
        Verdict::Snoozed { error, pause } => (State::Retried, false, *pause, Some(error)),
        Verdict::Released => (State::Retried, false, Duration::ZERO, None),
    }
}

/// An error's text as PostgreSQL takes it: bounded, and without NUL.
fn storable(error: &str) -> String {
    error.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c }).take(ERROR_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_is_cut_and_has_no_nul() {
        let stored = storable(&format!("a\0{}", "ü".repeat(3000)));
        assert_eq!(stored.chars().count(), ERROR_LENGTH);
        assert!(stored.starts_with("a\u{fffd}ü"));
    }
}
