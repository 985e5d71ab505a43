//! C-09: a job that is dead is seen, and made to run again, from the command line.

use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use testkit::TestDatabase;
use tokio::time::{Duration, Instant, sleep};

use crate::{
    journeys::arrange::{buyers, count},
    support::processes::Site,
};

/// What `oms jobs …` prints.
async fn oms_jobs(database: &TestDatabase, arguments: &[&str]) -> String {
    let mut oms = tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"));
    let done = oms.arg("jobs").args(arguments).env_clear().env("DATABASE_URL", database.url()).output().await.unwrap();
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
