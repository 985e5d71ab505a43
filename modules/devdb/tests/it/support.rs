//! What the tests of this crate share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use devdb::{Binaries, Cluster, find_binaries};

pub fn binaries() -> Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| find_binaries(None).unwrap()).clone()
}

/// A directory that is deleted at the end of the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("devdb-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The process in the pid file of a data directory.
pub fn server_pid(data_dir: &Path) -> u32 {
    fs::read_to_string(data_dir.join("postmaster.pid")).unwrap().lines().next().unwrap().trim().parse().unwrap()
}

pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

pub fn eventually(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

pub fn psql_at(url: &str, statement: &str) -> Command {
    let mut command = Command::new(binaries().directory().join("psql"));
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, url]).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

pub fn psql(cluster: &Cluster, statement: &str) -> Command {
    psql_at(&cluster.url("postgres"), statement)
}

pub fn sql(cluster: &Cluster, statement: &str) -> String {
    let output = psql_at(&cluster.url("postgres"), statement).output().unwrap();
    assert!(output.status.success(), "{statement}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn answers(cluster: &Cluster) -> bool {
    sql(cluster, "SELECT 1") == "1"
}
