//! A Redis of the run's own.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{database::free_address, process::Process};

/// `redis-server`.
pub struct Redis {
    _process: Process,
    pub url: String,
}

impl Redis {
    /// Starts one that keeps nothing, and waits until it can be reached.
    pub async fn start(directory: &Path) -> Self {
        let address = free_address();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(address.port().to_string()).current_dir(directory).stdout(Stdio::null());
        Self { _process: Process::reachable(&mut command, address).await, url: format!("redis://{address}") }
    }
}
