//! Another build of `oms` against this one, in turn: whether a change has made it faster. It has to run on this one's schema.

use super::{Bench, CONNECTIONS, hot::bystanding};
use crate::support::{
    buyer::Wanted,
    report::Turn,
    server::{PROGRAM, Server},
};

/// What each of them is asked for.
const ORDERS: [(&str, usize, Wanted); 3] =
    [("any", CONNECTIONS, Wanted::Any), ("hot", CONNECTIONS, Wanted::Hot), ("any, 16 connections", 16, Wanted::Any)];
/// Many short turns, because a machine is faster in one minute than in the next.
const ROUNDS: usize = 15;

pub async fn measure(bench: &mut Bench, other: &str) {
    // Servers have a directory of their own.
    let other = std::fs::canonicalize(other).unwrap();
    let programs = [("this", PROGRAM), ("the other", other.to_str().unwrap())];
    let run = bench.pace.run / 5;
    bench.pace.warm_up /= 8;
    let [this, that] =
        programs.map(|(_, program)| Server::of(program, &bench.database, &bench.database.url, true, &[]));
    let servers = [this.await, that.await];
    let mut turns = programs.map(|_| vec![Vec::<Turn>::new(); ORDERS.len() + 1]);
    for round in 0..ROUNDS {
        bench.database.settle().await;
        for (what, (_, connections, wanted)) in ORDERS.into_iter().enumerate() {
            for place in 0..programs.len() {
                let who = (round + place) % programs.len();
                turns[who][what].push(bench.ordering(&[&servers[who]], connections, wanted, run).await);
            }
        }
        for place in 0..programs.len() {
            let who = (round + place) % programs.len();
            turns[who][ORDERS.len()].push(bystanding(bench, &servers[who], true, run).await);
        }
    }
    let names: Vec<&str> = ORDERS.iter().map(|(what, ..)| *what).chain(["a bystander of the hot"]).collect();
    for (what, name) in names.into_iter().enumerate() {
        for ((who, _), turns) in programs.iter().zip(&turns) {
            bench.report.row(&format!("{name}: {who}"), &turns[what]);
        }
    }
}
