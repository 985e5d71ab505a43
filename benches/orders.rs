//! Orders per second: `oms` over HTTP against PostgreSQL's own benchmark running our statements, in turn, on the same machine
//! and the same tables.
//!
//! `make bench`. The rulers are in `benches/rulers/`; both run with `-M prepared` over TCP. The server has its metrics and its
//! log on, as in production; every order has a token, an idempotency key, stock movements, an event and a mail job. Server,
//! database and clients share the machine. The run ends with the audit of everything that any of them has written.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a benchmark fails by panicking"
)]

#[expect(dead_code, reason = "the other benchmark needs more of it")]
mod support;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{Database, Server, Wanted, crowd, median};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;
const RUN: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(2);
/// Ruler B is at its best with fewer clients than the others.
const BEST_OF: [usize; 4] = [4, 8, 16, 64];
/// Ticks of processor time a second, as Linux counts for everybody.
const TICKS: f64 = 100.0;

/// One turn of one contestant.
struct Turn {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Processor time for each order in microseconds: of PostgreSQL, and of `oms`.
    database_us: f64,
    server_us: f64,
}

/// Processor time of a process, or of it and its children, in seconds.
fn cpu(pid: u32, with_children: bool) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap().split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    // After the name: state, then … utime and stime are the 12th and 13th, those of waited-for children the next two.
    let own = fields[11] + fields[12];
    (if with_children { own + fields[13] + fields[14] } else { own }) / TICKS
}

/// Processor time of the whole database server so far.
fn database_cpu(database: &Database) -> f64 {
    let postmaster = fs::read_to_string(database.directory.join("postgres/postmaster.pid")).unwrap();
    let postmaster: u32 = postmaster.lines().next().unwrap().parse().unwrap();
    let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent: u32 = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        (parent == postmaster).then_some(pid)
    });
    cpu(postmaster, true) + children.map(|pid| cpu(pid, false)).sum::<f64>()
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1000.0
}

/// pgbench with one of the rulers.
fn pgbench(database: &Database, script: &str, clients: usize, hot: bool, run: Duration) -> Turn {
    let binaries = devdb::find_binaries(None).unwrap();
    let logs = database.directory.join("pgbench");
    drop(fs::remove_dir_all(&logs));
    fs::create_dir_all(&logs).unwrap();
    let before = database_cpu(database);
    let mut command = Command::new(binaries.directory().join("pgbench"));
    command
        .args(["-n", "-M", "prepared", "-h", "127.0.0.1", "-U", "oms", "-j", "2", "--log", "--log-prefix=turn"])
        .args(["-c", &clients.to_string(), "-T", &run.as_secs().to_string(), "-D", &format!("hot={}", u8::from(hot))])
        .args(["-p", &database.cluster.port().to_string(), "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rulers").join(script))
        .arg("postgres")
        .env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan -c jit=off")
        .current_dir(&logs);
    let began = Instant::now();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("number of failed transactions: 0 "), "{said}");
    let tps =
        said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok()).unwrap();
    let spent = database_cpu(database) - before;
    let mut latencies: Vec<Duration> = fs::read_dir(&logs)
        .unwrap()
        .flat_map(|file| {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let micros = |line: &str| line.split(' ').nth(2).unwrap().parse().map(Duration::from_micros).unwrap();
            text.lines().map(micros).collect::<Vec<_>>()
        })
        .collect();
    latencies.sort_unstable();
    let orders = tps * began.elapsed().min(run).as_secs_f64();
    Turn {
        per_second: tps,
        p50_ms: percentile(&latencies, 50),
        p99_ms: percentile(&latencies, 99),
        database_us: spent * 1e6 / orders,
        server_us: 0.0,
    }
}

/// `oms` over HTTP.
async fn over_http(database: &Database, connections: usize, wanted: Wanted) -> (Turn, [u64; 2]) {
    let server = Server::start(database, true).await;
    let idle = memory(server.pid(), "VmRSS");
    crowd(server.api, connections, wanted, WARM_UP).await;
    let before = (database_cpu(database), cpu(server.pid(), false));
    let crowd = crowd(server.api, connections, wanted, RUN).await;
    let orders = crowd.placed as f64;
    let turn = Turn {
        per_second: crowd.per_second(),
        p50_ms: percentile(&crowd.latencies, 50),
        p99_ms: percentile(&crowd.latencies, 99),
        database_us: (database_cpu(database) - before.0) * 1e6 / orders,
        server_us: (cpu(server.pid(), false) - before.1) * 1e6 / orders,
    };
    (turn, [idle, memory(server.pid(), "VmHWM")])
}

