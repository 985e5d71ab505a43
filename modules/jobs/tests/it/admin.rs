//! What operators see and do, and what the audit finds.

use jobs::{JobsError, State, admin};

use crate::support::*;

#[tokio::test]
async fn jobs_can_be_listed_cancelled_and_retried() {
    let queue = TestQueue::new().await;
    queue.enqueue_many(&[Note { n: 1 }, Note { n: 2 }]).await;
    queue.enqueue(&Slow { n: 3, ms: 0 }).await;
    let mut conn = queue.pool.get().await.unwrap();
    let all = admin::list(&mut conn, &admin::Filter::default()).await.unwrap();
    assert_eq!(all.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>(), ["test.slow", "test.note", "test.note"]);
    let filter =
        admin::Filter { kind: Some("test.note".to_owned()), before: Some(all[1].id), ..admin::Filter::default() };
    let older = admin::list(&mut conn, &filter).await.unwrap();
    assert_eq!(older.iter().map(|job| job.id).collect::<Vec<_>>(), [all[2].id]);

    let id = all[0].id;
    assert_eq!(admin::pending(&mut conn).await.unwrap(), 3);
    let cancelled = admin::cancel(&mut conn, id).await.unwrap();
    assert_eq!(cancelled.state, State::Cancelled);
    assert!(cancelled.finished_at.is_some());
    assert_eq!(admin::pending(&mut conn).await.unwrap(), 2);
    let again = admin::cancel(&mut conn, id).await.unwrap_err();
    assert_eq!(again.to_string(), format!("job {id} is cancelled; only a waiting job can be cancelled"));
    let counts = admin::counts(&mut conn).await.unwrap();
    assert_eq!(
        counts.iter().map(|count| (count.queue.as_str(), count.state, count.count)).collect::<Vec<_>>(),
        [("bulk", State::Cancelled, 1), ("urgent", State::New, 2),]
    );

    queue.sql("UPDATE jobs.jobs SET scheduled_at = now() + interval '1 hour' WHERE args->>'n' = '1'").await;
    let backlog = admin::backlog(&mut conn).await.unwrap();
    assert_eq!(backlog.len(), 1);
    assert_eq!((backlog[0].ready, backlog[0].scheduled, backlog[0].running, backlog[0].dead), (1, 1, 0, 0));
    assert!(backlog[0].oldest_ready_ms > 0);

    let revived = admin::retry(&mut conn, id).await.unwrap();
    assert_eq!((revived.state, revived.finished_at), (State::Retried, None));
    assert!(matches!(admin::get(&mut conn, 999).await, Err(JobsError::NotFound(999))));
    assert!(matches!(admin::retry(&mut conn, 999).await, Err(JobsError::NotFound(999))));
    admin::notify(&mut conn).await.unwrap();
}

#[tokio::test]
async fn a_job_is_not_retried_beside_its_like() {
    let queue = TestQueue::new().await;
    queue
        .sql(
            "INSERT INTO jobs.jobs (queue, kind, args, unique_key, state, finished_at) VALUES \
             ('urgent', 'test.note', '{}', 'x', 'failed', now()), ('urgent', 'test.note', '{}', 'x', 'new', NULL)",
        )
        .await;
    let mut conn = queue.pool.get().await.unwrap();
    let refused = admin::retry(&mut conn, 1).await.unwrap_err();
    assert!(matches!(refused, JobsError::AlreadyQueued(1)), "{refused}");
}

#[tokio::test]
async fn the_audit_finds_what_is_wrong() {
    let queue = TestQueue::new().await;
    queue.assert_sound().await;
    queue
        .sql(
            "ALTER TABLE jobs.jobs DROP CONSTRAINT jobs_state_known, DROP CONSTRAINT jobs_running_is_leased, DROP CONSTRAINT jobs_ended_has_time; \
             INSERT INTO jobs.workers (token, hostname, pid, queues, lease_ms, heartbeat_at) VALUES \
                 ('018f0000-0000-7000-8000-000000000001', 'here', 1, '{urgent}', 30000, now()), \
                 ('018f0000-0000-7000-8000-000000000002', 'gone', 2, '{urgent}', 30000, now() - interval '2 minutes'); \
             INSERT INTO jobs.jobs (queue, kind, args, state, attempt, lease_token, finished_at) VALUES \
                 ('urgent', 'fine', '{}', 'in_progress', 1, '018f0000-0000-7000-8000-000000000001', NULL), \
                 ('urgent', 'silent', '{}', 'in_progress', 1, '018f0000-0000-7000-8000-000000000002', NULL), \
                 ('urgent', 'nobody', '{}', 'in_progress', 1, '018f0000-0000-7000-8000-000000000003', NULL), \
                 ('urgent', 'odd', '{}', 'sleeping', 1, NULL, NULL), \
                 ('urgent', 'timeless', '{}', 'finished', 1, NULL, NULL), \
                 ('urgent', 'leased', '{}', 'new', 1, '018f0000-0000-7000-8000-000000000001', NULL), \
                 ('urgent', 'stubborn', '{}', 'retried', 21, NULL, NULL)",
        )
        .await;
    let mut found: Vec<_> = jobs::audit(&mut queue.pool.get().await.unwrap())
        .await
        .unwrap()
        .into_iter()
        .map(|difference| (difference.subject, difference.check))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            ("job 2".to_owned(), "jobs.in_progress_has_a_live_worker"),
            ("job 3".to_owned(), "jobs.in_progress_has_a_live_worker"),
            ("job 4".to_owned(), "jobs.state_is_known"),
            ("job 5".to_owned(), "jobs.ended_has_a_time"),
            ("job 6".to_owned(), "jobs.in_progress_has_a_lease"),
            ("job 7".to_owned(), "jobs.attempts_within_the_limit"),
        ]
    );
}
