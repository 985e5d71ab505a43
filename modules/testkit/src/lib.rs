//! A database per test.
//!
//! ```no_run
//! # async fn test() {
//! let database = testkit::TestDatabase::new().await; // migrated, empty, nobody else's
//! let pool = database.pool();
//! # }
//! ```
//!
//! A test gets a copy of a migrated template (about 20 ms) and drops it at its end (10 ms), so tests run side by side, commit
//! what they like, and find the same state every time.
//!
//! The server is found or started by the first test that asks. It is one for all test processes of a checkout, whether
//! `cargo test` runs a process per crate or `cargo nextest` one per test, and it stops a minute or two after the last
//! of them has ended: see [`devdb::SharedCluster`] for how. Set `OMS_TEST_DATABASE_URL` to an administrator's URL to use
//! a server that is already there; the tests then create databases named `oms_test_…` and `oms_template_…` on it.
//!
//! The template is named after what is in `migrations/`: change a migration and the next test builds a new one.
#![forbid(unsafe_code)]

mod admin;
mod database;
mod run;
mod template;

pub use database::TestDatabase;

/// Why there is no database for a test: whatever any layer below said.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The URL of the administrator's database of the test server, starting the server if need be.
///
/// For tests that need something else than a database of their own; most want [`TestDatabase`].
///
/// # Panics
/// When there is no server; the message says what to do.
pub async fn admin_url() -> String {
    database::blocking(|| Ok(run::server()?.admin_url())).await.unwrap_or_else(|failure| give_up(&*failure))
}

/// Ends the test. A test without its database has nothing to tell.
#[expect(clippy::panic, reason = "a test fails by panicking, and this is the one place where ours do")]
fn give_up(failure: &(dyn std::error::Error + Send + Sync)) -> ! {
    let mut message = format!("no database for this test: {failure}");
    let mut source = failure.source();
    while let Some(cause) = source {
        message.push_str(&format!("\n  because: {cause}"));
        source = cause.source();
    }
    panic!("{message}")
}
