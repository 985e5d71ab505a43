//! The rulers: PostgreSQL's own benchmark running our statements.

use std::{fs, path::Path, process::Command, time::Duration};

use super::{database::Database, load::percentile_ms, report::Turn};

/// A script of `benches/rulers/`.
pub struct Ruler {
    script: &'static str,
    /// Orders in each of its transactions.
    orders: f64,
}

/// One statement for each round trip, one order for each transaction.
pub const A: Ruler = Ruler { script: "one_by_one.sql", orders: 1.0 };
/// The same order in a single statement.
pub const B: Ruler = Ruler { script: "one_statement.sql", orders: 1.0 };
/// The same two for orders of one line, which is the same variant for everybody.
pub const HOT_A: Ruler = Ruler { script: "hot_one_by_one.sql", orders: 1.0 };
pub const HOT_B: Ruler = Ruler { script: "hot_one_statement.sql", orders: 1.0 };
/// What `oms` does for a batch of 32 orders, and nothing else: what placing could reach at best.
pub const CEILING: Ruler = Ruler { script: "batch.sql", orders: 32.0 };

/// pgbench with a ruler. Latencies are those of transactions.
pub fn measure(database: &Database, ruler: &Ruler, clients: usize, run: Duration) -> Turn {
    let binaries = devdb::find_binaries(None).unwrap();
    let logs = database.directory().join("pgbench");
    drop(fs::remove_dir_all(&logs));
    fs::create_dir_all(&logs).unwrap();
    let before = database.cpu();
    let mut command = Command::new(binaries.directory().join("pgbench"));
    command
        .args(["-n", "-M", "prepared", "-h", "127.0.0.1", "-U", "oms", "-j", "2", "--log", "--log-prefix=turn"])
        .args(["-c", &clients.to_string(), "-T", &run.as_secs().to_string()])
        .args(["-p", &database.cluster.port().to_string(), "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rulers").join(ruler.script))
        .arg("postgres")
        .env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan -c jit=off")
        .current_dir(&logs);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("number of failed transactions: 0 "), "{said}");
    let tps =
        said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok()).unwrap();
    let spent = database.cpu() - before;
    let mut latencies: Vec<u32> = fs::read_dir(&logs)
        .unwrap()
        .flat_map(|file| {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            text.lines().map(|line| line.split(' ').nth(2).unwrap().parse().unwrap()).collect::<Vec<_>>()
        })
        .collect();
    latencies.sort_unstable();
    Turn {
        per_second: tps * ruler.orders,
        p50_ms: percentile_ms(&latencies, 50),
        p99_ms: percentile_ms(&latencies, 99),
        database_us: spent * 1e6 / (latencies.len() as f64 * ruler.orders),
        ..Turn::default()
    }
}

/// Of some numbers of clients the one with which a ruler is fastest.
pub fn best(database: &Database, ruler: &Ruler, of: &[usize], run: Duration) -> usize {
    let speed = |clients: usize| measure(database, ruler, clients, run).per_second;
    of.iter().map(|clients| (speed(*clients), *clients)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
}
