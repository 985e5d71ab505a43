//! What the parts of one engine share.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kernel::{Pool, job::Registry};
use tokio::sync::{mpsc, watch};

use crate::{JobsError, Settings, end::Ending, stats::Counters};

kernel::typed_id!(
    /// The right of one process, from one registration to the next, to hold jobs. It fences what the process writes.
    LeaseToken
);

/// How far the engine is from its end. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    /// Claims and runs.
    Working,
    /// Claims no more; what runs may end.
    Draining,
    /// What still runs is broken off and given back.
    Abandoning,
    /// Nothing is left to do.
    Over,
}

/// Registration as a worker: the token, and since when the database has heard from us without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub token: LeaseToken,
    pub heard_since: Instant,
}

pub(crate) struct Shared {
    pub pool: Pool,
    pub registry: Registry,
    /// How often a periodic kind runs; its retries are not further apart.
    pub periods: HashMap<&'static str, Duration>,
    pub settings: Settings,
    /// `hostname:pid`.
    pub name: String,
    pub counters: Counters,
    pub endings: mpsc::UnboundedSender<Ending>,
    pub lease: watch::Sender<Option<Lease>>,
    wake: watch::Sender<()>,
    life: watch::Sender<Life>,
    in_flight: Mutex<HashMap<(LeaseToken, i64), usize>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        pool: Pool,
        registry: Registry,
        settings: Settings,
        endings: mpsc::UnboundedSender<Ending>,
    ) -> Arc<Self> {
        Arc::new(Self {
            pool,
            periods: registry.schedules().iter().map(|schedule| (schedule.kind, schedule.every)).collect(),
            registry,
            name: format!("{}:{}", settings.hostname, settings.pid),
            settings,
            counters: Counters::default(),
            endings,
            lease: watch::Sender::new(None),
            wake: watch::Sender::new(()),
            life: watch::Sender::new(Life::Working),
            in_flight: Mutex::default(),
        })
    }

    /// There may be jobs: every queue looks at once. Never lost: a queue that is looking right now looks once more.
    pub(crate) fn wake(&self) {
        self.wake.send_replace(());
    }

    /// For waiting on [`Shared::wake`].
    pub(crate) fn wakes(&self) -> watch::Receiver<()> {
        self.wake.subscribe()
    }

    pub(crate) fn life(&self) -> Life {
        *self.life.borrow()
    }

    /// Moves on to `life`, unless it is past that already.
    pub(crate) fn advance(&self, life: Life) {
        self.life.send_if_modified(|now| {
            let later = life > *now;
            if later {
                *now = life;
            }
            later
        });
    }

    /// Waits until the engine's life has come to `life`.
    pub(crate) async fn reached(&self, life: Life) {
        // The sender is in `self`, so the wait cannot end otherwise.
        let _ = self.life.subscribe().wait_for(|now| *now >= life).await.map(drop);
    }

    /// Sleeps; answers false, at once, when the engine's life has come to `life`.
    pub(crate) async fn pause(&self, duration: Duration, life: Life) -> bool {
        tokio::select! {
            biased;
            () = self.reached(life) => false,
            () = tokio::time::sleep(duration) => true,
        }
    }

    /// Waits until `token` is no longer our lease.
    pub(crate) async fn lost(&self, token: LeaseToken) {
        let _ = self.lease.subscribe().wait_for(|lease| lease.is_none_or(|lease| lease.token != token)).await.map(drop);
    }

    /// The jobs that are claimed and whose end is not written yet: those that somebody has [`Held`], and how many have. Two have,
    /// when the answer to the writing of an end was lost and the job was claimed again before the writing was repeated.
    pub(crate) fn in_flight(&self) -> MutexGuard<'_, HashMap<(LeaseToken, i64), usize>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the database a lease's time to answer; later than that somebody else has our jobs.
    ///
    /// A future dropped in the middle of a statement breaks its connection, which the pool then replaces.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = Result<T, JobsError>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.settings.lease, work).await {
            Ok(outcome) => outcome.map_err(Failure::Said),
            Err(_elapsed) => Err(Failure::Silent),
        }
    }
}

/// A claimed job is in hand. Dropping it lets go.
#[derive(Debug)]
pub(crate) struct Held {
    shared: Arc<Shared>,
    job: (LeaseToken, i64),
}

impl Held {
    pub(crate) fn new(shared: &Arc<Shared>, token: LeaseToken, id: i64) -> Self {
        *shared.in_flight().entry((token, id)).or_default() += 1;
        Self { shared: Arc::clone(shared), job: (token, id) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut in_flight = self.shared.in_flight();
        if let Some(count) = in_flight.get_mut(&self.job) {
            *count -= 1;
            if *count == 0 {
                in_flight.remove(&self.job);
            }
        }
    }
}

/// Why a statement of the machinery has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database or the pool said why.
    Said(JobsError),
    /// No answer within the lease.
    Silent,
}

impl Failure {
    /// Whether the statement itself is to blame, rather than the way to the database.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Said(JobsError::Db(error)) => !error.is_unavailable() && !error.is_lost_race(),
            Self::Said(_) | Self::Silent => false,
        }
    }
}
