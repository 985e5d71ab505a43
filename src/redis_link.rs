//! The connection to Redis, which helps when it is there and is never waited for when it is not.
//!
//! A question is answered within a few milliseconds or not at all. Whoever gets no answer does without, and for a moment
//! nobody asks; then one task looks in the background whether Redis is back.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kernel::metrics::{self, Counter, KeyValue};
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::config::Secret;

static QUESTIONS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Questions to Redis: answered, failed (then nobody asks for a moment), or skipped because it is away.";
    metrics::counter("oms_redis_questions", about)
});

/// How long an answer may take. Redis takes a fraction of a millisecond.
pub const PATIENCE: Duration = Duration::from_millis(20);
/// How long nobody asks after there was no answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it may take to open a connection; nobody waits for it.
const CONNECTING: Duration = Duration::from_secs(1);

/// A connection to Redis that may be there or not. Cheap to clone.
#[derive(Clone, Default)]
pub struct RedisLink(Option<Arc<Link>>);

struct Link {
    client: Client,
    state: Mutex<State>,
}

struct State {
    now: Now,
    /// Tells connections apart, so that a late failure of an old one does not close the new one.
    number: u64,
    /// Whether the log knows that Redis is away.
    told: bool,
}

enum Now {
    Here(MultiplexedConnection),
    Opening,
    Away { again_at: Instant },
}

impl RedisLink {
    /// A link to the Redis at `url`. Connects when it is first used.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(url: Option<&Secret>) -> RedisResult<Self> {
        let Some(url) = url else { return Ok(Self(None)) };
        let state = State { now: Now::Away { again_at: Instant::now() }, number: 0, told: false };
        Ok(Self(Some(Arc::new(Link { client: Client::open(url.expose())?, state: Mutex::new(state) }))))
    }

    /// Asks Redis. `None` when there is none, when it is away, and when it does not answer in time.
    pub async fn ask<T>(&self, question: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>) -> Option<T> {
        let link = self.0.as_ref()?;
        let count = |outcome| QUESTIONS.add(1, &[KeyValue::new("outcome", outcome)]);
        let Some((conn, number)) = link.connection() else {
            count("skipped");
            return None;
        };
        let why = match timeout(PATIENCE, question(conn)).await {
            Ok(Ok(answer)) => {
                count("answered");
                return Some(answer);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        count("failed");
        link.lose(number, &why);
        None
    }

    /// Whether there is to be one.
    pub fn is_configured(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it answers.
    pub async fn answers(&self) -> bool {
        self.ask(async |mut conn| redis::cmd("PING").query_async::<String>(&mut conn).await).await.is_some()
    }
}

impl Link {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if there is one. If there is none and it is time, one is opened behind the caller's back.
    fn connection(self: &Arc<Self>) -> Option<(MultiplexedConnection, u64)> {
        let mut state = self.state();
        match &state.now {
            Now::Here(conn) => return Some((conn.clone(), state.number)),
            Now::Opening => return None,
            Now::Away { again_at } if *again_at > Instant::now() => return None,
            Now::Away { .. } => {}
        }
        state.now = Now::Opening;
        drop(state);
        let link = self.clone();
        tokio::spawn(async move {
            let outcome = timeout(CONNECTING, link.open()).await;
            match outcome {
                Ok(Ok(conn)) => link.found(conn),
                Ok(Err(error)) => link.not_found(&error.to_string()),
                Err(_elapsed) => link.not_found("no answer in time"),
            }
        });
        None
    }

    async fn open(&self) -> Result<MultiplexedConnection, RedisError> {
        let settings = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECTING));
        let mut conn = self.client.get_multiplexed_async_connection_with_config(&settings).await?;
        redis::cmd("PING").query_async::<String>(&mut conn).await?;
        Ok(conn)
    }

    fn found(&self, conn: MultiplexedConnection) {
        let mut state = self.state();
        state.number += 1;
        state.now = Now::Here(conn);
        if std::mem::take(&mut state.told) {
            tracing::info!("Redis is back");
        }
    }

    fn not_found(&self, why: &str) {
        let number = self.state().number;
        self.lose(number, why);
    }

    /// Gives up the connection with that number.
    fn lose(&self, number: u64, why: &str) {
        let mut state = self.state();
        if state.number != number || matches!(state.now, Now::Away { .. }) {
            return;
        }
        state.now = Now::Away { again_at: Instant::now() + PAUSE };
        if !std::mem::replace(&mut state.told, true) {
            tracing::warn!(why, "Redis does not answer; going on without it");
        }
    }
}
