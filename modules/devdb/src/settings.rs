//! How a private cluster is to be run.

use std::path::PathBuf;

/// How a private cluster is to be run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the data lives. The server's log, its port and a lock are files beside it: `<data_dir>.log`, `.port`, `.lock`.
    pub data_dir: PathBuf,
    /// `true` keeps what was committed through a power cut. `false` turns `fsync`, `synchronous_commit` and
    /// `full_page_writes` off: several times faster, and good enough for data that may be thrown away.
    pub durable: bool,
    /// How many connections the server accepts.
    pub max_connections: u16,
    /// The port to listen on. `None` takes the port of the last run when it is free, and any free one otherwise.
    pub port: Option<u16>,
    /// Further server parameters, for example `("shared_buffers", "128MB")`.
    pub parameters: Vec<(String, String)>,
}

impl Settings {
    /// Durable, 100 connections, any port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), durable: true, max_connections: 100, port: None, parameters: Vec::new() }
    }

    /// Adds one server parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The arguments of `postgres` that follow from these settings.
    pub(crate) fn arguments(&self, port: u16) -> Vec<String> {
        let mut arguments =
            vec!["-D".to_owned(), self.data_dir.display().to_string(), "-p".to_owned(), port.to_string()];
        let mut set = |name: &str, value: &str| arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        set("listen_addresses", "127.0.0.1");
        set("unix_socket_directories", "");
        set("max_connections", &self.max_connections.to_string());
        set("logging_collector", "off");
        set("log_destination", "stderr");
        set("lc_messages", "C");
        set("timezone", "UTC");
        set("log_timezone", "UTC");
        if !self.durable {
            set("fsync", "off");
            set("synchronous_commit", "off");
            set("full_page_writes", "off");
            // In the data directory, so that deleting it after a kill leaves nothing in /dev/shm.
            set("dynamic_shared_memory_type", "mmap");
        }
        for (name, value) in &self.parameters {
            set(name, value);
        }
        arguments
    }
}
