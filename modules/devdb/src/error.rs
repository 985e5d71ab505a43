//! What can go wrong with a private cluster, said so that a developer knows what to do next.

use std::{error::Error, fmt, io, path::PathBuf};

/// Why there is no private cluster. `Display` says what happened and what to do; `source` holds the system's reason.
#[derive(Debug)]
#[non_exhaustive]
pub enum DevDbError {
    /// No directory with PostgreSQL's server programs was found.
    NotInstalled,
    /// The directory named by the caller does not hold PostgreSQL's server programs.
    NoBinariesIn {
        /// The directory that was named.
        directory: PathBuf,
    },
    /// A program could not be run at all.
    Run {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A program answered something else than its version.
    UnknownVersion {
        /// The program.
        program: PathBuf,
        /// What it printed.
        output: String,
    },
    /// A file or directory could not be used.
    File {
        /// What was attempted, as in "cannot `create` …".
        attempt: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// PostgreSQL refuses to run as root, and no other account was found to run it as.
    NoAccount,
    /// The account PostgreSQL runs as cannot reach the data directory.
    NotTraversable {
        /// The account.
        user: String,
        /// The first directory on the way that lets it not through.
        directory: PathBuf,
    },
    /// The data directory belongs to another user.
    ForeignOwner {
        /// The data directory.
        data_dir: PathBuf,
        /// The owner's user number.
        owner: u32,
    },
    /// The directory holds something that is not a PostgreSQL cluster.
    NotACluster {
        /// The directory.
        data_dir: PathBuf,
    },
    /// The data was written by another major version.
    VersionMismatch {
        /// The data directory.
        data_dir: PathBuf,
        /// The major version that wrote it.
        found: String,
        /// The major version that is installed.
        installed: u32,
    },
    /// `initdb` failed.
    Initdb {
        /// The data directory it should have made.
        data_dir: PathBuf,
        /// What it printed.
        output: String,
    },
    /// Another program listens on the port that was asked for.
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The server ended instead of starting.
    Exited {
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        last_lines: String,
    },
    /// The server neither started nor ended in time.
    NotReady {
        /// How long it was given.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        last_lines: String,
    },
    /// The server did not stop in time, or another process is still using the data directory.
    StillRunning {
        /// The data directory.
        data_dir: PathBuf,
        /// The process in the way.
        pid: i32,
    },
}

impl DevDbError {
    pub(crate) fn file(attempt: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { attempt, path, source }
    }
}

/// The line that installs PostgreSQL on this kind of machine.
const INSTALL: &str =
    if cfg!(target_os = "macos") { "brew install postgresql" } else { "sudo apt-get install postgresql" };

impl fmt::Display for DevDbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => write!(
                f,
                "no PostgreSQL server was found on this machine (looked in the usual directories, at pg_config and on \
                 PATH); install it with\n    {INSTALL}\nor set OMS_PG_BIN to the directory that holds `postgres` and `initdb`"
            ),
            Self::NoBinariesIn { directory } => write!(
                f,
                "{} does not hold the programs `postgres` and `initdb`; correct OMS_PG_BIN, or unset it to have the \
                 usual places searched, or install PostgreSQL with\n    {INSTALL}",
                directory.display()
            ),
            Self::Run { program, .. } => write!(
                f,
                "cannot run {}; check that it may be executed, or install PostgreSQL anew with\n    {INSTALL}",
                program.display()
            ),
            Self::UnknownVersion { program, output } => write!(
                f,
                "{} did not say its version but {output:?}; set OMS_PG_BIN to a PostgreSQL that works",
                program.display()
            ),
            Self::File { attempt, path, source } => {
                write!(f, "cannot {attempt} {}", path.display())?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied => write!(
                        f,
                        "; choose a data directory you may write to, or make this one yours with\n    sudo chown -R \
                         \"$(id -u)\" '{}'",
                        path.display()
                    ),
                    io::ErrorKind::StorageFull => f.write_str("; free some space on that disk"),
                    _ => Ok(()),
                }
            }
            Self::NoAccount => f.write_str(
                "PostgreSQL refuses to run as root, and neither `postgres` nor `nobody` is in /etc/passwd; run this \
                 command as an ordinary user",
            ),
            Self::NotTraversable { user, directory } => write!(
                f,
                "PostgreSQL would run as `{user}` (it refuses to run as root), but `{user}` may not pass through {}; \
                 choose a data directory elsewhere, such as /var/lib/oms-dev, or open the way with\n    chmod o+x '{}'",
                directory.display(),
                directory.display()
            ),
            Self::ForeignOwner { data_dir, owner } => write!(
                f,
                "{} belongs to user number {owner}, and PostgreSQL runs only for the owner of its data; run this \
                 command as that user or choose another data directory",
                data_dir.display()
            ),
            Self::NotACluster { data_dir } => write!(
                f,
                "{} is not empty and not a PostgreSQL cluster; choose another data directory or move it away",
                data_dir.display()
            ),
            Self::VersionMismatch { data_dir, found, installed } => write!(
                f,
                "the data in {} was written by PostgreSQL {found}, but PostgreSQL {installed} is installed; set \
                 OMS_PG_BIN to the programs of version {found}, or throw the data away and start afresh with `--reset`",
                data_dir.display()
            ),
            Self::Initdb { data_dir, output } => {
                write!(f, "initdb could not make a cluster in {}; it said:\n{output}", data_dir.display())
            }
            Self::PortTaken { port } => write!(
                f,
                "another program already listens on 127.0.0.1:{port}; stop it, or leave the port out to get a free one"
            ),
            Self::Exited { log, last_lines } => write!(
                f,
                "PostgreSQL ended instead of starting; the last lines of {} are:\n{last_lines}\nif the data cannot be \
                 saved, start afresh with `--reset`",
                log.display()
            ),
            Self::NotReady { seconds, log, last_lines } => write!(
                f,
                "PostgreSQL was not ready after {seconds} seconds; the last lines of {} are:\n{last_lines}\ntry again: \
                 recovery after a crash can take longer than that",
                log.display()
            ),
            Self::StillRunning { data_dir, pid } => write!(
                f,
                "process {pid} is still using {}; stop the `oms dev` it belongs to, or stop it with\n    kill -INT {pid}",
                data_dir.display()
            ),
        }
    }
}

impl Error for DevDbError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Run { source, .. } | Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
