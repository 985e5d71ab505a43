//! C-09: a job that is dead is seen, and made to run again, from the command line.

use std::process::Output;

use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use testkit::TestDatabase;
use tokio::time::{Duration, Instant, sleep};

use crate::{
    journeys::arrange::{buyers, count, words},
    support::processes::Site,
};

async fn run(database: &TestDatabase, arguments: &[&str]) -> Output {
    let mut oms = tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"));
    oms.arg("jobs").args(arguments).env_clear().env("DATABASE_URL", database.url()).output().await.unwrap()
}

/// What `oms jobs …` prints.
async fn oms_jobs(database: &TestDatabase, arguments: &[&str]) -> String {
    let done = run(database, arguments).await;
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test]
async fn c_09_a_dead_job_is_seen_and_retried_from_the_command_line() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let alice = &buyers(&site, &mut conn, 1).await[0];
    let dead = format!(
        "INSERT INTO jobs.jobs (queue, kind, args, state, attempt, finished_at, errors) VALUES ('bulk', \
         'accounts.send_password_changed', '{}', 'failed', 20, now(), '[{{\"at\": \"2026-11-22T20:00:00Z\", \"attempt\": 20, \
         \"error\": \"the mail server is away\"}}]')",
        json!({ "user_id": alice.id })
    );
    conn.batch_execute(&dead).await.unwrap();

    let listed: Value =
        serde_json::from_str(oms_jobs(&database, &["list", "--state", "failed", "--json"]).await.trim()).unwrap();
    let id = listed["id"].to_string();
    let shown: Value = serde_json::from_str(&oms_jobs(&database, &["show", &id]).await).unwrap();
    assert_eq!((&shown["state"], &shown["errors"][0]["error"]), (&json!("failed"), &json!("the mail server is away")));
    assert!(oms_jobs(&database, &["list"]).await.contains("the mail server is away"));

    oms_jobs(&database, &["retry", &id]).await;
    let (_catcher, _worker) = (site.mailcatcher(10).await, site.worker().await);
    let done = format!("jobs.jobs WHERE id = {id} AND state = 'finished'");
    let began = Instant::now();
    while count(&mut conn, &done).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not run");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_can_be_retried_is_and_the_others_are_named() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    let dead = "INSERT INTO jobs.jobs (queue, kind, args, state, attempt, finished_at, unique_key) VALUES \
                ('bulk', 'test.old', '{}', 'failed', 20, now(), NULL), \
                ('bulk', 'test.pair', '{}', 'failed', 20, now(), 'the same'), \
                ('bulk', 'test.pair', '{}', 'failed', 20, now(), 'the same'), \
                ('urgent', 'test.new', '{}', 'failed', 20, now(), NULL)";
    conn.batch_execute(dead).await.unwrap();

    assert_eq!(oms_jobs(&database, &["retry-failed", "--kind", "test.nwe"]).await, "no dead job of kind test.nwe\n");
    let said = oms_jobs(&database, &["retry-failed"]).await;
    // Of the two that are for the same thing, the newer one runs.
    let left = words(&mut conn, "SELECT id::text AS word FROM jobs.jobs WHERE state = 'failed'").await;
    let pair = words(&mut conn, "SELECT min(id)::text AS word FROM jobs.jobs WHERE kind = 'test.pair'").await;
    assert_eq!(left, pair);
    assert_eq!(count(&mut conn, "jobs.jobs WHERE state = 'retried' AND attempt = 0").await, 3);
    assert!(said.contains(&format!("job {} was not retried: a job for the same thing", left[0])), "{said}");
    assert!(said.contains("3 failed jobs run") && said.contains("1 were left as they are"), "{said}");
}

#[tokio::test]
async fn a_queue_that_is_misspelt_is_refused_with_those_there_are() {
    let database = TestDatabase::new().await;
    let refused = run(&database, &["list", "--queue", "urgnet"]).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("the queues are urgent, bulk, gateway"), "{said}");
    oms_jobs(&database, &["list", "--queue", "gateway"]).await;
}
