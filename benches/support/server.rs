//! `oms serve --no-worker` in a process of its own.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    client::Client,
    database::{Database, free_address},
    process::{self, Process},
    shop::SECRET_KEY,
};

/// Between two looks whether a server is ready: what is measured is its start.
const GLANCE: Duration = Duration::from_millis(1);

/// This build of `oms`.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_oms");

/// A server.
pub struct Server {
    process: Process,
    pub api: SocketAddr,
    pub metrics: Option<SocketAddr>,
    /// From its start to its first answer.
    pub ready_after: Duration,
}

impl Server {
    /// Starts one and waits until it is ready. A watched one has metrics and logs every request.
    pub async fn start(database: &Database, watched: bool) -> Self {
        Self::on(database, &database.url, watched, &[]).await
    }

    /// The same on any database of the cluster, with more settings.
    pub async fn on(database: &Database, url: &str, watched: bool, more: &[(&str, &str)]) -> Self {
        Self::of(PROGRAM, database, url, watched, more).await
    }

    /// The same of any build.
    pub async fn of(program: &str, database: &Database, url: &str, watched: bool, more: &[(&str, &str)]) -> Self {
        let (api, metrics) = (free_address(), watched.then(free_address));
        let log = File::options().create(true).append(true).open(log(database.directory())).unwrap();
        let mut command = Command::new(program);
        command.args(["serve", "--no-worker"]).env_clear().current_dir(database.directory()).stdout(log);
        command.envs([
            ("DATABASE_URL", url),
            ("SECRET_KEY", SECRET_KEY),
            ("OMS_GATEWAY_API_KEY", "a-gateway-key-for-the-benchmark"),
            ("OMS_WEBHOOK_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="),
            ("OMS_RATE_LIMIT_CALLER", "0"),
            ("OMS_RATE_LIMIT_ADDRESS", "0"),
            ("OMS_LOG_FORMAT", "json"),
            ("OMS_LOG", if watched { "info" } else { "off" }),
            ("OMS_LISTEN", &api.to_string()),
            ("OMS_METRICS_LISTEN", &metrics.map(|address| address.to_string()).unwrap_or_default()),
        ]);
        command.envs(more.iter().copied());
        let began = Instant::now();
        let mut server = Self { process: Process::start(&mut command), api, metrics, ready_after: Duration::ZERO };
        let mut probe = Client::new(&[api], 0);
        while !probe.send("GET", "/readyz", &[], "").await.is_ok_and(|answer| answer.status == 200) {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not get ready");
            tokio::time::sleep(GLANCE).await;
        }
        server.ready_after = began.elapsed();
        server
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its processor time so far, in seconds.
    pub fn cpu(&self) -> f64 {
        process::cpu(self.pid())
    }

    /// Its memory in MB, see [`process::memory_mb`].
    pub fn memory_mb(&self, name: &str) -> f64 {
        process::memory_mb(self.pid(), name)
    }
}

/// Where servers log.
pub fn log(directory: &Path) -> PathBuf {
    directory.join("serve.log")
}
