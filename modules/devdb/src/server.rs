//! Launching `postgres`: its port, its log, and waiting until it takes connections.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::{
    account::Account,
    binaries::{Binaries, quiet},
    data_dir::beside,
    error::DevDbError,
    process::{PidFile, clear_borrowed_pid_file, end_stragglers, live_server},
    settings::Settings,
};

/// How long a server may take to get ready; recovery after a crash is part of it.
const START: Duration = Duration::from_secs(60);
/// How long the remains of a killed server may occupy the data directory.
const REMAINS: Duration = Duration::from_secs(10);

/// Waits while another process brings up or takes down the server of `data_dir`. Returns the port of a ready one.
pub(crate) fn port_of_running(data_dir: &Path) -> Result<Option<u16>, DevDbError> {
    let deadline = Instant::now() + START;
    loop {
        match live_server(data_dir) {
            None => return Ok(None),
            Some(PidFile { port: Some(port), status, .. }) if status == "ready" => return Ok(Some(port)),
            Some(server) if Instant::now() > deadline => {
                return Err(DevDbError::StillRunning { data_dir: data_dir.to_owned(), pid: server.pid });
            }
            Some(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Something that runs the server and can tell when it has ended: a child, or a child's child.
pub(crate) trait Running {
    /// Whether the server has ended.
    fn has_exited(&mut self) -> bool;
}

/// Starts the server, trying again while the remains of a killed one are in the way or somebody else takes the port.
/// `launch` gets the complete command and the arguments that belong to `postgres`.
pub(crate) fn launch<R: Running>(
    binaries: &Binaries,
    account: &Account,
    settings: &Settings,
    log: &Path,
    mut run: impl FnMut(&Launch<'_>) -> Result<R, DevDbError>,
) -> Result<(R, u16), DevDbError> {
    clear_borrowed_pid_file(&settings.data_dir)?;
    let began = Instant::now();
    let mut remembered = remembered_port(&settings.data_dir);
    loop {
        let port = match settings.port {
            Some(port) if is_free(port) => port,
            Some(port) => return Err(DevDbError::PortTaken { port }),
            None => remembered.take().filter(|port| is_free(*port)).map_or_else(free_port, Ok)?,
        };
        let log_start = fs::metadata(log).map_or(0, |found| found.len());
        let mut running = run(&Launch { binaries, account, settings, port, log })?;
        match wait_until_ready(&mut running, settings, port) {
            Readiness::Ready => {
                let file = beside(&settings.data_dir, "port");
                fs::write(&file, format!("{port}\n")).map_err(DevDbError::file("write", file))?;
                return Ok((running, port));
            }
            Readiness::Slow => {
                let last_lines = last_lines(log, log_start);
                return Err(DevDbError::NotReady { seconds: START.as_secs(), log: log.to_owned(), last_lines });
            }
            Readiness::Exited => {
                let said = read_from(log, log_start);
                let remains =
                    said.contains("still in use") || said.contains("lock file \"postmaster.pid\" already exists");
                let port_lost = said.contains("Address already in use");
                if began.elapsed() > REMAINS || !(remains || port_lost && settings.port.is_none()) {
                    return Err(match settings.port {
                        Some(port) if port_lost => DevDbError::PortTaken { port },
                        _ => DevDbError::Exited { log: log.to_owned(), last_lines: tail(&said) },
                    });
                }
                if remains {
                    end_stragglers(&settings.data_dir);
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// One attempt to start the server.
pub(crate) struct Launch<'a> {
    binaries: &'a Binaries,
    account: &'a Account,
    settings: &'a Settings,
    port: u16,
    log: &'a Path,
}

impl Launch<'_> {
    /// `postgres` itself, as the right account, writing to the log.
    pub(crate) fn server(&self) -> Result<std::process::Command, DevDbError> {
        let mut command = self.as_account(&self.binaries.program("postgres"))?;
        command.args(self.settings.arguments(self.port));
        Ok(command)
    }

    /// `sh` running `script` as `name` with `arguments`, followed by the command line of `postgres`.
    pub(crate) fn shell(
        &self,
        script: &str,
        name: &str,
        arguments: &[String],
    ) -> Result<std::process::Command, DevDbError> {
        let mut command = self.as_account(Path::new("/bin/sh"))?;
        command.args(["-c", script, name]).args(arguments);
        command.arg(self.binaries.program("postgres")).args(self.settings.arguments(self.port));
        Ok(command)
    }

    fn as_account(&self, program: &Path) -> Result<std::process::Command, DevDbError> {
        let log =
            File::options().create(true).append(true).open(self.log).map_err(DevDbError::file("open", self.log))?;
        let mut command = quiet(program);
        self.account.apply(&mut command);
        command.stdout(Stdio::null()).stderr(log);
        Ok(command)
    }
}

enum Readiness {
    Ready,
    Exited,
    Slow,
}

fn wait_until_ready(running: &mut impl Running, settings: &Settings, port: u16) -> Readiness {
    let deadline = Instant::now() + START;
    loop {
        if live_server(&settings.data_dir).is_some_and(|file| file.is_ready() && file.port == Some(port)) {
            return Readiness::Ready;
        }
        if running.has_exited() {
            return Readiness::Exited;
        }
        if Instant::now() > deadline {
            return Readiness::Slow;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn remembered_port(data_dir: &Path) -> Option<u16> {
    fs::read_to_string(beside(data_dir, "port")).ok()?.trim().parse().ok()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> Result<u16, DevDbError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(DevDbError::file("find a free port on", "127.0.0.1"))
}

/// Moves the log of the last run to `<log>.old`, so that a log tells about one run and never grows for ever.
pub(crate) fn rotate(log: &Path) {
    let mut old = log.as_os_str().to_owned();
    old.push(".old");
    // Without a log there is nothing to move; a log that cannot be moved is appended to.
    let _ = fs::rename(log, PathBuf::from(old));
}

fn read_from(log: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(the log cannot be read: {error})"),
    }
}

fn last_lines(log: &Path, start: u64) -> String {
    tail(&read_from(log, start))
}

/// The last ten lines, indented.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default();
    if last.is_empty() {
        return "    (nothing was logged)".to_owned();
    }
    last.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_last_ten_lines_of_the_log() {
        let text: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        let tail = tail(&text);
        assert!(tail.starts_with("    line 21\n") && tail.ends_with("line 30"), "{tail}");
    }

    #[test]
    fn a_free_port_is_free_and_a_taken_one_is_not() {
        let port = free_port().unwrap();
        assert!(is_free(port));
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
    }
}
