//! The engine as a whole: starting it, stopping it, watching it.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use diesel::sql_types as st;
use kernel::{Pool, cached_sql, job::Registry};
use tokio::{
    sync::{Mutex, mpsc},
    task,
};
use uuid::Uuid;

use crate::{
    JobsError, Notifier, Settings, Stats, admin, announcer, claim, end, fang_workers, lease, prune, reap, schedule,
    shared::{Life, Shared},
    signal,
    supervise::keep_going,
};

/// How long what was broken off may take to be given back.
const AFTERMATH: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(10);

cached_sql! {
    Release(lease: st::Uuid = Uuid) -> st::Untyped,
    "UPDATE jobs.jobs SET state = 'retried', attempt = greatest(attempt - 1, 0), lease_token = NULL \
     WHERE state = 'in_progress' AND lease_token = $1"
}

/// Running job workers. Dropping it breaks everything off at once; [`Engine::stop`] is the polite way.
pub struct Engine {
    shared: Arc<Shared>,
    heartbeat: Option<JoinHandle<()>>,
    claiming: Vec<task::JoinHandle<()>>,
    notifier: Option<Notifier>,
}

/// Starts working the queues of `settings`.
///
/// It answers at once and needs no database to do so: workers begin when there is one. `pool` is the machinery's (four
/// connections are enough) and must not be the handlers', which could keep the machinery waiting.
///
/// # Errors
/// Settings that contradict each other, or no thread for the heartbeat.
pub async fn start(
    database_url: &str,
    pool: Pool,
    registry: Registry,
    settings: Settings,
) -> Result<Engine, JobsError> {
    settings.check()?;
    let queues = settings.queues.clone();
    let (endings, ended) = mpsc::unbounded_channel();
    let shared = Shared::new(pool, registry, settings, endings);
    let heartbeat = lease::keep(Arc::clone(&shared), database_url.to_owned())?;
    let part = Arc::clone(&shared);
    let ended = Arc::new(Mutex::new(ended));
    tokio::spawn(keep_going("endings", move || end::write_down(Arc::clone(&part), Arc::clone(&ended))));
    let part = Arc::clone(&shared);
    tokio::spawn(keep_going("reaper", move || reap::watch(Arc::clone(&part))));
    let part = Arc::clone(&shared);
    tokio::spawn(keep_going("schedules", move || schedule::keep(Arc::clone(&part))));
    let part = Arc::clone(&shared);
    tokio::spawn(keep_going("pruning", move || prune::keep_short(Arc::clone(&part))));
    let part = Arc::clone(&shared);
    tokio::spawn(keep_going("waking", move || wake_on_announcements(Arc::clone(&part))));
    let ear = Arc::clone(&shared);
    let notifier = signal::notify_and_listen(database_url, move || ear.wake());
    let mut claiming = Vec::new();
    for (queue, workers) in queues {
        let (requests, requested) = mpsc::unbounded_channel();
        let (part, requested) = (Arc::clone(&shared), Arc::new(Mutex::new(requested)));
        claiming.push(tokio::spawn(keep_going("claiming", move || {
            claim::serve(Arc::clone(&part), queue, Arc::clone(&requested))
        })));
        fang_workers::start(Arc::clone(&shared), workers, requests).await;
    }
    tracing::info!(queues = ?shared.settings.queues, kinds = shared.registry.kinds().len(), "job workers started");
    Ok(Engine { shared, heartbeat: Some(heartbeat), claiming, notifier: Some(notifier) })
}

/// Jobs committed in this process are looked for at once.
async fn wake_on_announcements(shared: Arc<Shared>) {
    let mut announcements = announcer::announcements();
    loop {
        tokio::select! {
            biased;
            () = shared.reached(Life::Draining) => return,
            changed = announcements.changed() => match changed {
                Ok(()) => shared.wake(),
                Err(_closed) => return,
            },
        }
    }
}

impl Engine {
    /// Claims no more, lets running jobs end for the grace of the settings, gives back what is left without charging the
    /// attempt, and signs off. Takes at most the grace and a few seconds, also without a database.
    pub async fn stop(mut self) {
        let shared = Arc::clone(&self.shared);
        shared.advance(Life::Draining);
        // A claim that is under way may still bring jobs; they go back at once.
        let claiming = std::mem::take(&mut self.claiming);
        let ended = async {
            futures_util::future::join_all(claiming).await;
            nothing_in_flight(&shared).await;
        };
        if tokio::time::timeout(shared.settings.grace, ended).await.is_err() {
            tracing::warn!(jobs = shared.in_flight().len(), "jobs did not end in time and are given back");
        }
        shared.advance(Life::Abandoning);
        // What is not given back in time here is given back by name below.
        let _ = tokio::time::timeout(AFTERMATH, nothing_in_flight(&shared)).await;
        if let Err(error) = give_back(&shared).await {
            tracing::warn!(error = ?error, "could not give back the jobs of this process; the other workers will notice by themselves");
        }
        shared.advance(Life::Over);
        drop(self.notifier.take());
        if let Some(heartbeat) = self.heartbeat.take() {
            // It has its own limit of time; only waiting for it needs a thread.
            let _ = tokio::task::spawn_blocking(move || heartbeat.join()).await;
        }
        tracing::info!("job workers stopped");
    }

    /// Waits until no job of this engine's queues is ready or running. For tests and for draining by hand: while others
    /// keep enqueueing, it may wait for ever.
    pub async fn idle(&self) {
        let queues = self.shared.settings.queue_names();
        loop {
            if self.shared.in_flight().is_empty()
                && let Ok(mut conn) = self.shared.pool.get().await
                && admin::is_pending(&mut conn, &queues).await.is_ok_and(|is_pending| !is_pending)
            {
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        self.watch().stats()
    }

    /// For looking at it from elsewhere, also when it has stopped.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    /// Whether the database knows this process as a worker right now.
    pub fn is_registered(&self) -> bool {
        self.shared.lease.borrow().is_some()
    }
}

/// Looks at an engine. Cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

impl Watch {
    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        let workers = self.0.settings.queues.iter().map(|(_, workers)| u64::from(*workers)).sum();
        let in_flight = u64::try_from(self.0.in_flight().len()).unwrap_or(u64::MAX);
        self.0.counters.stats(workers, in_flight)
    }

    /// Whether it is neither stopping nor stopped.
    pub fn is_working(&self) -> bool {
        self.0.life() == Life::Working
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.advance(Life::Over);
    }
}

/// Waits until every claimed job has its end written.
async fn nothing_in_flight(shared: &Shared) {
    while !shared.in_flight().is_empty() {
        tokio::time::sleep(GLANCE).await;
    }
}

/// Nothing of ours may stay in progress: also not what was claimed and never arrived.
async fn give_back(shared: &Shared) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Some(lease) = *shared.lease.borrow() else { return Ok(()) };
    tokio::time::timeout(AFTERMATH, async {
        let mut conn = shared.pool.get().await?;
        let token = lease.token.as_uuid();
        let given_back = diesel_async::RunQueryDsl::execute(Release { lease: &token }, &mut *conn).await?;
        if given_back > 0 {
            tracing::info!(jobs = given_back, "gave back jobs");
        }
        // Another process may have time for them right now.
        signal::notify(&mut conn).await?;
        Ok::<(), JobsError>(())
    })
    .await??;
    Ok(())
}
