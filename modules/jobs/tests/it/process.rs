//! A worker process of its own: this test binary, run once more.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use kernel::{Queue, db::PoolSettings};

use crate::support::*;

const DATABASE: &str = "OMS_JOBS_TEST_DATABASE_URL";
const POLL: &str = "OMS_JOBS_TEST_POLL_MS";

/// Not a test: what the process does that is going to be killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as the worker process of another test"]
async fn worker_process() {
    #[expect(clippy::disallowed_methods, reason = "the parent test has no other way to say it")]
    let (Ok(url), Ok(poll)) = (std::env::var(DATABASE), std::env::var(POLL)) else { return };
    let poll = Duration::from_millis(poll.parse().unwrap());
    let handlers = kernel::db::pool(&url, PoolSettings::default());
    let registry = registry(&handlers, &Diary::default()).every(Duration::from_millis(500), &Note { n: 0 });
    let _engine = jobs::start(&url, machinery(&url), registry, worker_settings(poll)).await.unwrap();
    std::future::pending().await
}

/// A lease of a second.
pub fn worker_settings(poll: Duration) -> jobs::Settings {
    jobs::Settings { queues: vec![(Queue::Urgent, 8)], lease: Duration::from_secs(1), poll, ..settings() }
}

/// A worker process; killed without warning when it is dropped.
pub struct Worker(Child);

impl Worker {
    pub fn start(url: &str, poll: Duration) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["process::worker_process", "--exact", "--ignored", "--nocapture"])
            .env(DATABASE, url)
            .env(POLL, poll.as_millis().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Worker {
    /// SIGKILL.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
