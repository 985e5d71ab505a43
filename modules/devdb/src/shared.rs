//! A cluster that many short processes share, and that ends by itself.
//!
//! `cargo nextest` runs every test in a process of its own, `cargo test` runs one process per crate; starting a server
//! in each would cost more than the tests. So the first process that comes starts a server which belongs to nobody,
//! and the others find it.
//!
//! * `<directory>/lock` is held while a process looks for the server or starts it.
//! * Every start is a *generation* with a directory of its own, named in `<directory>/current`, so that a new server
//!   never meets the remains of the last one.
//! * `lease` in the generation's directory is touched every few seconds by every process that uses the server.
//! * A small shell script is the server's parent. When nobody has touched the lease for the idle time it stops the
//!   server and deletes the generation.
//!
//! A shell script, because a test crate cannot ship a supervisor program (Cargo does not build the binaries of a
//! dependency) and because a thread cannot outlive its process. A heartbeat rather than a lock held by the clients,
//! because `flock` is not in every shell; it survives clients killed in any way. The end is free of races: the script
//! first renames the lease and then looks at it once more, a client first touches it and then looks whether it is still
//! there, so one of the two always notices the other. Should the script be killed, the next process that comes finds
//! no watchdog, stops the server and starts a new generation.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Child,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    account::Account,
    binaries::Binaries,
    cluster::url,
    data_dir::{create_folder, ensure_cluster, lock_file},
    error::DevDbError,
    process::{command_line, live_server, stop_server_of, works_in},
    server::{Running, launch, rotate},
    settings::Settings,
    sys,
};

const PREFIX: &str = "cluster-";
/// The shortest idle time: several heartbeats must fit in, on a busy machine too.
const IDLE_MIN: Duration = Duration::from_secs(4);

const WATCHDOG_NAME: &str = "oms-test-postgres";
/// `$1` is the generation's directory, `$2` the idle time in seconds, the rest is the server's command line.
const WATCHDOG: &str = r#"
directory=$1 idle=$2
shift 2
cd "$directory" || exit 1
echo $$ > watchdog.pid
: > checked
"$@" &
server=$!
waited=0
while kill -0 "$server" 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
    [ "$waited" -lt "$idle" ] && continue
    waited=0
    if [ -n "$(find lease -newer checked)" ]; then : > checked; continue; fi
    mv lease expired
    if [ -n "$(find expired -newer checked)" ]; then mv expired lease; : > checked; continue; fi
    kill -INT "$server"
    break
done
wait "$server"
cd /
[ -e "$directory/keep" ] || rm -rf "$directory"
"#;

/// How a shared cluster is to be run. It is never durable.
#[derive(Clone, Debug)]
pub struct SharedSettings {
    /// The directory of all generations; only this kind of cluster may use it.
    pub directory: PathBuf,
    /// How many connections the server accepts.
    pub max_connections: u16,
    /// Further server parameters.
    pub parameters: Vec<(String, String)>,
    /// How long the server waits for company before it stops. Four seconds at least; it may wait twice as long. The same for all
    /// processes that share the directory.
    pub idle: Duration,
}

/// A running cluster shared with other processes. It stays alive for as long as any process holds one of these, and
/// the idle time longer.
#[derive(Debug)]
pub struct SharedCluster {
    port: u16,
    took: Duration,
    reused: bool,
    heartbeat: Heartbeat,
}

impl SharedCluster {
    /// Finds the server of `settings.directory` or starts one.
    pub fn join(binaries: &Binaries, settings: &SharedSettings) -> Result<Self, DevDbError> {
        let began = Instant::now();
        let directory =
            std::path::absolute(&settings.directory).map_err(DevDbError::file("resolve", &settings.directory))?;
        create_folder(&directory)?;
        let account = Account::for_data(&directory)?;
        account.check_way_to(&directory)?;
        account.give(&directory)?;
        let _lock = lock_file(&directory.join("lock"))?;
        let current = fs::read_to_string(directory.join("current")).unwrap_or_default();
        let found = Some(current.trim()).filter(|name| name.starts_with(PREFIX)).map(|name| directory.join(name));
        if let Some((generation, port)) = found.and_then(|generation| Some((generation.clone(), usable(&generation)?)))
        {
            let heartbeat = Heartbeat::start(generation.join("lease"), settings.idle)?;
            return Ok(Self { port, took: began.elapsed(), reused: true, heartbeat });
        }
        remove_dead_generations(&directory);
        let (generation, port) = start(&directory, binaries, &account, settings)?;
        let file = directory.join("current");
        let name = generation.file_name().unwrap_or_default().to_string_lossy();
        fs::write(&file, format!("{name}\n")).map_err(DevDbError::file("write", file))?;
        let heartbeat = Heartbeat::start(generation.join("lease"), settings.idle)?;
        Ok(Self { port, took: began.elapsed(), reused: false, heartbeat })
    }

