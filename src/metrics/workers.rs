//! What the job workers of this process do, and whether they are all there.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, OnceLock},
    time::Duration,
};

use ::jobs::{Ended, Observer, Run, Stats, Watch};
use kernel::{
    Clock, SystemClock,
    job::Registry,
    metrics::{self, Counter, Histogram, KeyValue},
};
use opentelemetry::metrics::Gauge;
use poem::{Endpoint, Response, endpoint::make_sync, http::StatusCode};

static FINISHED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Runs of jobs, by how they ended. failed: dead, out of attempts.";
    metrics::counter("oms_jobs_finished", about)
});
static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let boundaries = [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];
    metrics::seconds("oms_job_duration", "How long runs of jobs took.", &boundaries)
});
static START_LAG: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let boundaries = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0];
    metrics::seconds("oms_job_start_lag", "How long jobs had been ready when they were begun.", &boundaries)
});
static LAST_SUCCESS: LazyLock<Gauge<f64>> = LazyLock::new(|| {
    let about = "When a periodic job was last done by this process; before the first time, when the process began.";
    metrics::meter().f64_gauge("oms_job_schedule_last_success_timestamp").with_unit("s").with_description(about).build()
});

/// Whether the workers of this process are there.
#[derive(Clone)]
pub struct Health {
    has_workers: bool,
    engine: Arc<OnceLock<Watch>>,
}

impl Health {
    /// Of a process that has workers, or of one that has none and is well as long as it answers.
    pub fn new(has_workers: bool) -> Self {
        Self { has_workers, engine: Arc::default() }
    }

    /// Whether this process has workers.
    pub(super) fn has_workers(&self) -> bool {
        self.has_workers
    }

    /// `GET /healthz`: 503 when a worker has ended, which only a new process can mend. Asks no database: one that is away
    /// is no reason to begin this process again.
    pub(super) fn endpoint(&self) -> impl Endpoint<Output = Response> + use<> {
        let (engine, has_workers) = (self.engine.clone(), self.has_workers);
        make_sync(move |_request| {
            let stats = engine.get().map(Watch::stats).unwrap_or_default();
            let (status, word) = match engine.get() {
                None if has_workers => (StatusCode::SERVICE_UNAVAILABLE, "workers have not started"),
                Some(engine) if engine.is_working() && stats.workers_alive < stats.workers => {
                    (StatusCode::SERVICE_UNAVAILABLE, "workers are missing")
                }
                _ => (StatusCode::OK, "ok"),
            };
            let body = serde_json::json!({
                "status": word, "workers": stats.workers, "workers_alive": stats.workers_alive,
            });
            Response::builder().status(status).content_type("application/json").body(body.to_string())
        })
    }
}

fn timestamp() -> f64 {
    // Milliseconds since 1970 are exact in an f64 for hundreds of thousands of years.
    Duration::from_millis(u64::try_from(SystemClock.now().timestamp_millis()).unwrap_or(0)).as_secs_f64()
}

/// Notes every run of a job that the registry knows.
pub fn observer(registry: &Registry) -> Observer {
    let kinds = registry.kinds();
    let periods: BTreeMap<&'static str, f64> =
        registry.schedules().iter().map(|schedule| (schedule.kind, schedule.every.as_secs_f64())).collect();
    let period = metrics::meter()
        .f64_gauge("oms_job_schedule_period")
        .with_unit("s")
        .with_description("How often a periodic job is to be done.")
        .build();
    for (&kind, &every) in &periods {
        period.record(every, &[KeyValue::new("kind", kind)]);
        LAST_SUCCESS.record(timestamp(), &[KeyValue::new("kind", kind)]);
    }
    Observer::new(move |run: &Run<'_>| {
        // A name that nobody knows stands in a row that anybody may have written.
        let kind = kinds.binary_search(&run.kind).ok().and_then(|at| kinds.get(at)).copied().unwrap_or("unknown");
        let (queue, kind_label) = (KeyValue::new("queue", run.queue.name()), KeyValue::new("kind", kind));
        FINISHED.add(1, &[queue.clone(), kind_label.clone(), KeyValue::new("outcome", run.ended.as_str())]);
        DURATION.record(run.duration.as_secs_f64(), &[queue.clone(), kind_label.clone()]);
        START_LAG.record(run.start_lag.as_secs_f64(), &[queue]);
        if run.ended == Ended::Finished && periods.contains_key(kind) {
            LAST_SUCCESS.record(timestamp(), &[kind_label]);
        }
    })
}

/// Has an engine watched, and its health told.
pub fn watch(health: &Health, engine: &Watch) {
    let _first = health.engine.set(engine.clone());
    let meter = metrics::meter();
    let gauges: [(&str, &str, fn(&Stats) -> u64); 2] = [
        ("oms_job_workers_alive", "Job workers that are there.", |stats| stats.workers_alive),
        ("oms_job_workers", "Job workers that there should be.", |stats| stats.workers),
    ];
    for (name, about, value) in gauges {
        let engine = engine.clone();
        meter
            .u64_observable_gauge(name)
            .with_description(about)
            .with_callback(move |observer| observer.observe(value(&engine.stats()), &[]))
            .build();
    }
    let counters: [(&str, &str, fn(&Stats) -> u64); 4] = [
        ("oms_jobs_reaped", "Jobs that this process took from silent workers.", |stats| stats.reaped),
        ("oms_jobs_panicked", "Panics in jobs. Anything but 0 is a bug.", |stats| stats.panicked),
        ("oms_jobs_timed_out", "Runs of jobs that took too long.", |stats| stats.timed_out),
        ("oms_jobs_scheduled", "Periodic jobs that this process put into the queue.", |stats| stats.scheduled),
    ];
    for (name, about, value) in counters {
        let engine = engine.clone();
        meter
            .u64_observable_counter(name)
            .with_description(about)
            .with_callback(move |observer| observer.observe(value(&engine.stats()), &[]))
            .build();
    }
}

#[cfg(test)]
mod tests {
    use poem::{Request, http::StatusCode};

    use super::*;

    #[tokio::test]
    async fn a_process_whose_workers_have_not_started_is_not_well() {
        for (has_workers, expected) in [(true, StatusCode::SERVICE_UNAVAILABLE), (false, StatusCode::OK)] {
            let endpoint = Health::new(has_workers).endpoint();
            assert_eq!(endpoint.get_response(Request::default()).await.status(), expected);
        }
    }
}
