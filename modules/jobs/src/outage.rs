//! A loop that cannot reach the database says so once, waits longer each time, and says when it is over.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The state of one loop's contact with the database.
pub(crate) struct Outage {
    doing: &'static str,
    since: Option<Instant>,
    pause: Duration,
}

impl Outage {
    /// `doing` completes the sentence "the job queue cannot …".
    pub(crate) const fn new(doing: &'static str) -> Self {
        Self { doing, since: None, pause: FIRST_PAUSE }
    }

    /// One more failure; answers how long to wait before the next attempt.
    pub(crate) fn failed(&mut self, error: &dyn Debug) -> Duration {
        if self.since.is_none() {
            tracing::warn!(doing = self.doing, error = ?error, "the job queue has lost the database and will try again until it is back");
            self.since = Some(Instant::now());
        } else {
            tracing::debug!(doing = self.doing, error = ?error, "the job queue still has no database");
        }
        let pause = self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// It worked.
    pub(crate) fn over(&mut self) {
        if let Some(since) = self.since.take() {
            let lasted = since.elapsed();
            tracing::info!(
                doing = self.doing,
                outage_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX),
                "the job queue has the database back"
            );
        }
        self.pause = FIRST_PAUSE;
    }
}
