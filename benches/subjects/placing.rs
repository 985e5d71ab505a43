//! Random orders of three lines: the rulers, the ceiling and `oms`, in turn.

use std::time::Duration;

use super::{Bench, CONNECTIONS};
use crate::support::{
    buyer::Wanted,
    pgbench::{self, A, B, CEILING},
};

/// Ruler B is at its best with fewer clients than the others.
pub const BEST_OF: [usize; 4] = [4, 8, 16, 64];
/// Clients of the ceiling: enough for two cores and the disk.
const CEILING_CLIENTS: usize = 4;

pub async fn measure(bench: &mut Bench) {
    let run = bench.pace.run;
    let look = run.min(Duration::from_secs(3));
    let best = pgbench::best(&bench.database, &B, &BEST_OF, look);
    let [mut a, mut b, mut ceiling, mut oms] = [const { Vec::new() }; 4];
    let mut most = 0.0_f64;
    for _round in 0..bench.pace.rounds {
        let turns = [(&A, CONNECTIONS, &mut a), (&B, best, &mut b), (&CEILING, CEILING_CLIENTS, &mut ceiling)];
        for (ruler, clients, turns) in turns {
            bench.database.settle().await;
            turns.push(pgbench::measure(&bench.database, ruler, clients, run));
        }
        let server = bench.server().await;
        oms.push(bench.ordering(&[&server], CONNECTIONS, Wanted::Any, run).await);
        most = most.max(server.memory_mb("VmHWM"));
    }
    let report = &mut bench.report;
    let a = report.row("pgbench A", &a);
    let b = report.row(&format!("pgbench B, {best} clients"), &b);
    let ceiling = report.row("pgbench, batches of 32, 4 clients", &ceiling);
    let oms = report.row("oms", &oms);
    report.number("orders_per_second", oms.per_second);
    report.number("times_ruler_a", oms.per_second / a.per_second);
    report.number("times_ruler_b", oms.per_second / b.per_second);
    report.number("of_ceiling", oms.per_second / ceiling.per_second);
    report.number("ruler_a_ms", a.mean_ms(CONNECTIONS));
    report.number("p50_ms", oms.p50_ms);
    report.number("p99_ms", oms.p99_ms);
    report.number("server_us_per_database_us", oms.server_us / oms.database_us);
    report.number("crowd_busy", oms.crowd_us * oms.per_second / 1e6);
    report.number("most_mb", most);
}
