//! Bulk work cannot starve payments.

use std::time::{Duration, Instant};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn c_12_a_backlog_of_bulk_does_not_delay_an_urgent_job() {
    let queue = TestQueue::new().await;
    queue
        .sql(
            "INSERT INTO jobs.jobs (queue, kind, args) \
             SELECT 'bulk', 'test.slow', jsonb_build_object('n', n, 'ms', 20) FROM generate_series(1, 50000) n",
        )
        .await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.finished > 20).await;
    let mut worst = Duration::ZERO;
    for n in 100_000..100_010 {
        queue.enqueue(&Note { n }).await;
        let committed = Instant::now();
        while !queue.diary.lock().unwrap().contains_key(&n) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        worst = worst.max(committed.elapsed());
    }
    println!("C-12: 50,000 bulk jobs queued: the slowest of ten urgent ones was done {worst:?} after it was committed");
    assert!(worst < Duration::from_secs(2), "an urgent job waited {worst:?}");
    assert!(
        queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'new' AND queue = 'bulk'").await > 0,
        "the backlog was gone"
    );
    engine.stop().await;
}
