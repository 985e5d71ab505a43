//! What `oms` does on this machine, over HTTP, against PostgreSQL's own benchmark running our statements and against a bare
//! server, in turn, on the same machine and the same tables.
//!
//! `make bench`, or `cargo bench --bench orders -- reads growth` for some subjects only, which is not published. The rulers
//! are in `benches/rulers/`; they run with `-M prepared` over TCP. The server has its metrics and its log on, as in production; every order has a token,
//! an idempotency key, stock movements, an event and a mail job. Server, database and clients share the machine. The run
//! ends with the audit of everything that any of them has written. `OMS_BENCH_QUICK=1` shows whether everything works. Whether a change
//! has made placing faster, `OMS_BENCH_VERSUS=path/of/another/oms cargo bench --bench orders -- versus` says: one run is too
//! different from the next for that.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a benchmark fails by panicking"
)]

mod subjects;
#[expect(dead_code, reason = "the other benchmark needs more of it")]
mod support;

use std::path::Path;

use serde_json::json;
use subjects::{Bench, Pace, few, flame, growth, hot, jobs, overload, placing, reads, start, two, versus};
use support::{bare, database::Database, report::Report};

/// How many orders the large database has unless `OMS_BENCH_ORDERS` says otherwise.
const LARGE: usize = 1_000_000;
const LARGE_QUICK: usize = 20_000;

#[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration of its own")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[tokio::main]
async fn main() {
    // Cargo says `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [word, address, directory] = arguments.as_slice()
        && word == bare::WORD
    {
        return bare::serve(address, Path::new(directory)).await;
    }
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let is_quick = environment("OMS_BENCH_QUICK").is_some();
    let large = environment("OMS_BENCH_ORDERS").map(|orders| orders.parse().unwrap());
    let large = large.unwrap_or(if is_quick { LARGE_QUICK } else { LARGE });
    let database = Database::new().await;
    let mut bench = Bench { database, report: Report::default(), pace: Pace::new(is_quick), large };
    let wants = |subject: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == subject);
    if wants("placing") {
        bench.measure("placing", placing::measure).await;
    }
    if wants("hot") {
        bench.measure("hot", hot::measure).await;
    }
    if wants("few") {
        bench.measure("few", few::measure).await;
    }
    if wants("two") {
        bench.measure("two", two::measure).await;
    }
    if wants("reads") {
        bench.measure("reads", reads::measure).await;
    }
    if wants("start") {
        bench.measure("start", start::measure).await;
    }
    if wants("growth") {
        bench.measure("growth", growth::measure).await;
    }
    if wants("jobs") {
        bench.measure("jobs", jobs::measure).await;
    }
    if wants("overload") {
        bench.measure("overload", overload::measure).await;
    }
    // Only when it is asked for by name.
    if let Some(kept) = environment("OMS_BENCH_PERF") {
        bench.measure("flame", async |bench| flame::measure(bench, Path::new(&kept)).await).await;
    }
    if let Some(other) = environment("OMS_BENCH_VERSUS") {
        bench.measure("versus", async |bench| versus::measure(bench, &other).await).await;
    }
    let Bench { database, mut report, pace, .. } = bench;
    report.begin("audit");
    report.number("orders", database.finish().await as f64);
    let settings = json!({
        "rounds": pace.rounds, "seconds": pace.run.as_secs(), "connections": subjects::CONNECTIONS, "quick": is_quick,
        "large_orders": large, "shared_buffers": "1GB", "fsync": "on",
    });
    // What is published is one run of everything.
    let file = if arguments.is_empty() { "target/bench.json" } else { "target/bench-part.json" };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    report.write(&file, &settings);
    println!("written to {}", file.display());
}
