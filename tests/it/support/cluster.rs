//! A PostgreSQL of the test's own, which can be killed, frozen, and started again on the same port and data.

use std::{fs, path::PathBuf, sync::Arc};

use devdb::{Binaries, DevDbError, Settings, find_binaries};
use kernel::{PgConn, db, db::PoolSettings};
use payments::Gateway;
use rustix::process::Signal;
use tokio::time::{Duration, Instant, sleep};

use super::{
    processes::{free_address, program},
    signals,
};

/// How long the remains of a killed server may keep its port.
const REMAINS: Duration = Duration::from_secs(10);

/// A server with one migrated database. It goes with this value, and so do its files.
pub struct Cluster {
    binaries: Arc<Binaries>,
    settings: Settings,
    directory: PathBuf,
    running: Option<devdb::Cluster>,
}

impl Cluster {
    /// A fresh one. Only a `durable` one keeps every commit when it is killed.
    pub async fn new(durable: bool) -> Self {
        Self::with(durable, &[]).await
    }

    /// The same with further server parameters.
    pub async fn with(durable: bool, parameters: &[(&str, &str)]) -> Self {
        let port = free_address().port();
        // A name by which `devdb` recognises what a killed test has left behind.
        let directory = std::env::temp_dir().join(format!("oms-temp-{}-{port}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        // The port stays out of the range of clients, so that it is free while the server is dead.
        let settings = Settings { durable, port: Some(port), ..Settings::new(directory.join("data")) };
        let settings = parameters.iter().fold(settings, |settings, (name, value)| settings.with(name, value));
        let binaries = Arc::new(find_binaries(None).unwrap());
        let mut cluster = Self { binaries, settings, directory, running: None };
        cluster.start().await;
        let mut migrate = tokio::process::Command::new(program());
        migrate.arg("migrate").env_clear().env("DATABASE_URL", cluster.url()).current_dir(&cluster.directory);
        let migrated = migrate.output().await.unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        cluster
    }

    /// Where the database is, running or not.
    pub fn url(&self) -> String {
        format!("postgres://oms@127.0.0.1:{}/postgres", self.settings.port.unwrap())
    }

    /// Starts it on its data, and waits until it accepts connections.
    pub async fn start(&mut self) {
        assert!(self.running.is_none(), "the cluster is running");
        let began = Instant::now();
        loop {
            let (binaries, settings) = (Arc::clone(&self.binaries), self.settings.clone());
            let started = tokio::task::spawn_blocking(move || devdb::Cluster::start(&binaries, &settings));
            match started.await.unwrap() {
                Ok(running) => {
                    self.running = Some(running);
                    return;
                }
                Err(DevDbError::PortTaken { .. }) if began.elapsed() < REMAINS => {
                    sleep(Duration::from_millis(20)).await
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// kill -9 of the server and of all its sessions, as when the power goes.
    pub fn kill(&mut self) {
        for process in self.processes() {
            signals::send(process, Signal::KILL);
        }
        drop(self.running.take());
    }

    /// Stops every process of it where it stands: connections stay open and nothing answers.
    pub fn freeze(&self) {
        for process in self.processes() {
            signals::send(process, Signal::STOP);
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        for process in self.processes() {
            signals::send(process, Signal::CONT);
        }
    }

    /// The server, first, and its sessions.
    fn processes(&self) -> Vec<u32> {
        let file = fs::read_to_string(self.settings.data_dir.join("postmaster.pid")).unwrap_or_default();
        let Some(server) = file.lines().next().and_then(|line| line.trim().parse().ok()) else { return vec![] };
        let mut all = vec![server];
        all.extend(signals::children(server));
        all
    }

    /// One connection, more patient than those of the program.
    pub async fn connect(&self) -> PgConn {
        let settings = PoolSettings {
            application_name: "oms test",
            statement_timeout: Duration::from_secs(60),
            ..PoolSettings::default()
        };
        db::connect(&self.url(), &settings).await.unwrap()
    }

    /// Nothing in the books contradicts anything else, nor the books of these gateways.
    pub async fn assert_sound(&self, gateways: &[&dyn Gateway]) {
        let report = oms::audit::audit(&self.url(), gateways).await.unwrap();
        assert_eq!(report.differences, vec![]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.running.is_some() {
            // A frozen one would never hear that it is to end; and nobody needs its data any more.
            self.kill();
        }
        drop(fs::remove_dir_all(&self.directory));
    }
}
