//! Every job runs, and no two workers run the same one.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jobs::{Ended, Observer};
use kernel::{Outcome, request, trace};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_never_run_one_job_twice() {
    let queue = TestQueue::new().await;
    let (one, two) = tokio::join!(queue.start(settings()), queue.start(settings()));
    let jobs: Vec<Note> = (0..2000).map(|n| Note { n }).collect();
    queue.enqueue_many(&jobs).await;
    kernel::job::announce();
    queue.until("SELECT count(*) FROM jobs.jobs WHERE state = 'finished'", 2000).await;
    one.idle().await;
    two.idle().await;
    let runs = queue.runs();
    assert_eq!(runs.len(), 2000);
    assert!(runs.values().all(|count| *count == 1), "ran twice: {:?}", runs.iter().find(|(_, count)| **count > 1));
    assert_eq!(one.stats().finished + two.stats().finished, 2000);
    assert!(one.stats().finished > 0 && two.stats().finished > 0);
    queue.assert_sound().await;
    tokio::join!(one.stop(), two.stop());
    queue.until("SELECT count(*) FROM jobs.workers", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_empty_when_its_statements_were_planned_is_not_read_from_end_to_end() {
    let queue = TestQueue::new().await;
    queue.sql("ALTER TABLE jobs.jobs SET (autovacuum_enabled = off)").await;
    queue.sql("VACUUM ANALYZE jobs.jobs").await;
    let engine = queue.start(settings()).await;
    // It asks before there is anything, each of its queues more than once.
    until(&engine, |stats| stats.claims >= 8).await;
    queue.enqueue(&Note { n: 0 }).await;
    engine.idle().await;
    queue.enqueue_many(&(1..=2000).map(|n| Note { n }).collect::<Vec<_>>()).await;
    kernel::job::announce();
    engine.idle().await;
    assert_eq!(queue.runs().len(), 2001);
    engine.stop().await;
    // What a session has read is counted when it has ended, which takes a moment.
    let looked_at = "SELECT (seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relid = t.relid))::bigint \
                     FROM pg_stat_user_tables t WHERE relid = 'jobs.jobs'::regclass";
    let mut read = 0;
    while read < 2_001 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        read = queue.number(looked_at).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    read = queue.number(looked_at).await;
    assert!(read < 20_000, "{read} rows were looked at for 2001 jobs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_rolled_back_never_runs() {
    let queue = TestQueue::new().await;
    let engine = queue.start(settings()).await;
    let mut conn = queue.database.connect().await;
    diesel_async::AsyncConnection::begin_test_transaction(&mut conn).await.unwrap();
    kernel::enqueue(&mut conn, &Note { n: 1 }).await.unwrap();
    drop(conn);
    queue.enqueue(&Note { n: 2 }).await;
    engine.idle().await;
    assert_eq!(queue.runs().into_keys().collect::<Vec<_>>(), [2]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_belongs_to_the_request_that_asked_for_it() {
    let queue = TestQueue::new().await;
    let seen = Arc::new(Mutex::new(None));
    let registry = queue.registry().on::<Note, _, _>({
        let seen = Arc::clone(&seen);
        move |_, _| {
            let seen = Arc::clone(&seen);
            async move {
                *seen.lock().unwrap() = Some(request::current());
                Outcome::Done
            }
        }
    });
    let runs = Arc::new(Mutex::new(Vec::new()));
    let observer = Observer::new({
        let runs = Arc::clone(&runs);
        move |run| runs.lock().unwrap().push((run.kind.to_owned(), run.ended))
    });
    let engine = queue.start_with(registry, jobs::Settings { observer: Some(observer), ..settings() }).await;
    let context = request::Context {
        request_id: Some("req-1".to_owned()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    };
    request::scope(context.clone(), queue.enqueue(&Note { n: 1 })).await;
    until(&engine, |stats| stats.finished == 1).await;
    let seen = seen.lock().unwrap().clone().unwrap();
    assert_eq!(seen.request_id, context.request_id);
    let of_trace =
        |context: &request::Context| trace::trace_id(context.traceparent.as_deref().unwrap()).map(str::to_owned);
    assert_eq!(of_trace(&seen), of_trace(&context));
    assert_ne!(seen.traceparent, context.traceparent, "it is a piece of work of its own");
    engine.stop().await;
    assert_eq!(*runs.lock().unwrap(), [("test.note".to_owned(), Ended::Finished)]);
}
