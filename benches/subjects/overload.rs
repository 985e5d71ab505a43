//! Twice as many at once as may be in flight: what is still done, and how the others are told.

use std::time::Duration;

use super::Bench;
use crate::support::{
    buyer::{Wanted, buyers},
    load::crowd,
    report::Turn,
};

/// Connections among which the best is looked for.
const USUAL: [usize; 2] = [64, 256];
/// Twice what may be in flight unless somebody says otherwise.
const TOO_MANY: usize = 1_024;
const LONG: Duration = Duration::from_secs(60);

pub async fn measure(bench: &mut Bench) {
    let mut usual = USUAL.map(|_| Vec::new());
    for _round in 0..bench.pace.rounds {
        for (connections, turns) in USUAL.into_iter().zip(&mut usual) {
            let server = bench.server().await;
            turns.push(bench.ordering(&[&server], connections, Wanted::Any, bench.pace.half()).await);
        }
    }
    let report = &mut bench.report;
    let speed =
        |(connections, turns): (usize, &Vec<Turn>)| report.row(&format!("{connections} connections"), turns).per_second;
    let peak = USUAL.into_iter().zip(&usual).map(speed).fold(0.0, f64::max);
    let server = bench.server().await;
    let run = (LONG / bench.pace.shorter).max(2 * bench.pace.run);
    let (turn, crowd) = bench.turn(&[&server], crowd(run, buyers(&[server.api], TOO_MANY, Wanted::Any))).await;
    let report = &mut bench.report;
    report.row(&format!("{TOO_MANY} connections, {} s", run.as_secs()), &[turn]);
    if crowd.wrong > 0 {
        println!("  neither 201 nor a 503 with Retry-After: {:?}", crowd.shown);
    }
    report.number("goodput_per_second", turn.per_second);
    report.number("of_peak", turn.per_second / peak);
    report.number("told_to_retry", crowd.refused as f64);
    report.number("anything_else", crowd.wrong as f64);
    report.number("most_mb", server.memory_mb("VmHWM"));
    report.number("end_mb", server.memory_mb("VmRSS"));
}
