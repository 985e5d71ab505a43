//! Counts how often somebody does something, and says when it is too often.
//!
//! Every process counts by itself, always. With Redis, what one process lets pass is counted a second time there, for all of
//! them together. When Redis is away or slow its opinion is not waited for, and what this process has counted is what holds.

mod local;
mod pace;
mod shared;

use std::{cell::Cell, future::Future, time::Duration};

use async_trait::async_trait;
use kernel::{
    SharedClock,
    limit::{Limiter, Quota, Standing, TooMany},
};

use self::{local::Local, shared::Shared};
use crate::redis_link::RedisLink;

tokio::task_local! {
    static WAIT: Cell<Option<Duration>>;
}

/// Counts for the whole process, and through Redis for all processes.
pub struct Turnstile {
    clock: SharedClock,
    local: Local,
    shared: Shared,
}

impl Turnstile {
    /// Nothing is counted yet. Takes the time from `clock`; Redis has a clock of its own, which is the same for everybody.
    pub fn new(clock: SharedClock, redis: RedisLink) -> Self {
        Self { clock, local: Local::default(), shared: Shared::new(redis) }
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_micros()
    }
}

/// Runs a request; also answers how long its client should wait if the request was refused somewhere on its way.
pub async fn watching<F: Future>(work: F) -> (F::Output, Option<Duration>) {
    WAIT.scope(Cell::new(None), async {
        let output = work.await;
        (output, WAIT.with(Cell::get))
    })
    .await
}

#[async_trait]
impl Limiter for Turnstile {
    async fn take(&self, quota: Quota, key: &str) -> Result<Standing, TooMany> {
        let outcome = match self.local.take(quota, key, self.now()) {
            Err(too_many) => Err(too_many),
            Ok(here) => match self.shared.take(quota, key).await {
                None => Ok(here),
                Some(Ok(everywhere)) if everywhere.remaining < here.remaining => Ok(everywhere),
                Some(Ok(_)) => Ok(here),
                Some(Err(too_many)) => {
                    self.local.give_back(quota, key, self.now());
                    Err(too_many)
                }
            },
        };
        if let Err(TooMany { retry_after }) = outcome {
            // Outside of a request there is nobody to be told.
            let _told = WAIT.try_with(|wait| wait.set(Some(retry_after)));
        }
        outcome
    }

    async fn give_back(&self, quota: Quota, key: &str) {
        self.local.give_back(quota, key, self.now());
        self.shared.give_back(quota, key).await;
    }
}
