//! Jobs are picked up as soon as they are committed, here and in other processes.

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;

use crate::{process::Worker, support::*};

const LAZY: Duration = Duration::from_secs(5);

async fn started(queue: &TestQueue, n: i64) -> Instant {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(runs) = queue.diary.lock().unwrap().get(&n) {
            return runs[0];
        }
        assert!(Instant::now() < deadline, "job {n} never ran");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The median: one slow start on a busy machine proves nothing.
fn typical(mut waits: Vec<Duration>) -> Duration {
    waits.sort();
    waits[waits.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_announced_here_is_found_at_once() {
    let queue = TestQueue::new().await;
    let engine = queue.start(jobs::Settings { poll: LAZY, ..settings() }).await;
    until(&engine, |stats| stats.claims >= 2).await;
    let mut waits = Vec::new();
    for n in 0..10 {
        let pool = queue.pool.clone();
        let committed: Result<Instant, kernel::DbError> = kernel::run(move || {
            let pool = pool.clone();
            async move {
                kernel::enqueue(&mut *pool.get().await?, &Note { n }).await?;
                Ok(Instant::now())
            }
        })
        .await;
        waits.push(started(&queue, n).await.saturating_duration_since(committed.unwrap()));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let typical = typical(waits);
    assert!(typical < Duration::from_millis(100), "typically {typical:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_announced_in_another_process_is_found_at_once() {
    let queue = TestQueue::new().await;
    let _worker = Worker::start(queue.database.url(), LAZY);
    let _notifier = jobs::notify_only(queue.database.url());
    queue.until("SELECT count(*) FROM jobs.workers", 1).await;
    // Nobody can see from outside whether somebody listens.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut waits = Vec::new();
    for n in 0..10 {
        let pool = queue.pool.clone();
        let committed: Result<Instant, kernel::DbError> = kernel::run(move || {
            let pool = pool.clone();
            async move {
                kernel::enqueue(&mut *pool.get().await?, &Effect { n }).await?;
                Ok(Instant::now())
            }
        })
        .await;
        queue.until("SELECT count(*) FROM public.effects", n + 1).await;
        waits.push(committed.unwrap().elapsed());
    }
    let typical = typical(waits);
    assert!(typical < Duration::from_millis(100), "typically {typical:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_tells_others_but_not_too_often() {
    let queue = TestQueue::new().await;
    let mut ear = queue.database.connect().await;
    ear.batch_execute("LISTEN oms_jobs").await.unwrap();
    let notifier = jobs::notify_only(queue.database.url());
    queue.until("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'oms jobs signal'", 1).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(500) {
        kernel::job::announce();
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let mut heard = 0;
    let mut notifications = std::pin::pin!(ear.notifications_stream());
    while let Ok(Some(_)) =
        tokio::time::timeout(Duration::from_millis(300), futures_util::StreamExt::next(&mut notifications)).await
    {
        heard += 1;
        if started.elapsed() > Duration::from_secs(2) {
            break; // other tests of this process announce as well
        }
    }
    assert!(heard > 0, "nothing was heard");
    let most = started.elapsed().as_millis() / 10 + 10;
    assert!(heard < most, "{heard} notifications in {:?}", started.elapsed());
    drop(notifier);
}
