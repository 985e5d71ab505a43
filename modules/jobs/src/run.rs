//! One attempt at one job.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use kernel::{
    Outcome,
    job::JobContext,
    request,
    trace::{self, Span},
};
use rand::RngExt;
use serde_json::Value;

use crate::{
    claim::Claimed,
    end::{Ending, Verdict},
    shared::{Life, Shared},
    stats::{Ended, Run, add},
};

/// How long a job of a kind without a handler is put off; by then the newer program may be everywhere.
const SNOOZE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Runs the job as part of what the request that asked for it began, writes down how it ended, and tells whoever wants to
/// know.
pub(crate) async fn run(shared: &Shared, job: Claimed) {
    let origin = request::Context::from_meta(&job.meta);
    let mut span = Span::begin(trace::Kind::Consumer, job.kind.clone(), origin.traceparent.as_deref());
    span.say("job.id", job.id);
    let context = request::Context { traceparent: Some(span.traceparent().to_owned()), ..origin };
    let ended = request::scope(context, run_here(shared, job)).await;
    span.say("job.outcome", ended.as_str());
    if ended != Ended::Finished {
        span.fail(ended.as_str());
    }
}

async fn run_here(shared: &Shared, mut job: Claimed) -> Ended {
    let started = Instant::now();
    let args = job.args.take();
    let verdict = attempt(shared, &job, args).await;
    let duration = started.elapsed();
    let ended = match &verdict {
        Verdict::Finished => {
            let duration_ms = duration.as_secs_f64() * 1000.0;
            if !shared.periods.contains_key(job.kind.as_str()) {
                tracing::info!(job.id, job.kind, job.attempt, duration_ms, "job done");
            } else {
                tracing::debug!(job.id, job.kind, job.attempt, duration_ms, "periodic job done");
            }
            Ended::Finished
        }
        Verdict::Retry { error, pause } => {
            tracing::warn!(
                job.id,
                job.kind,
                job.attempt,
                error,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "job failed and will be tried again"
            );
            Ended::Retried
        }
        Verdict::Failed { error } => {
            tracing::error!(
                job.id,
                job.kind,
                job.attempt,
                error,
                "job is dead; see `oms jobs show` and `oms jobs retry`"
            );
            Ended::Failed
        }
        Verdict::Snoozed { error, .. } => {
            tracing::warn!(job.id, job.kind, error, "job put off");
            Ended::Snoozed
        }
        Verdict::Released => Ended::Released,
        Verdict::Lost => {
            tracing::warn!(
                job.id,
                job.kind,
                job.attempt,
                "job broken off: this process was silent for longer than its lease"
            );
            Ended::Lost
        }
    };
    Ending::send(shared, &job, verdict).await;
    shared.counters.count(ended);
    if let Some(observer) = &shared.settings.observer {
        observer.tell(&Run { queue: job.queue, kind: &job.kind, ended, duration, start_lag: job.start_lag });
    }
    if ended == Ended::Finished {
        // It may have asked for more work.
        kernel::job::announce();
    }
    ended
}

async fn attempt(shared: &Shared, job: &Claimed, args: Value) -> Verdict {
    let Some(handler) = shared.registry.handler(&job.kind) else {
        return Verdict::Snoozed {
            error: format!("{} knows no handler for {}; is an older program still running?", shared.name, job.kind),
            pause: SNOOZE,
        };
    };
    let context = JobContext {
        id: job.id,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        lease_token: job.token.as_uuid(),
    };
    // The call itself is inside as well: a handler may panic before its future is there.
    let work = AssertUnwindSafe(async move { handler(args, context).await });
    let outcome = tokio::select! {
        biased;
        () = shared.lost(job.token) => return Verdict::Lost,
        () = shared.reached(Life::Abandoning) => return Verdict::Released,
        outcome = tokio::time::timeout(shared.settings.job_timeout, work.catch_unwind()) => outcome,
    };
    let error = match outcome {
        Ok(Ok(Outcome::Done)) => return Verdict::Finished,
        Ok(Ok(Outcome::GiveUp(error))) => return Verdict::Failed { error },
        Ok(Ok(Outcome::Retry(error))) => error,
        Ok(Err(panic)) => {
            add(&shared.counters.panicked, 1);
            format!("panicked: {}", words(&*panic))
        }
        Err(_elapsed) => {
            add(&shared.counters.timed_out, 1);
            format!("did not end within {} s", shared.settings.job_timeout.as_secs_f32())
        }
    };
    if job.attempt >= job.max_attempts {
        return Verdict::Failed { error };
    }
    let longest = shared.registry.longest_pause(&job.kind).unwrap_or(LONGEST_PAUSE);
    let longest = shared.periods.get(job.kind.as_str()).map_or(longest, |every| longest.min(*every));
    Verdict::Retry { error, pause: backoff(job.attempt, longest, rand::rng().random()) }
}

/// The pause after an attempt: doubled each time up to `longest`, of which at least half. `chance` is from 0 to 1, so
/// that jobs which failed together do not come back together.
fn backoff(attempt: i16, longest: Duration, chance: f64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(20);
    let full = (FIRST_PAUSE * 2u32.pow(doublings)).min(longest);
    full.mul_f64(0.5 + chance / 2.0)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_09_pauses_double_from_a_second_to_an_hour() {
        let pauses: Vec<u64> = (1..=20).map(|attempt| backoff(attempt, LONGEST_PAUSE, 1.0).as_secs()).collect();
        assert_eq!(pauses[..5], [1, 2, 4, 8, 16]);
        assert_eq!(pauses[11..], [2048, 3600, 3600, 3600, 3600, 3600, 3600, 3600, 3600]);
        assert_eq!(backoff(i16::MAX, LONGEST_PAUSE, 1.0), LONGEST_PAUSE);
    }

    #[test]
    fn c_09_chance_takes_up_to_half_of_the_pause() {
        assert_eq!(backoff(3, LONGEST_PAUSE, 0.0), Duration::from_secs(2));
        assert_eq!(backoff(3, LONGEST_PAUSE, 0.5), Duration::from_secs(3));
    }

    #[test]
    fn a_periodic_job_is_tried_again_within_its_period() {
        assert_eq!(backoff(15, Duration::from_secs(30), 1.0), Duration::from_secs(30));
    }
}
