//! What is waiting becomes a batch, and a batch becomes a transaction, or as many as it takes.
//!
//! Nothing waits for company: a lone order is a batch of one, and what queues up while a batch commits is the next one (of a
//! crowd, beside which others pass by, a part of it). If a
//! batch fails as a whole, its placements are tried again one by one, so that one bad order never fails its neighbours. A batch
//! that only came too late for a key, which somebody else has used meanwhile, is made again as a whole.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use diesel_async::SimpleAsyncConnection;
use futures_util::FutureExt;
use kernel::{
    DbError, PgConn,
    db::{self, PoolSettings},
    idempotency, job,
    metrics::when_committed,
};
use tokio::{runtime::Handle, sync::mpsc};

#[cfg(test)]
use super::intake::tests;
use super::{
    Placement,
    crowd::Crowd,
    intake::{Arrived, IntakeSettings, Waiting},
    replies::{no_database, settle},
    transact::{Outcome, Warm, transact},
};
use crate::{error::OrderError, metrics};

/// How long a batch may take; longer than the database's own deadlines, shorter than a request's.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often a batch is made again because somebody else was faster with one of its keys. Each time there is one key less that
/// can be lost, and nobody is faster so often but on purpose.
const KEYS_LOST: usize = 4;

pub(super) struct Batcher {
    settings: IntakeSettings,
    /// Whom it tells what its batches are crowded with.
    crowd: Option<Arc<Crowd>>,
    /// How many it has taken out of the queue and left for a later batch.
    left: Arc<AtomicUsize>,
    conn: Option<Warm>,
}

impl Batcher {
    pub(super) fn new(settings: IntakeSettings, crowd: Option<Arc<Crowd>>, left: Arc<AtomicUsize>) -> Self {
        Self { settings, crowd, left, conn: None }
    }

