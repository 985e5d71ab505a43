//! Jobs as the modules see them: a struct with a stable name, put into the queue by the transaction that asks for it.
//!
//! A job commits or vanishes with the work that wanted it. The queue engine (`modules/jobs`) claims and runs it; the
//! composition root says which handler belongs to which name. Any job may run twice, so handlers are idempotent.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, LazyLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    PgConn, cached_sql,
    metrics::{self, Counter, KeyValue},
    request,
};

static ENQUEUED: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_jobs_enqueued", "Jobs that this process has asked for."));

/// Which line a job stands in, so that bulk work cannot starve payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Money and stock: settling payments, refunds, expiry.
    Urgent,
    /// Everything that can wait a moment: mail, pruning.
    Bulk,
    /// The mock gateway's own deliveries, worked by `oms gateway`.
    Gateway,
}

impl Queue {
    /// Every line there is.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Bulk, Self::Gateway];

    /// The name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Bulk => "bulk",
            Self::Gateway => "gateway",
        }
    }
}

/// Something to be done later: ids inside, not data.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The stable name, `module.verb_noun`. Never reused for something else.
    const KIND: &'static str;
    /// The line it stands in.
    const QUEUE: Queue;
    /// How often it is tried before it is dead.
    const MAX_ATTEMPTS: i16 = 20;
    /// The longest pause between two attempts.
    const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
    /// What it is about, for `unique_key`: while a job of this kind with this key is waiting or running, another one is not
    /// added. `None`: every one counts.
    fn unique_key(&self) -> Option<String> {
        None
    }
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The effect is there (or was there already).
    Done,
    /// Not yet; try again after a pause that grows.
    Retry(String),
    /// It can never work; keep it where people can see it.
    GiveUp(String),
}

impl<E: std::error::Error> From<Result<(), E>> for Outcome {
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => {
                let mut text = error.to_string();
                let mut source = error.source();
                while let Some(cause) = source {
                    text.push_str(": ");
                    text.push_str(&cause.to_string());
                    source = cause.source();
                }
                Self::Retry(text)
            }
        }
    }
}

/// The job that is being run.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// Its row.
    pub id: i64,
    /// Which attempt this is, from 1.
    pub attempt: i16,
    /// After which attempt it is dead.
    pub max_attempts: i16,
    /// The worker's claim on it.
    pub lease_token: Uuid,
}

cached_sql! {
    CompleteIn(id: st::BigInt = i64, lease: st::Uuid = Uuid, attempt: st::SmallInt = i16) -> st::Untyped,
    "UPDATE jobs.jobs SET state = 'finished', finished_at = now(), lease_token = NULL \
     WHERE id = $1 AND lease_token = $2 AND attempt = $3 AND state = 'in_progress'"
}

impl JobContext {
    /// Marks the job as finished in the handler's own transaction, so that effect and mark commit together: exactly once.
    /// Joins the caller's transaction.
    ///
    /// # Errors
    /// `RollbackTransaction` when the job is no longer ours (its lease ran out and another worker has it).
    pub async fn complete_in(&self, conn: &mut PgConn) -> QueryResult<()> {
        let done = CompleteIn { id: &self.id, lease: &self.lease_token, attempt: &self.attempt }.execute(conn).await?;
        if done == 1 { Ok(()) } else { Err(diesel::result::Error::RollbackTransaction) }
    }
}

/// Runs the jobs of one kind.
pub type Handler = Arc<dyn Fn(Value, JobContext) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// A job that is enqueued again and again.
#[derive(Clone)]
pub struct Schedule {
    /// Its name in the `jobs.schedules` table; the job's kind.
    pub kind: &'static str,
    /// The line it stands in.
    pub queue: Queue,
    /// How often.
    pub every: Duration,
    /// The arguments of the job.
    pub args: Value,
}

/// Which handler belongs to which name, and what runs periodically. Built once, in the composition root.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: HashMap<&'static str, Handler>,
    pauses: HashMap<&'static str, Duration>,
    schedules: Vec<Schedule>,
}

impl Registry {
    /// Nothing registered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers the handler of `J`.
    #[must_use]
    pub fn on<J, F, Fut>(mut self, handler: F) -> Self
    where
        J: Job,
        F: Fn(J, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |args, context| match serde_json::from_value::<J>(args) {
            Ok(job) => Box::pin(handler(job, context)),
            Err(error) => Box::pin(std::future::ready(Outcome::GiveUp(format!(
                "arguments of {} cannot be read: {error}",
                J::KIND
            )))),
        });
        self.handlers.insert(J::KIND, handler);
        self.pauses.insert(J::KIND, J::LONGEST_PAUSE);
        self
    }

    /// Enqueues `job` every so often, once for all processes together.
    #[must_use]
    pub fn every<J: Job>(mut self, every: Duration, job: &J) -> Self {
        let args = serde_json::to_value(job).unwrap_or_else(|_unserialisable| json!({}));
        self.schedules.push(Schedule { kind: J::KIND, queue: J::QUEUE, every, args });
        self
    }

    /// The handler of a kind.
    pub fn handler(&self, kind: &str) -> Option<Handler> {
        self.handlers.get(kind).cloned()
    }

    /// The longest pause between two attempts at a job of a kind; none is known of a kind without a handler.
    pub fn longest_pause(&self, kind: &str) -> Option<Duration> {
        self.pauses.get(kind).copied()
    }

    /// All kinds that have a handler, sorted.
    pub fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<_> = self.handlers.keys().copied().collect();
        kinds.sort_unstable();
        kinds
    }

    /// All periodic jobs.
    pub fn schedules(&self) -> &[Schedule] {
        &self.schedules
    }
}

