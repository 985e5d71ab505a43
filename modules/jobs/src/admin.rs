//! What an operator can see of the queue and do about it: `oms jobs list`, `show`, `retry`, `cancel`.

use chrono::{DateTime, Utc};
use diesel::{dsl::now, prelude::*, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{PgConn, cached_sql, db::OnConstraint};
use serde::Serialize;
use serde_json::Value;

pub use crate::signal::notify;
use crate::{JobsError, State, schema::jobs::jobs};

/// A job as it stands in the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobView {
    /// Its number.
    pub id: i64,
    /// The line it stands in.
    pub queue: String,
    /// Its name.
    pub kind: String,
    /// Its arguments.
    pub args: Value,
    /// Where it is in its life.
    pub state: State,
    /// Attempts so far.
    pub attempt: i16,
    /// After which attempt it is dead.
    pub max_attempts: i16,
    /// Not before.
    pub scheduled_at: DateTime<Utc>,
    /// Who has it, or had it last: `hostname:pid`.
    pub attempted_by: Option<String>,
    /// What it is about, if there may be only one of it.
    pub unique_key: Option<String>,
    /// The last ten errors: `{at, attempt, error}`.
    pub errors: Value,
    /// The request that asked for it.
    pub meta: Value,
    /// When it was put into the queue.
    pub created_at: DateTime<Utc>,
    /// When it was last claimed.
    pub attempted_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
struct JobRow {
    id: i64,
    queue: String,
    kind: String,
    args: Value,
    state: String,
    attempt: i16,
    max_attempts: i16,
    scheduled_at: DateTime<Utc>,
    attempted_by: Option<String>,
    unique_key: Option<String>,
    errors: Value,
    meta: Value,
    created_at: DateTime<Utc>,
    attempted_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl TryFrom<JobRow> for JobView {
    type Error = diesel::result::Error;

    fn try_from(row: JobRow) -> QueryResult<Self> {
        Ok(Self {
            state: state(&row.state)?,
            id: row.id,
            queue: row.queue,
            kind: row.kind,
            args: row.args,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            scheduled_at: row.scheduled_at,
            attempted_by: row.attempted_by,
            unique_key: row.unique_key,
            errors: row.errors,
            meta: row.meta,
            created_at: row.created_at,
            attempted_at: row.attempted_at,
            finished_at: row.finished_at,
        })
    }
}

fn state(word: &str) -> QueryResult<State> {
    word.parse().map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))
}

/// Which jobs to list; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// In this line.
    pub queue: Option<String>,
    /// With this name.
    pub kind: Option<String>,
    /// Older than this one; for the next page.
    pub before: Option<i64>,
    /// How many at most; 0 means 100.
    pub limit: u32,
}

/// The newest jobs that pass the filter.
///
/// # Errors
/// What the database said.
pub async fn list(conn: &mut PgConn, filter: &Filter) -> Result<Vec<JobView>, JobsError> {
    let limit = if filter.limit == 0 { 100 } else { i64::from(filter.limit) };
    let mut query = jobs::table.select(JobRow::as_select()).order(jobs::id.desc()).limit(limit).into_boxed();
    if let Some(state) = filter.state {
        query = query.filter(jobs::state.eq(state.as_str()));
    }
    if let Some(queue) = &filter.queue {
        query = query.filter(jobs::queue.eq(queue));
    }
    if let Some(kind) = &filter.kind {
        query = query.filter(jobs::kind.eq(kind));
    }
    if let Some(before) = filter.before {
        query = query.filter(jobs::id.lt(before));
    }
    let rows = query.load(conn).await?;
    Ok(rows.into_iter().map(JobView::try_from).collect::<QueryResult<_>>()?)
}

/// One job.
///
/// # Errors
/// [`JobsError::NotFound`], or what the database said.
pub async fn get(conn: &mut PgConn, id: i64) -> Result<JobView, JobsError> {
    let row = jobs::table.find(id).select(JobRow::as_select()).first(conn).await.optional()?;
    Ok(row.ok_or(JobsError::NotFound(id))?.try_into()?)
}

/// Lets a failed, cancelled or waiting job run now, with all of its attempts before it. Its errors stay. Call
/// [`notify`] after COMMIT, or the workers find it at their next poll. Joins the caller's transaction.
///
/// # Errors
/// [`JobsError::NotFound`], [`JobsError::NotRetriable`], [`JobsError::AlreadyQueued`], or what the database said.
pub async fn retry(conn: &mut PgConn, id: i64) -> Result<JobView, JobsError> {
    let retriable = [State::Failed, State::Cancelled, State::New, State::Retried].map(State::as_str);
    let row = diesel::update(jobs::table.find(id).filter(jobs::state.eq_any(retriable)))
        .set((
            jobs::state.eq(State::Retried.as_str()),
            jobs::attempt.eq(0),
            jobs::scheduled_at.eq(now),
            jobs::finished_at.eq(None::<DateTime<Utc>>),
        ))
        .returning(JobRow::as_returning())
        .get_result(conn)
        .await
        .optional()
        .on_constraint("jobs_unique", || JobsError::AlreadyQueued(id))?;
    match row {
        Some(row) => Ok(row.try_into()?),
        None => Err(JobsError::NotRetriable { id, state: get(conn, id).await?.state }),
    }
}

