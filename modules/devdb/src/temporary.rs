//! A throw-away cluster.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{
    binaries::Binaries,
    cluster::Cluster,
    data_dir::create_folder,
    error::DevDbError,
    process::{is_process_alive, stop_server_of},
    settings::Settings,
};

const PREFIX: &str = "oms-temp-";

/// A cluster in a temporary directory that disappears with it. Not durable, 100 connections.
#[derive(Debug)]
pub struct TempCluster {
    // Fields are dropped in this order: the server ends before its files go.
    cluster: Cluster,
    directory: Directory,
}

impl TempCluster {
    /// Starts a fresh cluster, and removes what killed processes left behind.
    pub fn start(binaries: &Binaries) -> Result<Self, DevDbError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = Directory(std::env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id())));
        create_folder(&directory.0)?;
        let settings = Settings { durable: false, ..Settings::new(directory.0.join("data")) };
        Ok(Self { cluster: Cluster::start(binaries, &settings)?, directory })
    }

    /// The directory that is deleted at the end.
    pub fn directory(&self) -> &Path {
        &self.directory.0
    }
}

impl Deref for TempCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

/// A directory that is deleted when it goes out of scope.
#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be deleted now is deleted by the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Deletes the directories of processes that no longer exist. Best effort: somebody else's stay.
fn remove_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        let Some(pid) = pid.and_then(|pid| pid.parse().ok()) else { continue };
        if is_process_alive(pid) || stop_server_of(&entry.path().join("data"), Duration::from_secs(5)).is_err() {
            continue;
        }
        let _ = fs::remove_dir_all(entry.path());
    }
}
