//! Orders as files that an operator can take away: asked for, written by a job, kept for a day.
//!
//! The link to a file carries a token that is derived from the server's secret and the export (see [`Files`]), so there is
//! nothing to store that could leak, every look at the export shows the same link, and a link ends when its file does.

mod csv;
mod files;
mod run;
mod sweep;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{
    Caller, Job, PgConn, Queue, UserId,
    idempotency::Ticket,
    job::Registry,
    trail::{self, Subject},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::files::Files;
use crate::{
    Orders,
    api::desk_dto::ExportView,
    error::OrderError,
    once::{self, Answer},
    query::DeskFilter,
    schema::orders::exports,
    status::words,
};

/// How long a file can be fetched.
pub const KEPT_HOURS: i64 = 24;

kernel::typed_id!(
    /// An export.
    ExportId
);

words! {
    /// What is in an export
    pub enum ExportWhat {
        /// A row for each order
        Orders = "orders",
        /// A row for each line of an order
        Lines = "lines",
    }
}

words! {
    /// How far an export is
    pub enum ExportState {
        /// Waiting for a worker
        Queued = "queued",
        /// Being written
        Running = "running",
        /// Ready to be fetched
        Done = "done",
        /// It could not be written
        Failed = "failed",
        /// The file is gone; ask for a new one
        Expired = "expired",
    }
}

/// An export.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = exports)]
pub struct Export {
    /// Its identifier. What was ordered after it was minted is not in it.
    pub id: ExportId,
    /// Who asked for it.
    pub requested_by: UserId,
    /// What is in it.
    pub what: ExportWhat,
    /// Of which orders.
    pub filter: Value,
    /// How far it is.
    pub state: ExportState,
    /// Rows, without the header.
    pub row_count: Option<i64>,
    /// Bytes.
    pub size_bytes: Option<i64>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done, or given up.
    pub finished_at: Option<DateTime<Utc>>,
    /// When its file goes.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A place in a list of exports.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AfterExport {
    /// The last one shown.
    pub id: ExportId,
}

/// Asks for a file. It is written by a job.
///
/// # Errors
/// [`OrderError::KeyReused`]; what the database said.
pub async fn request_export(
    conn: &mut PgConn,
    caller: Caller,
    what: ExportWhat,
    filter: &DeskFilter,
    ticket: &Ticket,
    at: DateTime<Utc>,
) -> Result<Answer<ExportView>, OrderError> {
    conn.transaction(async |conn| {
        if let Some(answer) = once::claimed(conn, ticket, at).await? {
            return Ok(answer);
        }
        let filter = serde_json::to_value(filter).map_err(|error| OrderError::Inconsistent(error.to_string()))?;
        let export = Export {
            id: ExportId::new(),
            requested_by: caller.user_id,
            what,
            filter,
            state: ExportState::Queued,
            row_count: None,
            size_bytes: None,
            created_at: at,
            started_at: None,
            finished_at: None,
            expires_at: None,
        };
        diesel::insert_into(exports::table).values(&export).execute(conn).await?;
        kernel::enqueue(conn, &RunExport { export_id: export.id }).await?;
        let (subject, asked) =
            (Subject::new("export", export.id.as_uuid()), json!({ "what": export.what.to_string() }));
        trail::record(conn, caller.into(), "export.requested", subject, asked, at).await?;
        once::completed(conn, ticket, 202, &ExportView::of(export, None)).await
    })
    .await
}

/// Somebody's exports, newest first.
///
/// # Errors
/// What the database said.
pub async fn list_exports(
    conn: &mut PgConn,
    requested_by: UserId,
    after: Option<AfterExport>,
    limit: i64,
) -> QueryResult<Vec<Export>> {
    let mut query = exports::table
        .filter(exports::requested_by.eq(requested_by))
        .order(exports::id.desc())
        .limit(limit)
        .select(Export::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(exports::id.lt(after.id));
    }
    query.load(conn).await
}

/// An export, whoever asked for it.
///
/// # Errors
/// What the database said.
pub async fn find_export(conn: &mut PgConn, id: ExportId) -> QueryResult<Option<Export>> {
    exports::table.find(id).select(Export::as_select()).first(conn).await.optional()
}

/// Writes the file of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunExport {
    /// Which export.
    pub export_id: ExportId,
}

impl Job for RunExport {
    const KIND: &'static str = "orders.run_export";
    const QUEUE: Queue = Queue::Bulk;
    const MAX_ATTEMPTS: i16 = 5;
}

/// Removes files that are a day old; runs periodically.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweepExports {}

impl Job for SweepExports {
    const KIND: &'static str = "orders.sweep_exports";
    const QUEUE: Queue = Queue::Bulk;
}

/// Registers the jobs about exports.
pub fn register(registry: Registry, orders: &Orders) -> Registry {
    let (writer, sweeper) = (orders.clone(), orders.clone());
    registry
        .on(move |job: RunExport, context| {
            let orders = writer.clone();
            async move { run::run(&orders, job.export_id, &context).await }
        })
        .on(move |_job: SweepExports, _context| {
            let orders = sweeper.clone();
            async move { sweep::sweep(&orders).await.into() }
        })
        .every(std::time::Duration::from_secs(3_600), &SweepExports {})
}
