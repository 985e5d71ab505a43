//! Few connections: what one order takes when little else is going on.

use super::Bench;
use crate::support::buyer::Wanted;

pub async fn measure(bench: &mut Bench) {
    let run = bench.pace.half();
    let [mut sixteen, mut one] = [const { Vec::new() }; 2];
    for _round in 0..bench.pace.rounds {
        for (connections, turns) in [(16, &mut sixteen), (1, &mut one)] {
            let server = bench.server().await;
            turns.push(bench.ordering(&[&server], connections, Wanted::Any, run).await);
        }
    }
    let report = &mut bench.report;
    let sixteen = report.row("16 connections", &sixteen);
    let one = report.row("one connection", &one);
    report.number("sixteen_p50_ms", sixteen.p50_ms);
    report.number("one_p50_ms", one.p50_ms);
}
