//! Other processes: does one exist, and is it the server of a data directory?

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{error::DevDbError, sys};

/// Whether this process runs as root, which decides the default data directory.
pub fn is_root() -> bool {
    sys::effective_user() == 0
}

/// Whether a process with this number runs, whoever owns it. One that has ended and is not reaped yet does not.
pub fn is_process_alive(pid: u32) -> bool {
    let ended = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The state follows the name, which may itself contain anything, closing brackets included.
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
    };
    i32::try_from(pid).is_ok_and(sys::exists) && !ended()
}

/// What a server says about itself in `postmaster.pid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) port: Option<u16>,
    pub(crate) status: String,
}

impl PidFile {
    /// Reads the file; `None` when there is none, or when it is still being written.
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(data_dir.join("postmaster.pid")).ok()?)
    }

    /// Line 1 is the process, line 4 the port and line 8 the status.
    fn parse(text: &str) -> Option<Self> {
        let line = |number: usize| text.lines().nth(number - 1).map(str::trim);
        Some(Self {
            pid: line(1)?.parse().ok()?,
            port: line(4).and_then(|port| port.parse().ok()),
            status: line(8).unwrap_or_default().to_owned(),
        })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.status == "ready"
    }
}

/// The live server of `data_dir`, if there is one.
pub(crate) fn live_server(data_dir: &Path) -> Option<PidFile> {
    PidFile::read(data_dir).filter(|file| is_server_of(file.pid, data_dir))
}

/// Whether process `pid` is a PostgreSQL server that works on `data_dir`. A number alone proves nothing: after a crash
/// or a reboot it may belong to anybody.
fn is_server_of(pid: i32, data_dir: &Path) -> bool {
    if !sys::exists(pid) {
        return false;
    }
    let Some(line) = command_line(pid) else { return false };
    let named_after_server = line.contains("postgres") || line.contains("postmaster");
    named_after_server && works_in(pid, data_dir).unwrap_or_else(|| line.contains(&data_dir.display().to_string()))
}

/// Whether the working directory of `pid` is `directory`; `None` where the system does not tell.
pub(crate) fn works_in(pid: i32, directory: &Path) -> Option<bool> {
    let found = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let wanted = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    Some(found == wanted)
}

/// The command line of a process; empty for one that has ended but is not reaped yet.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        return Some(String::from_utf8_lossy(&raw).replace('\0', " "));
    }
    let output =
        std::process::Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every process that works in `data_dir`: the sessions of a killed server live on until they notice, and one that is
/// busy computing may not notice for hours. Linux only; elsewhere PostgreSQL's own check has to do.
fn stragglers_in(data_dir: &Path) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| works_in(*pid, data_dir) == Some(true))
        .filter(|pid| command_line(*pid).is_some_and(|line| line.contains("postgres")))
        .collect()
}

/// Ends the sessions that a killed server left behind: their work is lost already, and PostgreSQL does not start while
/// they hold its shared memory.
pub(crate) fn end_stragglers(data_dir: &Path) {
    if live_server(data_dir).is_none() {
        for pid in stragglers_in(data_dir) {
            // One that has ended in the meantime is just as well.
            let _ = sys::send_signal(pid, sys::SIGTERM);
        }
    }
}

/// Removes a pid file whose number now belongs to an innocent process. PostgreSQL would refuse to start ("is another
/// postmaster running?"), because it looks at the number only. A file of a dead process is left for PostgreSQL, which
/// also checks for leftover shared memory.
pub(crate) fn clear_borrowed_pid_file(data_dir: &Path) -> Result<(), DevDbError> {
    let Some(file) = PidFile::read(data_dir) else { return Ok(()) };
    if !sys::exists(file.pid) || is_server_of(file.pid, data_dir) {
        return Ok(());
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Some(straggler) = stragglers_in(data_dir).first().copied() {
        if Instant::now() > deadline {
            return Err(DevDbError::StillRunning { data_dir: data_dir.to_owned(), pid: straggler });
        }
        end_stragglers(data_dir);
        thread::sleep(Duration::from_millis(50));
    }
    let path = data_dir.join("postmaster.pid");
    fs::remove_file(&path).map_err(DevDbError::file("remove", path))
}

/// Asks the server of `data_dir`, if it is alive, for a fast shutdown and waits until it is gone.
pub(crate) fn stop_server_of(data_dir: &Path, patience: Duration) -> Result<(), DevDbError> {
    let deadline = Instant::now() + patience;
    let mut asked = false;
    while let Some(server) = live_server(data_dir) {
        if !asked {
            asked = sys::send_signal(server.pid, sys::SIGINT).is_ok();
        }
        if Instant::now() > deadline {
            return Err(DevDbError::StillRunning { data_dir: data_dir.to_owned(), pid: server.pid });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_read_line_by_line() {
        let text = "4711\n/data\n1700000000\n5433\n\n127.0.0.1\n  12345 67\nready   \n";
        let file = PidFile::parse(text).unwrap();
        assert_eq!((file.pid, file.port, file.is_ready()), (4711, Some(5433), true));
    }

    #[test]
    fn a_pid_file_in_the_making_is_not_ready() {
        assert_eq!(PidFile::parse(""), None);
        let file = PidFile::parse("4711\n/data\n1700000000\n5433\n").unwrap();
        assert!(!file.is_ready());
    }

    #[test]
    fn this_test_is_alive_and_no_server() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(sys::exists(own));
        assert!(!is_server_of(own, &std::env::current_dir().unwrap()));
    }
}
