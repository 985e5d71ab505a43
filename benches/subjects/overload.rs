//! Twice as many at once as may be in flight: what is still done, and how the others are told.

use std::time::Duration;

use super::Bench;
use crate::support::{
    buyer::{Wanted, buyers},
    load::{Crowd, crowd},
    median,
    report::Turn,
};

/// Connections with which it is at its best; more gain nothing.
const USUAL: usize = 256;
/// Twice what may be in flight unless somebody says otherwise.
const TOO_MANY: usize = 1_024;
const LONG: Duration = Duration::from_secs(60);

/// Its goodput beside what it does at its best just before and just after, each long enough for a checkpoint and a vacuum.
pub async fn measure(bench: &mut Bench) {
    let run = (LONG / bench.pace.shorter).max(2 * bench.pace.run);
    let mut usual = vec![at_its_best(bench, run / 2).await];
    let (mut overloaded, mut shares) = (Vec::new(), Vec::new());
    let mut seen = Crowd::default();
    let [mut most, mut end] = [0.0_f64; 2];
    for round in 0..bench.pace.rounds {
        let server = bench.server().await;
        let (turn, crowd) = bench.turn(&[&server], crowd(run, buyers(&[server.api], TOO_MANY, Wanted::Any))).await;
        most = most.max(server.memory_mb("VmHWM"));
        end = end.max(server.memory_mb("VmRSS"));
        drop(server);
        seen.add(crowd);
        usual.push(at_its_best(bench, run / 2).await);
        shares.push(turn.per_second / f64::midpoint(usual[round].per_second, usual[round + 1].per_second));
        overloaded.push(turn);
    }
    let report = &mut bench.report;
    report.row(&format!("{USUAL} connections, before and after"), &usual);
    let overloaded = report.row(&format!("{TOO_MANY} connections, {} s", run.as_secs()), &overloaded);
    if seen.wrong > 0 {
        println!("  neither 201 nor a 503 with Retry-After: {:?}", seen.shown);
    }
    report.number("goodput_per_second", overloaded.per_second);
    report.number("of_peak", median(shares));
    report.number("told_to_retry", seen.refused as f64);
    report.number("anything_else", seen.wrong as f64);
    report.number("most_mb", most);
    report.number("end_mb", end);
}

async fn at_its_best(bench: &Bench, run: Duration) -> Turn {
    let server = bench.server().await;
    bench.ordering(&[&server], USUAL, Wanted::Any, run).await
}
