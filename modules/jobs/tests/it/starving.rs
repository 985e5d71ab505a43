//! Bulk work cannot starve payments.

use std::time::{Duration, Instant};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_bulk_does_not_delay_an_urgent_job() {
    let queue = TestQueue::new().await;
    let bulk: Vec<Slow> = (0..5000).map(|n| Slow { n, ms: 20 }).collect();
    queue.enqueue_many(&bulk).await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.finished > 20).await;
    let mut worst = Duration::ZERO;
    for n in 10_000..10_010 {
        queue.enqueue(&Note { n }).await;
        let committed = Instant::now();
        while !queue.diary.lock().unwrap().contains_key(&n) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        worst = worst.max(committed.elapsed());
    }
    assert!(worst < Duration::from_secs(2), "an urgent job waited {worst:?}");
    assert!(
        queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'new' AND queue = 'bulk'").await > 0,
        "the backlog was gone"
    );
    engine.stop().await;
}
