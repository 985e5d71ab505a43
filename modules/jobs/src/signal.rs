//! Telling other processes that there are jobs, and hearing it from them: NOTIFY and LISTEN, on a connection of their
//! own and after COMMIT. It makes things fast; what makes them certain is that everybody also polls.

use std::{pin::pin, sync::Arc, time::Duration};

use diesel::sql_types as st;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::StreamExt;
use kernel::{
    DbError, PgConn,
    db::{self, PoolSettings},
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    JobsError, announcer::announcements, outage::Outage, shared::Failure, sql::CHANNEL, supervise::keep_going,
};

/// At most a hundred NOTIFYs a second: each takes a lock that all of PostgreSQL shares.
const DEBOUNCE: Duration = Duration::from_millis(10);
/// A lost connection shows only when it is used.
const PING: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(5);

/// Passes the announcements of this process on to others, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends it"]
pub struct Notifier(JoinHandle<()>);

impl Drop for Notifier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// For a process that enqueues but runs no jobs itself (`oms serve --no-worker`). Call it on a tokio runtime.
pub fn notify_only(database_url: &str) -> Notifier {
    let url = database_url.to_owned();
    Notifier(tokio::spawn(keep_going("notifying", move || exchange(url.clone(), None::<fn()>))))
}

/// The same, and calls `heard` whenever another process has announced something, or may have while we were not listening.
pub(crate) fn notify_and_listen(database_url: &str, heard: impl Fn() + Send + Sync + 'static) -> Notifier {
    let (url, heard) = (database_url.to_owned(), Arc::new(heard));
    Notifier(tokio::spawn(keep_going("listening", move || {
        let heard = Arc::clone(&heard);
        exchange(url.clone(), Some(move || heard()))
    })))
}

async fn exchange<F: Fn()>(url: String, heard: Option<F>) {
    let mut announcements = announcements();
    let mut outage = Outage::new("tell other processes of new jobs");
    loop {
        let failure = match timeout(PATIENCE, connect(&url, heard.is_some())).await {
            Ok(Ok((mut conn, backend))) => {
                outage.over();
                // Whatever was committed while nobody listened.
                if let Some(heard) = &heard {
                    heard();
                }
                converse(&mut conn, backend, &mut announcements, heard.as_ref()).await
            }
            Ok(Err(error)) => Failure::Said(error),
            Err(_elapsed) => Failure::Silent,
        };
        sleep(outage.failed(&failure)).await;
    }
}

enum Event {
    Heard { from: i32 },
    Announced,
    Quiet,
    Ended,
}

async fn connect(url: &str, listen: bool) -> Result<(PgConn, i32), JobsError> {
    let settings = PoolSettings { application_name: "oms jobs signal", ..PoolSettings::default() };
    let mut conn = db::connect(url, &settings).await.map_err(|error| DbError::Pool(Box::new(error)))?;
    let backend = diesel::select(diesel::dsl::sql::<st::Integer>("pg_backend_pid()")).get_result(&mut conn).await?;
    if listen {
        conn.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    }
    Ok((conn, backend))
}

/// Talks and listens until the connection is gone.
async fn converse<F: Fn()>(
    conn: &mut PgConn,
    backend: i32,
    announcements: &mut watch::Receiver<()>,
    heard: Option<&F>,
) -> Failure {
    let mut quiet_until = Instant::now();
    loop {
        let event = {
            let mut notifications = pin!(conn.notifications_stream());
            tokio::select! {
                notification = notifications.next() => match notification {
                    Some(Ok(notification)) => Event::Heard { from: notification.process_id },
                    Some(Err(_)) | None => Event::Ended,
                },
                () = async {
                    sleep_until(quiet_until).await;
                    if announcements.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                } => Event::Announced,
                () = sleep(PING) => Event::Quiet,
            }
        };
        let statement = match event {
            Event::Heard { from } => {
                // What we said ourselves, this process knows already.
                if from != backend
                    && let Some(heard) = heard
                {
                    heard();
                }
                continue;
            }
            Event::Announced => {
                quiet_until = Instant::now() + DEBOUNCE;
                format!("NOTIFY {CHANNEL}")
            }
            Event::Quiet => "SELECT 1".to_owned(),
            Event::Ended => return Failure::Silent,
        };
        // Never dropped half-way but for a connection that is lost anyway.
        match timeout(PATIENCE, conn.batch_execute(&statement)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Failure::Said(error.into()),
            Err(_elapsed) => return Failure::Silent,
        }
    }
}

/// Tells the workers of all processes that there may be jobs. Not inside a transaction that matters: it takes a lock
/// that all of PostgreSQL shares until COMMIT.
///
/// # Errors
/// What the database said.
pub async fn notify(conn: &mut PgConn) -> diesel::QueryResult<()> {
    conn.batch_execute(&format!("NOTIFY {CHANNEL}")).await
}