    /// Whether there is, or was until a moment ago, a server in `directory`.
    pub fn is_in_use(directory: &Path) -> bool {
        let mut entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.any(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
    }

    /// The connection URL of a database in this cluster. `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How long finding or starting it took.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Whether another process had started it.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// The directory of this server's data and lease; it is deleted after the server's end.
    pub fn generation(&self) -> &Path {
        self.heartbeat.lease.parent().unwrap_or_else(|| Path::new("/"))
    }
}

/// The port of a generation's server, if this process may rely on it from now on.
fn usable(generation: &Path) -> Option<u16> {
    touch(&generation.join("lease")).ok()?;
    if !watchdog_is_alive(generation) {
        return None;
    }
    let server = live_server(&generation.join("data")).filter(|server| server.is_ready())?;
    server.port
}

/// Renews the lease. An error means that the watchdog has taken it away: the server is about to stop.
fn touch(lease: &Path) -> io::Result<()> {
    File::options().write(true).open(lease)?.set_modified(SystemTime::now())?;
    // The file may have been renamed between the two steps above, and then nobody saw the new time.
    fs::metadata(lease).map(drop)
}

fn watchdog_is_alive(generation: &Path) -> bool {
    let pid = fs::read_to_string(generation.join("watchdog.pid")).ok().and_then(|text| text.trim().parse().ok());
    pid.is_some_and(|pid| {
        // One that has ended but is not reaped yet still exists, but works nowhere and has no command line.
        let named_so = || command_line(pid).is_some_and(|line| line.contains(WATCHDOG_NAME));
        sys::exists(pid) && works_in(pid, generation).unwrap_or_else(named_so)
    })
}

/// Deletes generations that lost their watchdog, stopping their servers first. Best effort: what stays in the way now
/// is met by the next process that starts a generation.
fn remove_dead_generations(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && !watchdog_is_alive(&path)
            && stop_server_of(&path.join("data"), Duration::from_secs(10)).is_ok()
        {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn start(
    directory: &Path,
    binaries: &Binaries,
    account: &Account,
    settings: &SharedSettings,
) -> Result<(PathBuf, u16), DevDbError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let generation = directory.join(format!("{PREFIX}{}-{}", now.as_millis(), std::process::id()));
    DirBuilder::new().mode(0o755).create(&generation).map_err(DevDbError::file("create", &generation))?;
    account.give(&generation)?;
    let lease = generation.join("lease");
    File::create(&lease).map_err(DevDbError::file("create", &lease))?;
    account.give(&lease)?;
    let server = Settings {
        data_dir: generation.join("data"),
        durable: false,
        max_connections: settings.max_connections,
        port: None,
        parameters: settings.parameters.clone(),
    };
    ensure_cluster(&server.data_dir, binaries, account)?;
    let log = directory.join("postgres.log");
    rotate(&log);
    let idle = settings.idle.max(IDLE_MIN).as_secs().to_string();
    let arguments = [generation.display().to_string(), idle];
    // While the server is being started, a failed attempt must not delete the data of the next.
    let keep = generation.join("keep");
    File::create(&keep).map_err(DevDbError::file("create", &keep))?;
    let (_, port) = launch(binaries, account, &server, &log, |attempt| {
        let mut command = attempt.shell(WATCHDOG, WATCHDOG_NAME, &arguments)?;
        sys::in_own_session(&mut command);
        command.spawn().map(Detached).map_err(|source| DevDbError::Run { program: "/bin/sh".into(), source })
    })?;
    fs::remove_file(&keep).map_err(DevDbError::file("remove", &keep))?;
    Ok((generation, port))
}

/// A child that is left to itself.
struct Detached(Child);

impl Running for Detached {
    fn has_exited(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

/// Touches the lease for as long as it lives.
#[derive(Debug)]
struct Heartbeat {
    lease: PathBuf,
    /// Dropping it ends the thread.
    _stop: Sender<()>,
}

impl Heartbeat {
    fn start(lease: PathBuf, idle: Duration) -> Result<Self, DevDbError> {
        let pause = (idle.max(IDLE_MIN) / 4).min(Duration::from_secs(3));
        let (stop, stopped) = mpsc::channel::<()>();
        let path = lease.clone();
        thread::Builder::new()
            .name("devdb-heartbeat".to_owned())
            .spawn(move || {
                // Ends when the sender is dropped.
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pause) {
                    // The watchdog may have the lease in hand at this moment and put it back: the next beat will do.
                    let _ = touch(&path);
                }
            })
            .map_err(DevDbError::file("start a thread for", &lease))?;
        Ok(Self { lease, _stop: stop })
    }
}