/// A job on its way into the table, for statements that write many at once.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The line.
    pub queue: &'static str,
    /// The name.
    pub kind: &'static str,
    /// The arguments.
    pub args: Value,
    /// Attempts at most.
    pub max_attempts: i16,
    /// See [`Job::unique_key`].
    pub unique_key: Option<String>,
    /// Request id and traceparent.
    pub meta: Value,
    /// Not before; `None` means at once.
    pub run_at: Option<DateTime<Utc>>,
}

impl NewJob {
    /// `job`, to be run at once.
    ///
    /// # Errors
    /// When the job cannot be serialised.
    pub fn new<J: Job>(job: &J) -> QueryResult<Self> {
        let args =
            serde_json::to_value(job).map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
        Ok(Self {
            queue: J::QUEUE.name(),
            kind: J::KIND,
            args,
            max_attempts: J::MAX_ATTEMPTS,
            unique_key: job.unique_key(),
            meta: request::current().to_meta(),
            run_at: None,
        })
    }

    /// The same, but as part of the request described by `context` instead of the present one.
    #[must_use]
    pub fn of_request(mut self, context: &request::Context) -> Self {
        self.meta = context.to_meta();
        self
    }

    /// The same, but not before `at`.
    #[must_use]
    pub fn at(mut self, at: DateTime<Utc>) -> Self {
        self.run_at = Some(at);
        self
    }
}

cached_sql! {
    /// For jobs that may be asked for as often as one likes: nothing is looked for and nothing taken back.
    Insert(
        queues: st::Array<st::Text> = Vec<&'static str>, kinds: st::Array<st::Text> = Vec<&'static str>, args: st::Array<st::Jsonb> = Vec<&'a Value>,
        max_attempts: st::Array<st::SmallInt> = Vec<i16>, meta: st::Array<st::Jsonb> = Vec<&'a Value>,
        run_at: st::Array<st::Nullable<st::Timestamptz>> = Vec<Option<DateTime<Utc>>>,
    ) -> st::Untyped,
    "INSERT INTO jobs.jobs (queue, kind, args, max_attempts, meta, scheduled_at) SELECT q, k, a, m, t, coalesce(s, now()) \
     FROM (SELECT unnest($1) AS q, unnest($2) AS k, unnest($3) AS a, unnest($4) AS m, unnest($5) AS t, unnest($6) AS s) AS x"
}

cached_sql! {
    /// Where some may not be asked for twice.
    InsertUnique(
        queues: st::Array<st::Text> = Vec<&'static str>, kinds: st::Array<st::Text> = Vec<&'static str>, args: st::Array<st::Jsonb> = Vec<&'a Value>,
        max_attempts: st::Array<st::SmallInt> = Vec<i16>, meta: st::Array<st::Jsonb> = Vec<&'a Value>,
        run_at: st::Array<st::Nullable<st::Timestamptz>> = Vec<Option<DateTime<Utc>>>,
        unique_keys: st::Array<st::Nullable<st::Text>> = Vec<Option<&'a str>>,
    ) -> st::Untyped,
    "INSERT INTO jobs.jobs (queue, kind, args, max_attempts, meta, scheduled_at, unique_key) SELECT q, k, a, m, t, coalesce(s, now()), u \
     FROM (SELECT unnest($1) AS q, unnest($2) AS k, unnest($3) AS a, unnest($4) AS m, unnest($5) AS t, unnest($6) AS s, \
       unnest($7) AS u) AS x \
     ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL AND state IN ('new', 'retried', 'in_progress') DO NOTHING"
}

/// Puts rows into the queue with one statement, which is another one when a job has a unique key; the shared reference lets
/// the intake, whose jobs have none, send it together with its other writes. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn insert(conn: &PgConn, jobs: &[NewJob]) -> QueryResult<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let (queues, kinds) = (&jobs.iter().map(|job| job.queue).collect(), &jobs.iter().map(|job| job.kind).collect());
    let (args, meta) = (&jobs.iter().map(|job| &job.args).collect(), &jobs.iter().map(|job| &job.meta).collect());
    let max_attempts = &jobs.iter().map(|job| job.max_attempts).collect();
    let run_at = &jobs.iter().map(|job| job.run_at).collect();
    if jobs.iter().all(|job| job.unique_key.is_none()) {
        Insert { queues, kinds, args, max_attempts, meta, run_at }.execute(&mut &*conn).await?;
    } else {
        let unique_keys = &jobs.iter().map(|job| job.unique_key.as_deref()).collect();
        InsertUnique { queues, kinds, args, max_attempts, meta, run_at, unique_keys }.execute(&mut &*conn).await?;
    }
    for NewJob { kind, .. } in jobs {
        let kind = *kind;
        metrics::on_commit(move || ENQUEUED.add(1, &[KeyValue::new("kind", kind)]));
    }
    Ok(())
}

/// Puts one job into the queue. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn enqueue<J: Job>(conn: &mut PgConn, job: &J) -> QueryResult<()> {
    insert(conn, &[NewJob::new(job)?]).await
}

/// Puts many jobs of one kind into the queue with one statement. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn enqueue_many<J: Job>(conn: &mut PgConn, jobs: &[J]) -> QueryResult<()> {
    let jobs = jobs.iter().map(NewJob::new).collect::<QueryResult<Vec<_>>>()?;
    insert(conn, &jobs).await
}

static ANNOUNCED: Notify = Notify::const_new();

/// Says that jobs may have been committed. Called after COMMIT, never inside a transaction (NOTIFY in the business
/// transaction cut commits to a third); losing it costs a poll interval, nothing else.
pub fn announce() {
    ANNOUNCED.notify_one();
}

/// Waits for the next [`announce`]. There is one listener in a process: the queue engine's waker.
pub async fn announced() {
    ANNOUNCED.notified().await;
}
