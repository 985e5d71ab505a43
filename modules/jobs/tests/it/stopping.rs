//! Stopping politely: what runs may end, the rest is given back.

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use kernel::Queue;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn running_jobs_may_end_and_no_new_ones_begin() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    let jobs: Vec<Slow> = (0..20).map(|n| Slow { n, ms: 600 }).collect();
    queue.enqueue_many(&jobs).await;
    until(&engine, |stats| stats.in_flight == 4).await;
    engine.stop().await;
    assert_eq!(queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'finished'").await, 4);
    assert_eq!(queue.number("SELECT count(*) FROM jobs.jobs WHERE state = 'new' AND attempt = 0").await, 16);
    assert_eq!(queue.number("SELECT count(*) FROM jobs.workers").await, 0);
    queue.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_given_back_at_the_end_is_given_back_by_the_next() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    until(&engine, |stats| stats.claims >= 2).await;
    queue.stray("gateway").await;
    let mut writing = queue.under_way("SELECT FROM jobs.jobs FOR UPDATE").await;
    engine.stop().await;
    queue.assert_sound().await;
    // Nobody waits for the job any more.
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    queue.until(waiting, 0).await;
    let next = queue.start(settings()).await;
    writing.batch_execute("ROLLBACK").await.unwrap();
    until(&next, |stats| stats.reaped == 1).await;
    queue.assert_sound().await;
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_do_not_end_in_time_are_given_back_uncharged() {
    let queue = TestQueue::new().await;
    let engine = queue.start(jobs::Settings { grace: Duration::from_millis(300), ..settings() }).await;
    let jobs: Vec<Slow> = (0..4).map(|n| Slow { n, ms: 60_000 }).collect();
    queue.enqueue_many(&jobs).await;
    until(&engine, |stats| stats.in_flight == 4).await;
    let started = Instant::now();
    engine.stop().await;
    assert!(started.elapsed() < Duration::from_secs(3), "stopping took {:?}", started.elapsed());
    let given_back = "SELECT count(*) FROM jobs.jobs WHERE state = 'retried' AND attempt = 0 AND lease_token IS NULL \
                      AND scheduled_at <= now() AND errors = '[]'";
    assert_eq!(queue.number(given_back).await, 4);
    // Somebody else has them at once.
    let next = queue.start(jobs::Settings { grace: Duration::ZERO, ..settings() }).await;
    until(&next, |stats| stats.in_flight == 4).await;
    next.stop().await;
    queue.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_home_when_their_engine_stops() {
    let queue = TestQueue::new().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let engine = queue.start(jobs::Settings { queues: vec![(Queue::Bulk, 20)], ..settings() }).await;
    until(&engine, |stats| stats.workers_alive == 20).await;
    assert!(tasks() >= before + 20);
    engine.stop().await;
    let deadline = Instant::now() + Duration::from_secs(5);
    // Connections and pools have tasks, too.
    while tasks() > before + 8 {
        assert!(Instant::now() < deadline, "{} tasks are left over", tasks() - before);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_takes_no_longer_without_a_database() {
    let queue = TestQueue::new().await;
    let url = "postgres://postgres@127.0.0.1:9/nowhere";
    let engine = jobs::start(url, machinery(url), queue.registry(), settings()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!engine.is_registered());
    let started = Instant::now();
    engine.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5), "stopping took {:?}", started.elapsed());
}
