//! Twice as many at once as may be in flight: what is still done, and how the others are told.

use std::time::Duration;

use super::Bench;
use crate::support::{
    buyer::{Wanted, buyers},
    load::crowd,
};

/// Connections with which it is at its best; more gain nothing.
const USUAL: usize = 256;
/// Twice what may be in flight unless somebody says otherwise.
const TOO_MANY: usize = 1_024;
const LONG: Duration = Duration::from_secs(60);

pub async fn measure(bench: &mut Bench) {
    // Before and after, so that the middle has as large a database as it has; and as long, because a minute has checkpoints and
    // vacuums in it that a few seconds need not have.
    let run = (LONG / bench.pace.shorter).max(2 * bench.pace.run);
    let mut peaks = Vec::new();
    let server = bench.server().await;
    peaks.push(bench.ordering(&[&server], USUAL, Wanted::Any, run).await);
    drop(server);
    let server = bench.server().await;
    let (turn, crowd) = bench.turn(&[&server], crowd(run, buyers(&[server.api], TOO_MANY, Wanted::Any))).await;
    let [most, end] = ["VmHWM", "VmRSS"].map(|name| server.memory_mb(name));
    drop(server);
    let server = bench.server().await;
    peaks.push(bench.ordering(&[&server], USUAL, Wanted::Any, run).await);
    let peak = peaks.iter().map(|turn| turn.per_second).sum::<f64>() / peaks.len() as f64;
    let report = &mut bench.report;
    report.row(&format!("{USUAL} connections, before and after"), &peaks);
    report.row(&format!("{TOO_MANY} connections, {} s", run.as_secs()), &[turn]);
    if crowd.wrong > 0 {
        println!("  neither 201 nor a 503 with Retry-After: {:?}", crowd.shown);
    }
    report.number("goodput_per_second", turn.per_second);
    report.number("of_peak", turn.per_second / peak);
    report.number("told_to_retry", crowd.refused as f64);
    report.number("anything_else", crowd.wrong as f64);
    report.number("most_mb", most);
    report.number("end_mb", end);
}
