//! Worker processes that are killed: nothing is lost, nothing happens twice, nothing stays in progress.

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;

use crate::{
    process::{Worker, worker_settings},
    support::*,
};

#[tokio::test(flavor = "multi_thread")]
async fn c_08_killed_workers_lose_nothing_and_double_nothing() {
    const JOBS: i64 = 600;
    let queue = TestQueue::new().await;
    let jobs: Vec<Effect> = (0..JOBS).map(|n| Effect { n }).collect();
    queue.enqueue_many(&jobs).await;
    for kill in 1..=5 {
        let worker = Worker::start(queue.database.url(), Duration::from_millis(200));
        let enough = JOBS * kill / 8;
        queue.until(&format!("SELECT (count(*) >= {enough})::int FROM public.effects"), 1).await;
        drop(worker);
    }
    assert!(
        queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'in_progress'").await > 0,
        "no kill hit a running job"
    );
    let _last = Worker::start(queue.database.url(), Duration::from_millis(200));
    let started = Instant::now();
    queue.until("SELECT count(*) FROM jobs.jobs WHERE kind = 'test.effect' AND state = 'finished'", JOBS).await;
    assert!(started.elapsed() < Duration::from_secs(8), "recovery took {:?}", started.elapsed());
    assert_eq!(queue.number("SELECT count(*) FROM public.effects").await, JOBS);
    assert_eq!(queue.number("SELECT count(DISTINCT n) FROM public.effects").await, JOBS);
    assert!(
        queue.number("SELECT count(*) FROM jobs.jobs WHERE errors->0->>'error' LIKE 'the worker was lost%'").await > 0
    );
    // The periodic job has survived as well.
    queue.until("SELECT (count(*) > 0)::int FROM jobs.jobs WHERE kind = 'test.note' AND created_at > now() - interval '700 ms'", 1).await;
    queue.until("SELECT count(*) FROM jobs.workers", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_its_workers_is_dead_in_the_end() {
    let queue = TestQueue::new().await;
    queue
        .sql(
            "INSERT INTO jobs.jobs (queue, kind, args, state, attempt, max_attempts, lease_token) VALUES \
             ('urgent', 'test.note', '{\"n\": 1}', 'in_progress', 3, 3, '018f0000-0000-7000-8000-000000000001'), \
             ('urgent', 'test.note', '{\"n\": 2}', 'in_progress', 2, 3, '018f0000-0000-7000-8000-000000000001')",
        )
        .await;
    let engine = queue.start(worker_settings(Duration::from_millis(200))).await;
    until(&engine, |stats| stats.reaped == 2 && stats.failed == 1 && stats.finished == 1).await;
    assert_eq!(queue.runs().into_keys().collect::<Vec<_>>(), [2]);
    assert_eq!(
        queue
            .number("SELECT count(*) FROM jobs.jobs WHERE id = 1 AND state = 'failed' AND finished_at IS NOT NULL")
            .await,
        1
    );
    queue.assert_sound().await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_08_who_has_lost_a_job_does_not_write_its_end() {
    const OTHER: &str = "018f0000-0000-7000-8000-000000000001";
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    queue.enqueue(&Slow { n: 1, ms: 2_000 }).await;
    until(&engine, |stats| stats.in_flight == 1).await;
    // It was taken for dead, and somebody else has the job now.
    queue
        .sql(&format!(
            "INSERT INTO jobs.workers (token, hostname, pid, queues, lease_ms) VALUES ('{OTHER}', 'other', 1, '{{}}', 60000); \
             UPDATE jobs.jobs SET lease_token = '{OTHER}', attempt = 2"
        ))
        .await;
    until(&engine, |stats| stats.in_flight == 0).await;
    let theirs = format!("SELECT count(*) FROM jobs.jobs WHERE state = 'in_progress' AND lease_token = '{OTHER}'");
    assert_eq!(queue.number(&theirs).await, 1);
    engine.stop().await;
    assert_eq!(queue.number(&theirs).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c_08_what_a_lost_worker_is_writing_stays_with_it_until_that_is_over() {
    let queue = TestQueue::new().await;
    queue.sql(SILENT).await;
    // Frozen in the middle of a transaction that writes how the first of its jobs ended.
    let mut frozen = queue
        .under_way("UPDATE jobs.jobs SET state = 'finished', lease_token = NULL, finished_at = now() WHERE id = 1")
        .await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.reaped == 1).await;
    queue.assert_sound().await;
    frozen.batch_execute("ROLLBACK").await.unwrap();
    until(&engine, |stats| stats.finished == 2).await;
    queue.assert_sound().await;
    queue.until("SELECT count(*) FROM jobs.workers", 1).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_08_what_a_worker_claims_while_it_is_declared_dead_is_given_back() {
    let queue = TestQueue::new().await;
    queue.sql(SILENT).await;
    queue.sql("UPDATE jobs.jobs SET state = 'new', lease_token = NULL, attempt = 0 WHERE id = 1").await;
    // A claim that found its worker alive, and is not over.
    let mut claim = queue.under_way("UPDATE jobs.jobs SET state = 'in_progress', attempt = 1, lease_token = '018f0000-0000-7000-8000-000000000001' WHERE id = 1").await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.reaped == 1).await;
    claim.batch_execute("COMMIT").await.unwrap();
    queue.assert_sound().await;
    until(&engine, |stats| stats.reaped == 2 && stats.finished == 2).await;
    queue.assert_sound().await;
    queue.until("SELECT count(*) FROM jobs.workers", 1).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_the_version_before_loses_its_row_when_it_beats_on() {
    let queue = TestQueue::new().await;
    queue.sql(SILENT).await;
    let mut writing = queue.under_way("SELECT FROM jobs.jobs WHERE id = 1 FOR UPDATE").await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.reaped == 1).await;
    queue.sql("UPDATE jobs.workers SET heartbeat_at = now() WHERE hostname = 'silent'").await;
    queue.until("SELECT count(*) FROM jobs.workers", 1).await;
    writing.batch_execute("ROLLBACK").await.unwrap();
    until(&engine, |stats| stats.finished == 2).await;
    queue.assert_sound().await;
    engine.stop().await;
}

/// A worker that is silent for longer than its lease, and two jobs that it has.
const SILENT: &str = "\
    INSERT INTO jobs.workers (token, hostname, pid, queues, lease_ms, heartbeat_at) VALUES \
        ('018f0000-0000-7000-8000-000000000001', 'silent', 1, '{urgent}', 1500, now() - interval '1600 ms'); \
    INSERT INTO jobs.jobs (queue, kind, args, state, attempt, lease_token) VALUES \
        ('urgent', 'test.note', '{\"n\": 1}', 'in_progress', 1, '018f0000-0000-7000-8000-000000000001'), \
        ('urgent', 'test.note', '{\"n\": 2}', 'in_progress', 1, '018f0000-0000-7000-8000-000000000001')";
