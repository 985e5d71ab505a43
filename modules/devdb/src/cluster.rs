//! A cluster that lives as long as the process that started it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    account::Account,
    binaries::Binaries,
    data_dir::{beside, create_folder, ensure_cluster, lock},
    error::DevDbError,
    keeper::Keeper,
    server::{Running, launch, port_of_running, rotate},
    settings::Settings,
};

/// A running cluster. Dropping it stops the server if this process started it.
///
/// A process that is killed takes its server along on Linux. Elsewhere the server stays, and the next start uses it.
#[derive(Debug)]
pub struct Cluster {
    data_dir: PathBuf,
    port: u16,
    took: Duration,
    keeper: Option<Keeper>,
}

impl Cluster {
    /// Starts the server of `settings.data_dir`, making the cluster first if there is none. When a server already runs
    /// there it is used as it is, whatever the settings say, and ends with its own process and not with this one.
    pub fn start(binaries: &Binaries, settings: &Settings) -> Result<Self, DevDbError> {
        let began = Instant::now();
        let data_dir =
            std::path::absolute(&settings.data_dir).map_err(DevDbError::file("resolve", &settings.data_dir))?;
        let settings = Settings { data_dir: data_dir.clone(), ..settings.clone() };
        let folder = data_dir.parent().unwrap_or_else(|| Path::new("/"));
        create_folder(folder)?;
        let account = Account::for_data(&data_dir)?;
        account.check_way_to(folder)?;
        let _lock = lock(&data_dir)?;
        if let Some(port) = port_of_running(&data_dir)? {
            return Ok(Self { data_dir, port, took: began.elapsed(), keeper: None });
        }
        ensure_cluster(&data_dir, binaries, &account)?;
        let log = beside(&data_dir, "log");
        rotate(&log);
        let (keeper, port) = launch(binaries, &account, &settings, &log, |attempt| {
            Keeper::spawn(attempt.server()?)
                .map_err(|source| DevDbError::Run { program: binaries.program("postgres"), source })
        })?;
        Ok(Self { data_dir, port, took: began.elapsed(), keeper: Some(keeper) })
    }

    /// The connection URL of a database in this cluster. `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How long the start took, `initdb` included.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Whether the server was already running when this process came.
    pub fn reused(&self) -> bool {
        self.keeper.is_none()
    }

    /// Where the data lives.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Where the server logs to.
    pub fn log(&self) -> PathBuf {
        beside(&self.data_dir, "log")
    }

    /// Stops the server and waits for its end, if this process started it. Dropping does the same.
    pub fn stop(mut self) {
        if let Some(keeper) = self.keeper.as_mut() {
            keeper.stop();
        }
    }
}

pub(crate) fn url(port: u16, database: &str) -> String {
    format!("postgres://oms@127.0.0.1:{port}/{database}")
}

impl Running for Keeper {
    fn has_exited(&mut self) -> bool {
        Keeper::has_exited(self)
    }
}
