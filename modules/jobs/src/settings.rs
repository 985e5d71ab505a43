//! How many workers, how patient.

use std::{fmt, sync::Arc, time::Duration};

use kernel::{
    Queue,
    db::{BY_INDEX_IN_ORDER, PoolSettings},
};

use crate::{JobsError, Run};

/// Is told about every run that has ended; the place for metrics.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Run<'_>) + Send + Sync>);

impl Observer {
    /// Calls `observe` after every run, on the worker's task: it must be quick.
    pub fn new(observe: impl Fn(&Run<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(crate) fn tell(&self, run: &Run<'_>) {
        (self.0)(run);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// How the pool of an engine is built: for claims, ends, schedules and cleaning up, all of them short and by an index.
pub fn pool_settings() -> PoolSettings {
    PoolSettings {
        max_size: 4,
        wait: Duration::from_secs(5),
        application_name: "oms queue",
        session: BY_INDEX_IN_ORDER,
        ..PoolSettings::default()
    }
}

/// How an engine works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The queues it works, and with how many workers each.
    pub queues: Vec<(Queue, u32)>,
    /// How long this process may be silent before its jobs are given to others.
    pub lease: Duration,
    /// How often it says that it is alive.
    pub heartbeat: Duration,
    /// How often it looks for jobs when nobody tells it of any.
    pub poll: Duration,
    /// How long running jobs may go on after [`crate::Engine::stop`] was called.
    pub grace: Duration,
    /// How long one attempt may take.
    pub job_timeout: Duration,
    /// How long finished and cancelled jobs are kept.
    pub retention: Duration,
    /// Where this process runs; shown to operators.
    pub hostname: String,
    /// Its process id; shown to operators.
    pub pid: u32,
    /// Is told about every run.
    pub observer: Option<Observer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queues: vec![(Queue::Urgent, 4), (Queue::Bulk, 4)],
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(20),
            job_timeout: Duration::from_secs(300),
            retention: Duration::from_secs(24 * 60 * 60),
            hostname: "localhost".to_owned(),
            pid: std::process::id(),
            observer: None,
        }
    }
}

impl Settings {
    /// Refuses settings under which the promises could not be kept.
    pub(crate) fn check(&self) -> Result<(), JobsError> {
        let refuse = |why: &str| Err(JobsError::Settings(why.to_owned()));
        if self.queues.is_empty() || self.queues.iter().any(|(_, workers)| *workers == 0) {
            return refuse("every queue needs at least one worker, and there must be a queue");
        }
        let mut names: Vec<_> = self.queues.iter().map(|(queue, _)| queue.name()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() != self.queues.len() {
            return refuse("a queue is listed twice");
        }
        if self.heartbeat.is_zero() || self.heartbeat * 3 > self.lease {
            return refuse("the lease must be at least three heartbeats long");
        }
        if self.poll.is_zero() || self.job_timeout.is_zero() {
            return refuse("the poll interval and the time for a job must not be zero");
        }
        Ok(())
    }

    pub(crate) fn queue_names(&self) -> Vec<&'static str> {
        self.queues.iter().map(|(queue, _)| queue.name()).collect()
    }
}
