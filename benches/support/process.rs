//! Processes that end with the run, and what processes have used, as Linux counts it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Command},
    time::{Duration, Instant},
};

/// A process that is killed when it goes.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Starts one and waits until it can be reached.
    pub async fn reachable(command: &mut Command, address: SocketAddr) -> Self {
        let (process, began) = (Self::start(command), Instant::now());
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "{command:?} cannot be reached");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Ticks of processor time a second, as Linux counts for everybody.
const TICKS: f64 = 100.0;

/// The fields behind the name in `/proc/PID/stat`.
fn stat(pid: u32) -> Option<Vec<f64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit(')').next()?.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
}

/// Processor time of a process in seconds.
pub fn cpu(pid: u32) -> f64 {
    // utime and stime.
    stat(pid).map_or(0.0, |fields| (fields[11] + fields[12]) / TICKS)
}

/// Processor time of a process and its children in seconds, also of those that have ended.
pub fn cpu_of_family(parent: u32) -> f64 {
    let ended = stat(parent).map_or(0.0, |fields| (fields[13] + fields[14]) / TICKS);
    let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        (stat(pid)?[1] == f64::from(parent)).then_some(pid)
    });
    cpu(parent) + ended + children.map(cpu).sum::<f64>()
}

/// A line of `/proc/PID/status` in MB: `VmRSS` now, `VmHWM` at most.
pub fn memory_mb(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
