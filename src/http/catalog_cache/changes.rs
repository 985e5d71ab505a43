//! How often the catalog has changed, counted in Redis for all processes.

use std::sync::OnceLock;

use redis::{ExistenceCheck, SetOptions};
use tokio::sync::{mpsc, oneshot};

use crate::redis_link::RedisLink;

/// Where the count is.
const CHANGES: &str = "oms:catalog:changes";

/// Whoever waits for the count.
type Asker = oneshot::Sender<Option<i64>>;

/// The count, asked for whoever is waiting, once for all of them: what comes while Redis is asked shares the next question.
pub(super) struct Changes {
    redis: RedisLink,
    askers: OnceLock<mpsc::UnboundedSender<Asker>>,
}

impl Changes {
    pub(super) fn new(redis: RedisLink) -> Self {
        Self { redis, askers: OnceLock::new() }
    }

    /// The count, asked after the call; `None` without Redis, and when it does not answer in time.
    pub(super) async fn count(&self) -> Option<i64> {
        if !self.redis.is_configured() {
            return None;
        }
        let askers = self.askers.get_or_init(|| {
            let (askers, waiting) = mpsc::unbounded_channel();
            tokio::spawn(answer(self.redis.clone(), waiting));
            askers
        });
        let (asker, count) = oneshot::channel();
        askers.send(asker).ok()?;
        count.await.ok()?
    }

    /// Counts a change.
    pub(super) async fn one_more(&self) {
        let _told =
            self.redis.ask(async |mut conn| redis::cmd("INCR").arg(CHANGES).query_async::<i64>(&mut conn).await).await;
    }
}

async fn answer(redis: RedisLink, mut waiting: mpsc::UnboundedReceiver<Asker>) {
    let mut askers = Vec::new();
    while waiting.recv_many(&mut askers, usize::MAX).await > 0 {
        let count = ask(&redis).await;
        for asker in askers.drain(..) {
            // Whoever has gone does not want to know.
            let _gone = asker.send(count);
        }
    }
}

async fn ask(redis: &RedisLink) -> Option<i64> {
    let get = async |mut conn: redis::aio::MultiplexedConnection| {
        redis::cmd("GET").arg(CHANGES).query_async::<Option<i64>>(&mut conn).await
    };
    if let Some(count) = redis.ask(get).await? {
        return Some(count);
    }
    // A Redis that has forgotten everything begins somewhere else, so that no count comes twice.
    let begin = i64::from(rand::random::<u32>()) << 20;
    redis
        .ask(async |mut conn| {
            let options = SetOptions::default().conditional_set(ExistenceCheck::NX);
            redis::cmd("SET").arg(CHANGES).arg(begin).arg(options).exec_async(&mut conn).await
        })
        .await?;
    redis.ask(get).await?
}