/// Takes a waiting job out of the queue. Joins the caller's transaction.
///
/// # Errors
/// [`JobsError::NotFound`], [`JobsError::NotCancellable`], or what the database said.
pub async fn cancel(conn: &mut PgConn, id: i64) -> Result<JobView, JobsError> {
    let waiting = [State::New, State::Retried].map(State::as_str);
    let row = diesel::update(jobs::table.find(id).filter(jobs::state.eq_any(waiting)))
        .set((
            jobs::state.eq(State::Cancelled.as_str()),
            jobs::finished_at.eq(now.into_sql::<st::Timestamptz>().nullable()),
        ))
        .returning(JobRow::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    match row {
        Some(row) => Ok(row.try_into()?),
        None => Err(JobsError::NotCancellable { id, state: get(conn, id).await?.state }),
    }
}

/// How many jobs of a queue are in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The line.
    pub queue: String,
    /// The state.
    pub state: State,
    /// How many.
    pub count: i64,
    /// Of waiting jobs: for how long the oldest has been ready, in milliseconds. 0 if none is.
    pub oldest_ready_ms: i64,
}

cached_sql! {
    Counts() -> (st::Text, st::Text, st::BigInt, st::BigInt),
    "SELECT queue, state, count(*), \
         coalesce(greatest(extract(epoch FROM now() - min(scheduled_at) FILTER (WHERE state IN ('new', 'retried'))) * 1000, 0), 0)::bigint \
     FROM jobs.jobs GROUP BY queue, state ORDER BY queue, state"
}

/// How many jobs there are, by queue and state.
///
/// # Errors
/// What the database said.
pub async fn counts(conn: &mut PgConn) -> Result<Vec<Count>, JobsError> {
    let rows: Vec<(String, String, i64, i64)> = Counts.load(conn).await?;
    let count = |(queue, word, count, oldest_ready_ms): (String, String, i64, i64)| {
        Ok(Count { queue, state: state(&word)?, count, oldest_ready_ms })
    };
    Ok(rows.into_iter().map(count).collect::<QueryResult<_>>()?)
}

/// What waits in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// The line.
    pub queue: String,
    /// Jobs that could run now.
    pub ready: i64,
    /// Jobs whose time has not come.
    pub scheduled: i64,
    /// Jobs that run.
    pub running: i64,
    /// Dead jobs.
    pub dead: i64,
    /// For how long the oldest ready job has been ready, in milliseconds. 0 if none is.
    pub oldest_ready_ms: i64,
}

cached_sql! {
    // Each part has its partial index; the finished jobs, which are the many, are not touched.
    ReadBacklog() -> (st::Text, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt),
    "SELECT queue, sum(ready)::bigint, sum(scheduled)::bigint, sum(running)::bigint, sum(dead)::bigint, max(oldest_ready_ms)::bigint FROM ( \
         SELECT queue, count(*) FILTER (WHERE scheduled_at <= now()) AS ready, count(*) FILTER (WHERE scheduled_at > now()) AS scheduled, \
             0 AS running, 0 AS dead, greatest(extract(epoch FROM now() - min(scheduled_at)) * 1000, 0) AS oldest_ready_ms \
         FROM jobs.jobs WHERE state IN ('new', 'retried') GROUP BY queue \
         UNION ALL SELECT queue, 0, 0, count(*), 0, 0 FROM jobs.jobs WHERE state = 'in_progress' GROUP BY queue \
         UNION ALL SELECT queue, 0, 0, 0, count(*), 0 FROM jobs.jobs WHERE state = 'failed' GROUP BY queue \
     ) parts GROUP BY queue ORDER BY queue"
}

/// What waits, runs and is dead, by queue. Cheap enough to be asked by every scrape of the metrics.
///
/// # Errors
/// What the database said.
pub async fn backlog(conn: &mut PgConn) -> Result<Vec<Backlog>, JobsError> {
    let rows: Vec<(String, i64, i64, i64, i64, i64)> = ReadBacklog.load(conn).await?;
    let backlog = |(queue, ready, scheduled, running, dead, oldest_ready_ms)| Backlog {
        queue,
        ready,
        scheduled,
        running,
        dead,
        oldest_ready_ms,
    };
    Ok(rows.into_iter().map(backlog).collect())
}

cached_sql! {
    // In two parts, because each has an index of its own.
    Pending() -> st::BigInt,
    "SELECT (SELECT count(*) FROM jobs.jobs WHERE state = 'in_progress' AND lease_token IS NOT NULL) \
     + (SELECT count(*) FROM jobs.jobs WHERE state IN ('new', 'retried') AND scheduled_at <= now())"
}
cached_sql! {
    IsPending(queues: st::Array<st::Text> = Vec<&'static str>) -> st::Bool,
    "SELECT EXISTS (SELECT 1 FROM jobs.jobs WHERE state IN ('new', 'retried') AND scheduled_at <= now() AND queue = ANY($1)) \
     OR EXISTS (SELECT 1 FROM jobs.jobs WHERE state = 'in_progress' AND lease_token IS NOT NULL AND queue = ANY($1))"
}

/// How many jobs are ready or running; those that wait for their time do not count.
///
/// # Errors
/// What the database said.
pub async fn pending(conn: &mut PgConn) -> Result<i64, JobsError> {
    Ok(Pending.get_result(conn).await?)
}

/// Whether a job of these queues, by name, is ready or running. Cheap, however many are waiting.
///
/// # Errors
/// What the database said.
pub async fn is_pending(conn: &mut PgConn, queues: &[&'static str]) -> Result<bool, JobsError> {
    Ok(IsPending { queues: &queues.to_vec() }.get_result(conn).await?)
}