    /// Makes batches until the last handle is gone and nobody is waiting any more. Callers are told on the runtime on which they
    /// wait: this thread is at the next batch already.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Arrived>, callers: Handle) {
        let most = self.settings.max_batch;
        let mut gathered: Vec<Arrived> = Vec::with_capacity(most);
        loop {
            let (is_idle, room) = (gathered.is_empty(), most - gathered.len());
            let more = waiting.recv_many(&mut gathered, room);
            if !is_idle {
                more.now_or_never();
            } else if more.await == 0 {
                break;
            }
            let mut orders = gathered.len();
            if let Some(crowd) = &self.crowd {
                let now = Instant::now();
                crowd.watch(gathered.iter().map(|(_, (placement, _))| placement), now);
                orders = crowd.share(orders, now);
            }
            self.left.store(gathered.len() - orders, Ordering::Relaxed);
            let batch = gathered.drain(..orders).map(|(since, waiting)| {
                metrics::waited(since.elapsed());
                waiting
            });
            let (dry, wet): (Vec<Waiting>, Vec<Waiting>) = batch.partition(|(placement, _)| placement.dry_run);
            for part in [wet, dry] {
                // The thread outlives a panic: whoever was waiting is told 503, because nobody answers them, and the queue goes on.
                if AssertUnwindSafe(self.answer_all(part, &callers)).catch_unwind().await.is_err() {
                    kernel::panics::count();
                    tracing::error!("the intake has panicked and goes on with the next batch");
                }
            }
        }
    }

    /// Answers everybody, in as many transactions as it takes: usually one.
    async fn answer_all(&mut self, mut open: Vec<Waiting>, callers: &Handle) {
        while !open.is_empty() {
            // A key stands in a transaction once; whoever comes with the same key is answered by what became of the first.
            let mut seen = HashMap::new();
            let (batch, followers): (Vec<Waiting>, Vec<Waiting>) = open.into_iter().partition(|(placement, _)| {
                placement
                    .ticket
                    .as_ref()
                    .is_none_or(|ticket| seen.insert((ticket.caller, ticket.key.clone()), ()).is_none())
            });
            let outcomes = self.decide_all(&batch).await;
            job::announce();
            #[cfg(test)]
            tests::trip(batch.iter().map(|(placement, _)| placement), "while answering");
            if followers.is_empty() {
                // Only followers can be left to decide again.
                drop(callers.spawn(async { settle(batch, outcomes, followers) }));
                break;
            }
            open = settle(batch, outcomes, followers);
        }
    }

    /// One transaction for all; if that fails, one for each.
    async fn decide_all(&mut self, batch: &[Waiting]) -> Vec<Result<Outcome, OrderError>> {
        let placements: Vec<&Placement> = batch.iter().map(|(placement, _)| placement).collect();
        let had_connection = self.conn.is_some();
        let mut attempt = when_committed(self.attempt(&placements)).await;
        // A connection that broke (not: fell silent) while nobody used it says nothing about the database. Keys make the
        // repetition safe, also when the COMMIT went through and only its answer was lost.
        let is_broken = matches!(&attempt, Err(error @ DbError::Query(_)) if error.is_unavailable());
        if had_connection && self.conn.is_none() && is_broken {
            attempt = when_committed(self.attempt(&placements)).await;
        }
        for _again in 0..KEYS_LOST {
            if !attempt.as_ref().is_err_and(idempotency::is_taken) {
                break;
            }
            tracing::debug!(orders = placements.len(), "a key of the batch was used elsewhere; making it again");
            attempt = when_committed(self.attempt(&placements)).await;
        }
        match attempt {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            // No use in asking one by one whether the database is away; callers repeat with their keys.
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = ?error, orders = placements.len(), "no orders can be placed");
                placements.iter().map(|_| Err(no_database())).collect()
            }
            Err(error) => {
                tracing::warn!(error = ?error, orders = placements.len(), "batch failed; trying its orders one by one");
                let mut outcomes = Vec::with_capacity(placements.len());
                for placement in placements {
                    outcomes.push(self.decide_alone(placement).await);
                }
                outcomes
            }
        }
    }

    /// A transaction of its own for one placement, repeated when it loses a race.
    async fn decide_alone(&mut self, placement: &Placement) -> Result<Outcome, OrderError> {
        for pause_ms in [5, 25] {
            match when_committed(self.attempt(&[placement])).await {
                Ok(outcomes) => return outcomes.into_iter().next().ok_or(OrderError::Overloaded),
                Err(error) if error.is_lost_race() || idempotency::is_taken(&error) => {
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await
                }
                Err(error) => return Err(error.into()),
            }
        }
        when_committed(self.attempt(&[placement])).await?.into_iter().next().ok_or(OrderError::Overloaded)
    }

    /// One transaction. The connection is kept only if it is known to be outside of one afterwards.
    async fn attempt(&mut self, placements: &[&Placement]) -> Result<Vec<Outcome>, DbError> {
        let mut warm = match self.conn.take() {
            Some(warm) => warm,
            None => Warm::new(self.connect().await?),
        };
        let began = Instant::now();
        let outcome = tokio::time::timeout(PATIENCE, async {
            // A panic belongs to the order that caused it: the batch fails like any other, and its orders are tried one by one.
            // Its connection is in the middle of something and goes.
            let result = AssertUnwindSafe(transact(&mut warm, placements)).catch_unwind().await;
            let Ok(result) = result else {
                kernel::panics::count();
                return (Err(panicked().into()), false);
            };
            let result = result.map_err(DbError::from);
            let is_usable = match &result {
                Ok(_) => true,
                Err(error) => !error.is_read_only() && warm.conn.batch_execute("ROLLBACK").await.is_ok(),
            };
            (result, is_usable)
        });
        let outcome = outcome.await;
        metrics::batch_took(began.elapsed());
        match outcome {
            Ok((result, is_usable)) => {
                self.conn = is_usable.then_some(warm);
                result
            }
            // A database that says nothing at all: the connection goes, and whoever repeats the request finds out by its key
            // whether this was committed.
            Err(elapsed) => Err(DbError::Pool(Box::new(elapsed))),
        }
    }

    async fn connect(&self) -> Result<PgConn, DbError> {
        let settings =
            PoolSettings { application_name: "oms-intake", session: db::BY_INDEX, ..PoolSettings::default() };
        let connecting = db::connect(&self.settings.database_url, &settings);
        match tokio::time::timeout(Duration::from_secs(2), connecting).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(DbError::Pool(Box::new(error))),
            Err(elapsed) => Err(DbError::Pool(Box::new(elapsed))),
        }
    }
}

/// What a batch in which something panicked says. The panic itself is in the log, with its place.
fn panicked() -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError("deciding the placements panicked".into())
}
