//! What watching costs: orders per second of a saturated server with metrics, a scraper and JSON logs, and without any of
//! them, in turn, on a PostgreSQL that keeps what it commits (fsync on).
//!
//! `make bench-overhead`. Sixty-four connections place three-line orders over HTTP, each with a token and a key of its own.
//! Server, database and clients share the machine. The run ends with the audit.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a benchmark fails by panicking"
)]

#[expect(dead_code, reason = "the other benchmark needs more of it")]
mod support;

use std::{fs, time::Duration};

use support::{
    buyer::{Wanted, buyers},
    client::Client,
    database::Database,
    load::crowd,
    median,
    server::{Server, log},
};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 6;
const WARM_UP: Duration = Duration::from_secs(2);
const RUN: Duration = Duration::from_secs(10);
/// How often the numbers are asked for: three times as often as the shipped Prometheus does.
const SCRAPE: Duration = Duration::from_secs(5);
/// What watching may cost.
const LIMIT: f64 = 0.95;

/// Orders per second of a fresh server.
async fn round(database: &Database, watched: bool) -> f64 {
    database.settle().await;
    let server = Server::start(database, watched).await;
    let scraper = server.metrics.map(|metrics| {
        tokio::spawn(async move {
            let mut client = Client::new(&[metrics], 0);
            loop {
                let answer = client.send("GET", "/metrics", &[], "").await.unwrap();
                assert_eq!(answer.status, 200);
                tokio::time::sleep(SCRAPE).await;
            }
        })
    });
    let all = || buyers(&[server.api], CONNECTIONS, Wanted::Any);
    crowd(WARM_UP, all()).await.all_right();
    let speed = crowd(RUN, all()).await.all_right().per_second();
    if let Some(scraper) = scraper {
        scraper.abort();
    }
    println!("{}  {speed:>8.0} orders/s", if watched { "A watched  " } else { "B unwatched" });
    speed
}

#[tokio::main]
async fn main() {
    let database = Database::new().await;
    println!("a round that is not counted: everything is new");
    round(&database, false).await;
    let (mut watched, mut unwatched) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        // A B, B A, …: tables grow, and neither is always first.
        let first = number % 2 == 0;
        for is_watched in [first, !first] {
            let speed = round(&database, is_watched).await;
            if is_watched { watched.push(speed) } else { unwatched.push(speed) }
        }
    }
    let lines = fs::read_to_string(log(database.directory())).unwrap().lines().count();
    let (with, without) = (median(watched), median(unwatched));
    let share = with / without;
    println!(
        "overhead: {with:.0} orders/s with metrics, a scrape every {} s and JSON logs ({lines} lines), {without:.0} without: {:.1} % (limit {:.0} %); medians of {ROUNDS} alternating rounds of {} s, {CONNECTIONS} connections",
        SCRAPE.as_secs(),
        share * 100.0,
        LIMIT * 100.0,
        RUN.as_secs()
    );
    database.finish().await;
    assert!(share >= LIMIT, "watching costs more than it may");
}
