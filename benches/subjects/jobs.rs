//! The queue with jobs that do nothing: how many a second, and how soon an idle worker has one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use diesel_async::SimpleAsyncConnection;
use jobs::{Engine, Settings};
use kernel::{Job, Outcome, PgConn, Queue, db, job::Registry};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::Bench;
use crate::support::{
    database::{audit, connect},
    load::percentile_ms,
    median,
};

const WORKERS: u32 = 16;
const MANY: u32 = 20_000;
/// Jobs that come one by one to idle workers, and the pause between them.
const FEW: u32 = 200;
const PAUSE: Duration = Duration::from_millis(25);

#[derive(Serialize, Deserialize)]
struct Nothing {}

impl Job for Nothing {
    const KIND: &'static str = "bench.nothing";
    const QUEUE: Queue = Queue::Bulk;
}

async fn enqueue(conn: &mut PgConn, jobs: u32) {
    let sql = format!(
        "INSERT INTO jobs.jobs (queue, kind, args) SELECT 'bulk', '{}', '{{}}' FROM generate_series(1, {jobs})",
        Nothing::KIND
    );
    conn.batch_execute(&sql).await.unwrap();
}

/// Sixteen workers that say when each job was begun.
async fn engine(url: &str, begun: UnboundedSender<Instant>) -> Engine {
    let registry = Registry::new().on(move |_: Nothing, _context| {
        let _nobody_counts_any_more = begun.send(Instant::now());
        std::future::ready(Outcome::Done)
    });
    let pool = db::pool(url, jobs::pool_settings());
    let settings = Settings { queues: vec![(Queue::Bulk, WORKERS)], ..Settings::default() };
    let engine = jobs::start(url, pool, registry, settings).await.unwrap();
    while !engine.is_registered() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    engine
}

pub async fn measure(bench: &mut Bench) {
    let url: Arc<str> = bench.database.another("queue").await.into();
    let mut conn = connect(&url).await;
    let (begun, mut begins) = unbounded_channel();
    let engine = engine(&url, begun).await;
    let many = MANY / bench.pace.shorter;
    let mut speeds = Vec::new();
    for _round in 0..bench.pace.rounds {
        bench.database.settle().await;
        enqueue(&mut conn, many).await;
        let began = Instant::now();
        kernel::job::announce();
        engine.idle().await;
        speeds.push(f64::from(many) / began.elapsed().as_secs_f64());
    }
    while begins.try_recv().is_ok() {}
    let mut waits = Vec::new();
    for _job in 0..FEW {
        tokio::time::sleep(PAUSE).await;
        enqueue(&mut conn, 1).await;
        let committed = Instant::now();
        // As another process would say it.
        conn.batch_execute("NOTIFY oms_jobs").await.unwrap();
        let begin = begins.recv().await.unwrap();
        waits.push(u32::try_from((begin - committed).as_micros()).unwrap());
    }
    engine.stop().await;
    waits.sort_unstable();
    let report = &mut bench.report;
    report.number("jobs_per_second", median(speeds));
    report.number("pick_up_p50_ms", percentile_ms(&waits, 50));
    report.number("pick_up_p95_ms", percentile_ms(&waits, 95));
    audit(&url).await;
}
