//! Two servers on one database against one, with as many connections.

use super::{Bench, CONNECTIONS};
use crate::support::{buyer::Wanted, server::Server};

pub async fn measure(bench: &mut Bench) {
    let run = bench.pace.half();
    let [mut one, mut two] = [const { Vec::new() }; 2];
    for _round in 0..bench.pace.rounds {
        let first = bench.server().await;
        one.push(bench.ordering(&[&first], CONNECTIONS, Wanted::Any, run).await);
        drop(first);
        let first = bench.server().await;
        let second = Server::start(&bench.database, true).await;
        two.push(bench.ordering(&[&first, &second], CONNECTIONS, Wanted::Any, run).await);
    }
    let report = &mut bench.report;
    let one = report.row("one server, 64 connections", &one);
    let two = report.row("two servers, 32 connections each", &two);
    report.number("two_of_one", two.per_second / one.per_second);
}
