//! The server of this test run.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use devdb::{SharedCluster, SharedSettings, find_binaries};

use crate::{
    Failure,
    admin::{self, BlockingConnection},
    template::fingerprint,
};

/// How much free memory it takes to keep the cluster there: two hundred databases and the write-ahead log.
const ROOM_KIB: u64 = 2 * 1024 * 1024;

/// Where the test databases live.
#[derive(Debug)]
pub(crate) enum Server {
    /// Our own throw-away cluster, shared with the other test processes of this checkout.
    Own {
        /// Keeps the server alive for as long as this process lives.
        cluster: SharedCluster,
        /// The major version of the server.
        major: u32,
    },
    /// Somebody else's server, by the URL of an administrator.
    Theirs(String),
}

impl Server {
    /// The URL of a database on this server.
    pub(crate) fn url(&self, database: &str) -> String {
        match self {
            Self::Own { cluster, .. } => cluster.url(database),
            Self::Theirs(admin) => with_database(admin, database),
        }
    }

    /// The URL of the database from which others are created and dropped.
    pub(crate) fn admin_url(&self) -> String {
        match self {
            Self::Own { cluster, .. } => cluster.url("postgres"),
            Self::Theirs(admin) => admin.clone(),
        }
    }

    /// A connection to that database. Blocks.
    pub(crate) fn admin(&self) -> Result<BlockingConnection, Failure> {
        let url = self.admin_url();
        admin::connect(&url).map_err(|failure| {
            let remedy = match self {
                Self::Own { .. } => "the tests' own server is gone; run them again",
                Self::Theirs(_) => "correct OMS_TEST_DATABASE_URL, or unset it to have a server started",
            };
            format!("cannot connect to {}: {failure}; {remedy}", without_password(&url)).into()
        })
    }

    /// How `CREATE DATABASE` should copy. Without fsync, copying files takes half the time of writing them
    /// through the write-ahead log; with it the default is the better choice.
    pub(crate) fn copy_strategy(&self) -> &'static str {
        match self {
            Self::Own { major: 15.., .. } => "STRATEGY FILE_COPY",
            _ => "",
        }
    }

    /// Whether process numbers in database names are those of this machine.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }
}

/// The server of this process, found or started by whoever asks first. Blocks.
pub(crate) fn server() -> Result<&'static Server, Failure> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER
        .get_or_init(|| start().map_err(|failure| describe(&*failure)))
        .as_ref()
        .map_err(|failure| failure.clone().into())
}

/// A failure that every test of the process is to see, so it must be cloneable.
pub(crate) fn describe(failure: &(dyn std::error::Error + Send + Sync)) -> String {
    let mut text = failure.to_string();
    let mut source = failure.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn start() -> Result<Server, Failure> {
    if let Some(url) = variable("OMS_TEST_DATABASE_URL") {
        return Ok(Server::Theirs(url));
    }
    let explicit = variable("OMS_PG_BIN").map(PathBuf::from);
    let binaries = find_binaries(explicit.as_deref())?;
    let settings = SharedSettings {
        directory: place(&format!("oms-tests-{:016x}", checkout(&binaries.directory().display()))),
        max_connections: 300,
        parameters: [
            ("shared_buffers", "128MB"),
            // Vacuuming databases that live for a second only takes time from the tests.
            ("autovacuum", "off"),
            ("min_wal_size", "32MB"),
            ("max_wal_size", "256MB"),
            ("checkpoint_timeout", "30min"),
            // Every copy makes two.
            ("log_checkpoints", "off"),
            ("wal_level", "minimal"),
            ("max_wal_senders", "0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        idle: Duration::from_secs(60),
    };
    let cluster = SharedCluster::join(&binaries, &settings)?;
    Ok(Server::Own { cluster, major: binaries.major() })
}

/// Memory, if there is plenty, otherwise the temporary directory. A copy takes 15 ms in memory; on a disk it takes 25,
/// and ten times that while a compiler is writing to the same disk.
fn place(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let in_memory = memory.join(name);
    // A server that is there already is used although it has taken up some of the room itself.
    if SharedCluster::is_in_use(&in_memory) || free_kib(memory).is_some_and(|free| free >= ROOM_KIB) {
        in_memory
    } else {
        std::env::temp_dir().join(name)
    }
}

/// What `df` says is free below `directory`, in KiB.
fn free_kib(directory: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(directory).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Tells apart the checkouts, users and PostgreSQL versions that share one temporary directory.
fn checkout(binaries: &impl std::fmt::Display) -> u64 {
    let user = if devdb::is_root() { "root" } else { "user" };
    let home = std::env::home_dir().unwrap_or_default();
    fingerprint(
        [env!("CARGO_MANIFEST_DIR"), user, &home.display().to_string(), &binaries.to_string()].map(str::as_bytes),
    )
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration of their own to read it from")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What of a URL may be shown.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => url.to_owned(),
    }
}

/// `url` with another database in it; parameters are kept.
fn with_database(url: &str, database: &str) -> String {
    let (base, parameters) = url.split_once('?').map_or((url, None), |(base, parameters)| (base, Some(parameters)));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let server = rest.split_once('/').map_or(rest, |(server, _)| server);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{scheme}://{server}/{database}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("postgres://oms:s3cr@t@host:1/db"), "postgres://…@host:1/db");
        assert_eq!(without_password("postgres://host:1/db"), "postgres://host:1/db");
    }

    #[test]
    fn a_url_keeps_everything_but_its_database() {
        assert_eq!(with_database("postgres://a:b@host:5432/postgres", "x"), "postgres://a:b@host:5432/x");
        assert_eq!(with_database("postgresql://host", "x"), "postgresql://host/x");
        assert_eq!(with_database("postgres://host/old?sslmode=disable", "x"), "postgres://host/x?sslmode=disable");
    }
}
