//! Periodic jobs: once for each slot, however many processes there are.

use std::time::Duration;

use kernel::{Outcome, job::Registry};

use crate::support::*;

fn every(queue: &TestQueue, period: Duration, job: &Note) -> Registry {
    queue.registry().every(period, job)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_once_per_slot_with_two_engines() {
    let queue = TestQueue::new().await;
    let period = Duration::from_millis(500);
    let one = queue.start_with(every(&queue, period, &Note { n: 7 }), settings()).await;
    let two = queue.start_with(every(&queue, period, &Note { n: 7 }), settings()).await;
    queue.until("SELECT (count(*) >= 6)::int FROM jobs.jobs", 1).await;
    tokio::join!(one.stop(), two.stop());
    let slots = queue.number("SELECT count(DISTINCT unique_key) FROM jobs.jobs").await;
    assert_eq!(queue.number("SELECT count(*) FROM jobs.jobs").await, slots, "a slot has two jobs");
    // As many as there is time for between the first and the last, and that one.
    let time = "SELECT (extract(epoch FROM max(created_at) - min(created_at)) * 2)::int + 2 FROM jobs.jobs";
    assert!(slots <= queue.number(time).await, "{slots} slots are too many");
    let next = "SELECT count(*) FROM jobs.schedules WHERE next_at > (SELECT max(created_at) FROM jobs.jobs) AND last_at < next_at";
    assert_eq!(queue.number(next).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_slots_are_not_made_up_for() {
    let queue = TestQueue::new().await;
    queue
        .sql("INSERT INTO jobs.schedules (kind, queue, args, every_ms, next_at) VALUES ('test.note', 'urgent', '{}', 60000, now() - interval '1 day')")
        .await;
    let engine = queue.start_with(every(&queue, Duration::from_secs(60), &Note { n: 7 }), settings()).await;
    until(&engine, |stats| stats.finished == 1).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(engine.stats().scheduled, 1);
    engine.stop().await;
    assert_eq!(
        queue
            .number("SELECT count(*) FROM jobs.schedules WHERE next_at BETWEEN now() AND now() + interval '1 minute'")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_falls_out_while_the_last_one_still_runs() {
    let queue = TestQueue::new().await;
    let registry = queue
        .registry()
        .on::<Note, _, _>(|_, _| async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Outcome::Done
        })
        .every(Duration::from_millis(200), &Note { n: 7 });
    let engine = queue.start_with(registry, jobs::Settings { grace: Duration::ZERO, ..settings() }).await;
    // Some slots have passed.
    queue
        .until("SELECT count(*) FROM jobs.schedules, jobs.jobs WHERE next_at > created_at + interval '1 second'", 1)
        .await;
    assert_eq!(queue.number("SELECT count(*) FROM jobs.jobs").await, 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_nobody_knows_does_not_fire() {
    let queue = TestQueue::new().await;
    queue
        .sql(
            "INSERT INTO jobs.schedules (kind, queue, args, every_ms, updated_at) VALUES \
             ('test.retired', 'urgent', '{}', 1000, now() - interval '8 days'), ('test.newer', 'urgent', '{}', 1000, now())",
        )
        .await;
    let engine = queue.start_with(every(&queue, Duration::from_secs(60), &Note { n: 7 }), settings()).await;
    until(&engine, |stats| stats.finished == 1).await;
    engine.stop().await;
    assert_eq!(queue.number("SELECT count(*) FROM jobs.jobs").await, 1);
    assert_eq!(queue.number("SELECT count(*) FROM jobs.schedules WHERE kind = 'test.retired'").await, 0);
    assert_eq!(queue.number("SELECT count(*) FROM jobs.schedules WHERE kind = 'test.newer'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_jobs_are_removed_and_dead_ones_kept() {
    let queue = TestQueue::new().await;
    queue
        .sql(
            "INSERT INTO jobs.jobs (queue, kind, args, state, finished_at) \
             SELECT 'bulk', 'test.note', '{}', s, now() - a * interval '1 hour' \
             FROM unnest(ARRAY['finished', 'cancelled', 'failed']) s, unnest(ARRAY[1, 25]) a, generate_series(1, 3000)",
        )
        .await;
    let engine = queue.start(settings()).await;
    queue.until("SELECT count(*) FROM jobs.jobs", 12_000).await;
    assert_eq!(queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'failed'").await, 6000);
    until(&engine, |stats| stats.pruned == 6000).await;
    engine.stop().await;
}
