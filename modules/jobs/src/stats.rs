//! What an engine has done so far.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use kernel::Queue;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Done.
    Finished,
    /// To be tried again.
    Retried,
    /// Dead: given up, or out of attempts.
    Failed,
    /// Put off, because this process knows no handler for it.
    Snoozed,
    /// Given back uncharged, because this process stops.
    Released,
    /// Broken off, because the lease was lost; another worker has it.
    Lost,
}

impl Ended {
    /// A word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Snoozed => "snoozed",
            Self::Released => "released",
            Self::Lost => "lost",
        }
    }
}

/// One run of one job.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The line it stood in.
    pub queue: Queue,
    /// Its name. Of a job without a handler it is whatever stands in the row, so bound it before it becomes a label.
    pub kind: &'a str,
    /// How it ended.
    pub ended: Ended,
    /// How long it ran.
    pub duration: Duration,
    /// How long it had been ready when it was claimed.
    pub start_lag: Duration,
}

/// Numbers for metrics: three gauges, then counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Workers that have begun and not ended. Equal to `workers` unless something is very wrong.
    pub workers_alive: u64,
    /// Workers there should be.
    pub workers: u64,
    /// Jobs that are claimed and whose end is not written yet.
    pub in_flight: u64,
    /// Jobs claimed.
    pub claimed: u64,
    /// Runs that ended in done.
    pub finished: u64,
    /// Runs that will be tried again.
    pub retried: u64,
    /// Jobs that died.
    pub failed: u64,
    /// Runs put off for want of a handler.
    pub snoozed: u64,
    /// Jobs given back when stopping.
    pub released: u64,
    /// Runs broken off because the lease was lost.
    pub lost: u64,
    /// Panics caught in handlers; each is also a retry or a failure.
    pub panicked: u64,
    /// Attempts that took too long; each is also a retry or a failure.
    pub timed_out: u64,
    /// Jobs this process took from silent workers.
    pub reaped: u64,
    /// Periodic jobs this process put into the queue.
    pub scheduled: u64,
    /// Old rows this process removed.
    pub pruned: u64,
    /// Claim statements sent.
    pub claims: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub seats: AtomicU64,
    pub claimed: AtomicU64,
    pub finished: AtomicU64,
    pub retried: AtomicU64,
    pub failed: AtomicU64,
    pub snoozed: AtomicU64,
    pub released: AtomicU64,
    pub lost: AtomicU64,
    pub panicked: AtomicU64,
    pub timed_out: AtomicU64,
    pub reaped: AtomicU64,
    pub scheduled: AtomicU64,
    pub pruned: AtomicU64,
    pub claims: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
}

impl Counters {
    pub(crate) fn count(&self, ended: Ended) {
        add(
            match ended {
                Ended::Finished => &self.finished,
                Ended::Retried => &self.retried,
                Ended::Failed => &self.failed,
                Ended::Snoozed => &self.snoozed,
                Ended::Released => &self.released,
                Ended::Lost => &self.lost,
            },
            1,
        );
    }

    pub(crate) fn stats(&self, workers: u64, in_flight: u64) -> Stats {
        Stats {
            workers_alive: self.seats.load(Relaxed),
            workers,
            in_flight,
            claimed: self.claimed.load(Relaxed),
            finished: self.finished.load(Relaxed),
            retried: self.retried.load(Relaxed),
            failed: self.failed.load(Relaxed),
            snoozed: self.snoozed.load(Relaxed),
            released: self.released.load(Relaxed),
            lost: self.lost.load(Relaxed),
            panicked: self.panicked.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            reaped: self.reaped.load(Relaxed),
            scheduled: self.scheduled.load(Relaxed),
            pruned: self.pruned.load(Relaxed),
            claims: self.claims.load(Relaxed),
        }
    }
}
