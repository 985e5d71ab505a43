//! The database of one test.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use kernel::{
    PgConn, Pool,
    db::{self, PoolSettings},
};
use tokio::sync::oneshot;

use crate::{
    Failure, admin, give_up,
    run::{describe, server},
    template::{template, test_name},
};

/// A database that belongs to one test and is dropped with this value, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
}

impl TestDatabase {
    /// A database with all migrations applied and no rows but theirs.
    ///
    /// # Panics
    /// When it cannot be had; the message says why and what to do.
    pub async fn new() -> Self {
        Self::create(true).await
    }

    /// A database without anything, for tests of the migrations themselves.
    ///
    /// # Panics
    /// When it cannot be had; the message says why and what to do.
    pub async fn empty() -> Self {
        Self::create(false).await
    }

    async fn create(migrated: bool) -> Self {
        blocking(move || create(migrated)).await.unwrap_or_else(|failure| give_up(&*failure))
    }

    /// The URL to connect with.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A pool of eight connections, more patient than that of the server: other tests are busy on the same machine.
    /// For other settings use [`kernel::db::pool`] with [`url`](Self::url).
    pub fn pool(&self) -> Pool {
        db::pool(&self.url, settings())
    }

    /// One connection, set up like those of the pool.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn connect(&self) -> PgConn {
        db::connect(&self.url, &settings()).await.unwrap_or_else(|error| give_up(&error))
    }
}

fn settings() -> PoolSettings {
    PoolSettings {
        wait: Duration::from_secs(10),
        application_name: "oms test",
        statement_timeout: Duration::from_secs(30),
        ..PoolSettings::default()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        let dropped = thread::Builder::new()
            .name("testkit-drop".to_owned())
            .spawn(move || admin::drop_database(&mut server()?.admin()?, &name));
        // Wait for it: with a process per test, the process ends right after the test.
        let problem = match dropped.map(thread::JoinHandle::join) {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(failure))) => describe(&*failure),
            Ok(Err(_)) => "the thread panicked".to_owned(),
            Err(error) => error.to_string(),
        };
        // Not a reason to fail a test that has passed: the next run drops it.
        eprintln!("testkit: {} was not dropped: {problem}", self.name);
    }
}

fn create(migrated: bool) -> Result<TestDatabase, Failure> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let server = server()?;
    let template = if migrated { template(server)? } else { "template0" };
    let name = test_name(NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut conn = server.admin()?;
    let strategy = server.copy_strategy();
    admin::execute(&mut conn, &format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}"))?;
    Ok(TestDatabase { url: server.url(&name), name })
}

/// Runs blocking work on a thread outside the caller's runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (answer, answered) = oneshot::channel();
    thread::Builder::new().name("testkit".to_owned()).spawn(move || {
        // Nobody listens any more when the test has been given up meanwhile.
        let _ = answer.send(work());
    })?;
    answered.await?
}