/// A line of `/proc/PID/status` in MB.
fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// The middle of each number of some turns.
fn middle(turns: &[Turn]) -> Turn {
    let of = |number: fn(&Turn) -> f64| median(turns.iter().map(number).collect());
    Turn {
        per_second: of(|turn| turn.per_second),
        p50_ms: of(|turn| turn.p50_ms),
        p99_ms: of(|turn| turn.p99_ms),
        database_us: of(|turn| turn.database_us),
        server_us: of(|turn| turn.server_us),
    }
}

fn row(name: &str, turn: &Turn, rulers: Option<[f64; 2]>) -> Value {
    let [a, b] = [0, 1].map(|which| rulers.map(|rulers| turn.per_second / rulers[which]));
    let times = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{share:.2}"));
    println!(
        "| {name:<32} | {:>7.0} | {:>5} | {:>5} | {:>6.1} | {:>6.1} | {:>5.0} | {:>6.0} |",
        turn.per_second,
        times(a),
        times(b),
        turn.p50_ms,
        turn.p99_ms,
        turn.database_us,
        turn.server_us
    );
    json!({
        "name": name, "orders_per_second": turn.per_second, "of_ruler_a": a, "of_ruler_b": b, "p50_ms": turn.p50_ms,
        "p99_ms": turn.p99_ms, "database_us_per_order": turn.database_us, "server_us_per_order": turn.server_us,
    })
}

#[tokio::main]
async fn main() {
    let database = Database::new().await;
    let mut rows = Vec::new();
    let mut memories = [0, 0];
    println!("| orders of three lines            | order/s |   × A |   × B | p50 ms | p99 ms | db µs | oms µs |");
    println!("|---|---|---|---|---|---|---|---|");
    for wanted in [Wanted::Any, Wanted::Hot] {
        let hot = wanted == Wanted::Hot;
        let speed =
            |clients: &usize| pgbench(&database, "one_statement.sql", *clients, hot, Duration::from_secs(3)).per_second;
        let best =
            BEST_OF.into_iter().map(|clients| (speed(&clients), clients)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
        let (mut a, mut b, mut http) = (Vec::new(), Vec::new(), Vec::new());
        for _round in 0..ROUNDS {
            database.settle().await;
            a.push(pgbench(&database, "one_by_one.sql", CONNECTIONS, hot, RUN));
            database.settle().await;
            b.push(pgbench(&database, "one_statement.sql", best, hot, RUN));
            database.settle().await;
            let (turn, memory) = over_http(&database, CONNECTIONS, wanted).await;
            http.push(turn);
            memories = [memories[0].max(memory[0]), memories[1].max(memory[1])];
        }
        let (a, b, http) = (middle(&a), middle(&b), middle(&http));
        let rulers = Some([a.per_second, b.per_second]);
        let kind = if hot { "hot" } else { "random" };
        rows.push(row(&format!("pgbench A, {kind}"), &a, rulers));
        rows.push(row(&format!("pgbench B, {kind}, {best} clients"), &b, rulers));
        rows.push(row(&format!("oms over HTTP, {kind}"), &http, rulers));
    }
    database.settle().await;
    let (few, _) = over_http(&database, 16, Wanted::Any).await;
    let (lone, _) = over_http(&database, 1, Wanted::Any).await;
    for (name, turn) in [("oms, 16 connections", &few), ("oms, one connection", &lone)] {
        rows.push(row(name, turn, None));
    }
    println!(
        "medians of {ROUNDS} alternating rounds of {} s, {CONNECTIONS} connections; memory of oms: {} MB idle, {} MB at most",
        RUN.as_secs(),
        memories[0],
        memories[1]
    );
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-orders.json");
    fs::write(
        &kept,
        serde_json::to_string_pretty(&json!({ "rows": rows, "idle_mb": memories[0], "most_mb": memories[1] })).unwrap(),
    )
    .unwrap();
    database.finish().await;
}
