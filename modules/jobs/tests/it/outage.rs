//! The database goes away and comes back; the workers stay.

use std::time::{Duration, Instant};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn workers_survive_the_loss_of_every_connection() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    let jobs: Vec<Effect> = (0..400).map(|n| Effect { n }).collect();
    queue.enqueue_many(&jobs).await;
    for finished in [50, 150, 250] {
        queue.until(&format!("SELECT (count(*) >= {finished})::int FROM public.effects"), 1).await;
        queue
            .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
            .await;
        // The pool of this test finds its own connections broken, too.
        while let Ok(mut conn) = queue.pool.get().await {
            if diesel_async::SimpleAsyncConnection::batch_execute(&mut *conn, "SELECT 1").await.is_ok() {
                break;
            }
        }
    }
    queue.until("SELECT count(*) FROM jobs.jobs WHERE state = 'finished'", 400).await;
    queue.until("SELECT count(DISTINCT n) FROM public.effects", 400).await;
    assert_eq!(queue.number("SELECT count(*) FROM public.effects").await, 400, "an effect happened twice");
    assert_eq!(engine.stats().workers_alive, 8);
    // Listening again, too.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(engine.is_registered());
    queue.assert_sound().await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_declared_dead_breaks_off_and_registers_anew() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    queue.enqueue(&Slow { n: 1, ms: 60_000 }).await;
    until(&engine, |stats| stats.in_flight == 1).await;
    let silenced = Instant::now();
    queue.sql("DELETE FROM jobs.workers").await;
    until(&engine, |stats| stats.lost == 1).await;
    assert!(silenced.elapsed() < Duration::from_secs(2));
    // Its own reaper gives the job back, and it is claimed under the new lease.
    until(&engine, |stats| stats.reaped == 1 && stats.in_flight == 1).await;
    queue.assert_sound().await;
    assert_eq!(queue.number("SELECT attempt FROM jobs.jobs").await, 2);
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_given_back() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.claims >= 2).await;
    // What the table looks like when the connection breaks between the claim's commit and its answer.
    queue
        .sql(
            "INSERT INTO jobs.jobs (queue, kind, args, state, attempt, lease_token) \
             SELECT 'urgent', 'test.note', '{\"n\": 1}', 'in_progress', 1, token FROM jobs.workers",
        )
        .await;
    until(&engine, |stats| stats.finished == 1).await;
    assert_eq!(queue.number("SELECT attempt FROM jobs.jobs").await, 1);
    engine.stop().await;
}

#[tokio::test]
async fn a_busy_runtime_does_not_cost_the_lease() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.claims >= 2).await;
    let heard = queue.number("SELECT extract(epoch FROM heartbeat_at) * 1000 FROM jobs.workers").await;
    // The only thread of this runtime.
    std::thread::sleep(Duration::from_secs(2));
    let heard_since = queue.number("SELECT extract(epoch FROM heartbeat_at) * 1000 FROM jobs.workers").await;
    assert!(heard_since - heard > 1500, "silent since {} ms", heard_since - heard);
    assert_eq!(queue.number("SELECT count(*) FROM jobs.workers WHERE heartbeat_at < now() - interval '1 second'").await, 0);
    engine.stop().await;
}
