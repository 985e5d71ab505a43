//! Jobs that fail, and the workers that survive them.

use std::time::Duration;

use jobs::{State, admin};

use crate::support::*;

async fn all(queue: &TestQueue) -> Vec<admin::JobView> {
    let mut conn = queue.pool.get().await.unwrap();
    admin::list(&mut conn, &admin::Filter::default()).await.unwrap()
}

fn moody(mood: Mood, good_from_attempt: i16) -> Moody {
    Moody { mood, good_from_attempt }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kind_is_put_off_uncharged_and_stops_nobody() {
    let queue = TestQueue::new().await;
    queue.enqueue_many(&[const { Stranger {} }; 20]).await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.snoozed == 20).await;
    let jobs: Vec<Note> = (0..50).map(|n| Note { n }).collect();
    queue.enqueue_many(&jobs).await;
    until(&engine, |stats| stats.finished == 50).await;
    assert_eq!(engine.stats().workers_alive, 8);
    engine.stop().await;
    let stranger = all(&queue).await.into_iter().find(|job| job.kind == "test.stranger").unwrap();
    assert_eq!((stranger.state, stranger.attempt), (State::Retried, 0));
    assert!(stranger.errors[0]["error"].as_str().unwrap().contains("no handler for test.stranger"));
    assert_eq!(
        queue.number("SELECT count(*) FROM jobs.jobs WHERE kind = 'test.stranger' AND scheduled_at > now() + interval '50 seconds'").await,
        20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c_09_a_job_that_fails_is_tried_again_after_a_pause() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    for mood in [Mood::Retry, Mood::Panic, Mood::PanicEarly] {
        queue.enqueue(&moody(mood, 2)).await;
    }
    until(&engine, |stats| stats.finished == 3).await;
    let stats = engine.stats();
    assert_eq!((stats.retried, stats.panicked, stats.failed, stats.workers_alive), (3, 2, 0, 8));
    for job in all(&queue).await {
        assert_eq!((job.state, job.attempt), (State::Finished, 2));
        assert_eq!(job.errors.as_array().unwrap().len(), 1);
        let waited = job.attempted_at.unwrap() - job.created_at;
        assert!(waited.to_std().unwrap() >= Duration::from_millis(500), "came back after {waited}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_09_a_job_is_dead_after_its_last_attempt_and_can_be_revived() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    queue.enqueue(&moody(Mood::Panic, 3)).await;
    until(&engine, |stats| stats.failed == 1).await;
    let mut conn = queue.pool.get().await.unwrap();
    let dead = all(&queue).await.remove(0);
    assert_eq!((dead.state, dead.attempt), (State::Failed, 2));
    assert_eq!(dead.errors[1]["error"], "panicked: in the handler");
    assert_eq!(dead.errors[1]["attempt"], 2);
    let revived = admin::retry(&mut conn, dead.id).await.unwrap();
    assert_eq!((revived.state, revived.attempt), (State::Retried, 0));
    until(&engine, |stats| stats.failed == 2).await;
    assert_eq!(admin::get(&mut conn, dead.id).await.unwrap().errors.as_array().unwrap().len(), 4);
    queue.assert_sound().await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_gives_up_is_dead_at_once() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    queue.enqueue(&moody(Mood::GiveUp, 2)).await;
    until(&engine, |stats| stats.failed == 1).await;
    let dead = all(&queue).await.remove(0);
    assert_eq!((dead.state, dead.attempt), (State::Failed, 1));
    assert_eq!(dead.errors[0]["error"], "never");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_hangs_is_broken_off() {
    let queue = TestQueue::new().await;
    let engine = queue.start(jobs::Settings { job_timeout: Duration::from_millis(300), ..settings() }).await;
    queue.enqueue(&moody(Mood::Hang, 2)).await;
    until(&engine, |stats| stats.finished == 1).await;
    assert_eq!(engine.stats().timed_out, 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_07_rows_that_cannot_be_read_stop_nobody() {
    let queue = TestQueue::new().await;
    queue
        .sql(
            "INSERT INTO jobs.jobs (queue, kind, args) SELECT 'urgent', 'test.note', \
             (ARRAY['{}', '{\"n\": \"x\"}', 'null', '[1, 2]', '\"\"'])[1 + g % 5]::jsonb FROM generate_series(1, 100) g",
        )
        .await;
    let jobs: Vec<Note> = (0..1000).map(|n| Note { n }).collect();
    queue.enqueue_many(&jobs).await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.finished == 1000 && stats.failed == 100).await;
    assert_eq!(engine.stats().workers_alive, 8);
    assert_eq!(
        queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'failed' AND errors->0->>'error' LIKE 'arguments of test.note cannot be read%'").await,
        100
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_ten_errors_are_kept() {
    let queue = TestQueue::new().await;
    queue.enqueue(&moody(Mood::GiveUp, 99)).await;
    queue.sql("UPDATE jobs.jobs SET errors = (SELECT jsonb_agg(jsonb_build_object('error', g)) FROM generate_series(1, 10) g)").await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.failed == 1).await;
    let errors = all(&queue).await.remove(0).errors;
    assert_eq!(errors.as_array().unwrap().len(), 10);
    assert_eq!((&errors[0]["error"], &errors[9]["error"]), (&2.into(), &"never".into()));
    engine.stop().await;
}
