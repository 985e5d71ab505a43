//! A shop with ten thousand orders and one with a million: whether anything takes longer in the larger one.

mod asking;

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;

use super::Bench;
use crate::support::{
    buyer::{Wanted, buyers},
    database::{audit, connect},
    load::{Crowd, crowd},
    reader::readers,
    report::{Report, Turn},
    server::Server,
};

const SMALL: usize = 10_000;
/// As many connections as keep the machine from being what is measured.
const CONNECTIONS: usize = 4;
/// Answers in each round, so that all rounds have seen 5,000 ones; but no round is longer than this many usual ones.
const ENOUGH: usize = 1_700;
const LONGEST: u32 = 4;

/// A database with so many orders.
async fn grown(bench: &Bench, name: &str, orders: usize) -> String {
    let url = bench.database.another(name).await;
    let began = Instant::now();
    let mut conn = connect(&url).await;
    let sql = include_str!("../rulers/growth.sql").replace(":orders", &orders.to_string());
    conn.batch_execute("SET statement_timeout = 0").await.unwrap();
    conn.batch_execute(&sql).await.unwrap();
    conn.batch_execute("VACUUM ANALYZE").await.unwrap();
    println!("  {orders} orders in {:.0} s", began.elapsed().as_secs_f64());
    url
}

/// Runs of a crowd until there are enough answers.
async fn enough(run: Duration, mut once: impl AsyncFnMut(Duration) -> Crowd) -> Crowd {
    let mut all = Crowd::default();
    for _run in 0..LONGEST {
        all.add(once(run).await.all_right());
        if all.latencies.len() >= ENOUGH {
            break;
        }
    }
    all
}

/// The two databases' turns of something: the middle of the rounds, and the larger one's p99 beside the smaller one's.
fn compare(report: &mut Report, what: &str, turns: &[Vec<Turn>; 2], answers: [usize; 2]) {
    let [small, large] = [("small", 0), ("large", 1)]
        .map(|(name, which)| report.row(&format!("{what}, {name}, {} answers", answers[which]), &turns[which]));
    report.number(&format!("{what}_p99_ratio"), large.p99_ms / small.p99_ms);
}

pub async fn measure(bench: &mut Bench) {
    let sizes = [("small", SMALL), ("large", bench.large)];
    let (mut servers, mut askings, mut urls) = (Vec::new(), Vec::new(), Vec::new());
    for (name, orders) in sizes {
        let url = grown(bench, name, orders).await;
        let server = Server::on(&bench.database, &url, true, &[]).await;
        askings.push(asking::all(&url, server.api).await);
        servers.push(server);
        urls.push(url);
    }
    bench.database.settle().await;
    let run = Duration::from_secs((bench.pace.run.as_secs() / 3).max(1));
    for (which, kind) in asking::KINDS.into_iter().enumerate() {
        let (mut turns, mut answers) = ([const { Vec::new() }; 2], [0; 2]);
        for _round in 0..bench.pace.rounds {
            for size in 0..sizes.len() {
                let (server, questions) = (&servers[size], &askings[size][which]);
                let once = async |run| crowd(run, readers(server.api, CONNECTIONS, questions)).await;
                once(bench.pace.warm_up).await.all_right();
                let (turn, crowd) = bench.turn(&[server], enough(run, once)).await;
                answers[size] += crowd.latencies.len();
                turns[size].push(turn);
            }
        }
        compare(&mut bench.report, kind, &turns, answers);
    }
    // Last, because it adds pending orders to both.
    let (mut turns, mut answers) = ([const { Vec::new() }; 2], [0; 2]);
    for _round in 0..bench.pace.rounds {
        for (size, server) in servers.iter().enumerate() {
            bench.database.settle().await;
            let once = async |run| crowd(run, buyers(&[server.api], CONNECTIONS, Wanted::Any)).await;
            once(bench.pace.warm_up).await.all_right();
            let (turn, crowd) = bench.turn(&[server], enough(run, once)).await;
            answers[size] += crowd.latencies.len();
            turns[size].push(turn);
        }
    }
    compare(&mut bench.report, "placing", &turns, answers);
    for url in &urls {
        audit(url).await;
    }
}
