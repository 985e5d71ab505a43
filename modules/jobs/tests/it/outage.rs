//! The database goes away and comes back; the workers stay.

use std::time::{Duration, Instant};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn workers_survive_the_loss_of_every_connection() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    let jobs: Vec<Effect> = (0..400).map(|n| Effect { n }).collect();
    queue.enqueue_many(&jobs).await;
    // A connection that stays; the pools lose all of theirs, the handlers' as well.
    let mut eye = queue.database.connect().await;
    for enough in [50, 150, 250] {
        while number(&mut eye, "SELECT count(*) FROM public.effects").await < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(number(&mut eye, cut).await >= 4);
    }
    while number(&mut eye, "SELECT count(*) FROM jobs.jobs WHERE state = 'finished'").await < 400 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(number(&mut eye, "SELECT count(*) FROM public.effects").await, 400, "an effect happened twice");
    assert_eq!(number(&mut eye, "SELECT count(DISTINCT n) FROM public.effects").await, 400);
    assert_eq!(engine.stats().workers_alive, 8);
    assert!(engine.is_registered());
    assert_eq!(jobs::audit(&mut eye).await.unwrap(), []);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_declared_dead_breaks_off_and_registers_anew() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    queue.enqueue(&Slow { n: 1, ms: 60_000 }).await;
    until(&engine, |stats| stats.in_flight == 1).await;
    let silenced = Instant::now();
    queue.sql("UPDATE jobs.workers SET lost_at = now()").await;
    until(&engine, |stats| stats.lost == 1).await;
    assert!(silenced.elapsed() < Duration::from_secs(2));
    // Its own reaper gives the job back, and it is claimed under the new lease.
    until(&engine, |stats| stats.reaped == 1 && stats.in_flight == 1).await;
    queue.assert_sound().await;
    assert_eq!(queue.number("SELECT attempt FROM jobs.jobs").await, 2);
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_declared_dead_claims_nothing() {
    let queue = TestQueue::new().await;
    // It does not notice for a long time.
    let (heartbeat, lease) = (Duration::from_secs(60), Duration::from_secs(180));
    let engine = queue.start(jobs::Settings { heartbeat, lease, ..settings() }).await;
    until(&engine, |stats| stats.claims >= 2).await;
    queue.sql("UPDATE jobs.workers SET lost_at = now()").await;
    queue.enqueue(&Note { n: 1 }).await;
    let claims = engine.stats().claims;
    until(&engine, |stats| stats.claims >= claims + 6).await;
    assert_eq!(queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'new'").await, 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_given_back() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.claims >= 2).await;
    // What the table looks like when the connection breaks between the claim's commit and its answer.
    queue.stray("urgent").await;
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
    assert!(heard_since > heard, "it was not heard of meanwhile");
    let lost = "SELECT count(*) FROM jobs.workers WHERE lost_at IS NOT NULL OR heartbeat_at < now() - lease_ms * interval '1 ms'";
    assert_eq!(queue.number(lost).await, 0);
    engine.stop().await;
}
