//! What came of a run: a table to read meanwhile, and a file with every number.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::{load::Crowd, median};

/// One turn of one contestant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Processor time for each request in microseconds: of PostgreSQL, of the server, of the crowd.
    pub database_us: f64,
    pub server_us: f64,
    pub crowd_us: f64,
}

impl Turn {
    /// A crowd's turn; `cpu` is what PostgreSQL and the server have spent meanwhile, in seconds.
    pub fn of(crowd: &Crowd, cpu: [f64; 2]) -> Self {
        let requests = (crowd.latencies.len() + crowd.refused) as f64;
        Self {
            per_second: crowd.per_second(),
            p50_ms: crowd.percentile_ms(50),
            p99_ms: crowd.percentile_ms(99),
            database_us: cpu[0] * 1e6 / requests,
            server_us: cpu[1] * 1e6 / requests,
            crowd_us: crowd.own_us(),
        }
    }

    /// What one of its requests took on average while so many were always on their way (Little's law).
    pub fn mean_ms(&self, clients: usize) -> f64 {
        clients as f64 * 1000.0 / self.per_second
    }

    /// The middle of each number of some turns.
    pub fn middle(turns: &[Self]) -> Self {
        let of = |number: fn(&Self) -> f64| median(turns.iter().map(number).collect());
        Self {
            per_second: of(|turn| turn.per_second),
            p50_ms: of(|turn| turn.p50_ms),
            p99_ms: of(|turn| turn.p99_ms),
            database_us: of(|turn| turn.database_us),
            server_us: of(|turn| turn.server_us),
            crowd_us: of(|turn| turn.crowd_us),
        }
    }
}

/// The rows and numbers of a run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Value>,
    numbers: BTreeMap<String, f64>,
    subject: &'static str,
}

impl Report {
    /// Begins the table of a subject.
    pub fn begin(&mut self, subject: &'static str) {
        self.subject = subject;
        println!("\n{subject:<38} |      1/s |   p50 ms |   p99 ms |  db µs | oms µs | crowd µs");
    }

    /// The middle of some turns of a contestant, as a row. Answers it.
    pub fn row(&mut self, name: &str, turns: &[Turn]) -> Turn {
        let turn = Turn::middle(turns);
        println!(
            "{name:<38} | {:>8.0} | {:>8.2} | {:>8.2} | {:>6.0} | {:>6.0} | {:>8.1}",
            turn.per_second, turn.p50_ms, turn.p99_ms, turn.database_us, turn.server_us, turn.crowd_us
        );
        self.rows.push(json!({
            "subject": self.subject, "name": name, "per_second": turn.per_second, "p50_ms": turn.p50_ms,
            "p99_ms": turn.p99_ms, "database_us": turn.database_us, "server_us": turn.server_us, "crowd_us": turn.crowd_us,
            "rounds": turns.iter().map(|turn| turn.per_second).collect::<Vec<_>>(),
        }));
        turn
    }

    /// A number that stands for itself. Names are those of `benches/targets.json` when there is a target.
    pub fn number(&mut self, name: &str, value: f64) {
        println!("  {name:<36} {value:>10.3}");
        self.numbers.insert(format!("{}.{name}", self.subject), value);
    }

    /// Writes all of it.
    pub fn write(&self, path: &Path, settings: &Value) {
        let all = json!({
            "date": said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]), "machine": machine(), "settings": settings,
            "rows": self.rows, "numbers": self.numbers,
        });
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
    }
}

/// What it was measured on.
fn machine() -> Value {
    let first = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(':').nth(1));
        line.unwrap_or_default().trim().to_owned()
    };
    let memory: f64 = first("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let binaries = devdb::find_binaries(None).unwrap();
    let postgres = binaries.directory().join("postgres");
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": first("/proc/cpuinfo", "model name"),
        "memory_mb": (memory / 1024.0).round(),
        "kernel": said_by("uname", &["-sr"]),
        "postgresql": said_by(postgres.to_str().unwrap(), &["--version"]),
    })
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
