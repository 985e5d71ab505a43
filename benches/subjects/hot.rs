//! One variant that everybody wants, and what somebody notices of that who wants something else.

use std::time::Duration;

use super::{Bench, CONNECTIONS, placing::BEST_OF};
use crate::support::{
    buyer::{Wanted, buyers},
    load::crowd,
    pgbench::{self, HOT_A, HOT_B},
    report::Turn,
    server::Server,
};

/// The bystander's orders, alone or while the others order the hot variant. The processor time is left out: it is that of all
/// orders together.
pub async fn bystanding(bench: &Bench, server: &Server, is_crowded: bool, run: Duration) -> Turn {
    let orders = async {
        let alone = crowd(run, buyers(&[server.api], 1, Wanted::Any));
        let others = if is_crowded { CONNECTIONS } else { 0 };
        let (alone, others) = tokio::join!(alone, crowd(run, buyers(&[server.api], others, Wanted::Hot)));
        others.all_right();
        alone.all_right()
    };
    let (turn, _) = bench.turn(&[server], orders).await;
    Turn { database_us: 0.0, server_us: 0.0, ..turn }
}

pub async fn measure(bench: &mut Bench) {
    let run = bench.pace.run;
    let best = pgbench::best(&bench.database, &HOT_B, &BEST_OF, run.min(Duration::from_secs(3)));
    let [mut a, mut b, mut oms, mut quiet, mut crowded] = [const { Vec::new() }; 5];
    for _round in 0..bench.pace.rounds {
        for (ruler, clients, turns) in [(&HOT_A, CONNECTIONS, &mut a), (&HOT_B, best, &mut b)] {
            bench.database.settle().await;
            turns.push(pgbench::measure(&bench.database, ruler, clients, run));
        }
        let server = bench.server().await;
        oms.push(bench.ordering(&[&server], CONNECTIONS, Wanted::Hot, run).await);
        for (is_crowded, turns) in [(false, &mut quiet), (true, &mut crowded)] {
            bench.database.settle().await;
            turns.push(bystanding(bench, &server, is_crowded, run).await);
        }
    }
    let report = &mut bench.report;
    let a = report.row("pgbench A, hot", &a);
    let b = report.row(&format!("pgbench B, hot, {best} clients"), &b);
    let oms = report.row("oms, hot", &oms);
    let quiet = report.row("bystander, alone", &quiet);
    let crowded = report.row("bystander, beside 64 hot ones", &crowded);
    report.number("orders_per_second", oms.per_second);
    report.number("times_better_ruler", oms.per_second / a.per_second.max(b.per_second));
    report.number("ruler_a_ms", a.mean_ms(CONNECTIONS));
    report.number("p99_ms", oms.p99_ms);
    report.number("bystander_p99_ratio", crowded.p99_ms / quiet.p99_ms);
}
