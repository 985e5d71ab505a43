//! C-09: every handler runs twice, and the second time changes nothing.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{acts::came_back, app::TestApp, rows::Everything};

/// What a second run may write again: the proof in a mail that is sent again is a new one, and so is when it was made.
const REMADE: [&str; 1] = ["accounts.one_time_tokens"];

impl TestApp {
    /// The kinds of the jobs that are finished.
    async fn finished_kinds(&self) -> BTreeSet<String> {
        self.words("SELECT DISTINCT kind AS word FROM jobs.jobs WHERE state = 'finished'").await.into_iter().collect()
    }

    /// The whole database but for the queue.
    async fn business(&self) -> Everything {
        let mut all = self.everything().await;
        all.retain(|table, _| !table.starts_with("jobs."));
        all
    }

    /// One of each periodic job, now.
    async fn all_periodic_jobs(&self) {
        self.execute("INSERT INTO jobs.jobs (queue, kind, args) SELECT queue, kind, args FROM jobs.schedules").await;
        self.run_jobs().await;
    }

    async fn execute(&self, sql: &str) {
        use diesel_async::SimpleAsyncConnection;
        self.database.connect().await.batch_execute(sql).await.unwrap();
    }
}

#[tokio::test]
async fn c_09_every_handler_run_twice_leaves_the_same_state() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let sam = app.default_shop().await.owner.clone();
    let shirt = app.variant().stock(100).create().await;

    // Mails of accounts.
    let bob = json!({ "username": "bob", "email": "bob@example.com", "password": "correct horse battery staple" });
    app.send(None, reqwest::Method::POST, "/auth/register", &[], Some(bob.to_string())).await.ok(201);
    let forgot = json!({ "email": alice.address() }).to_string();
    app.send(None, reqwest::Method::POST, "/auth/forgot-password", &[], Some(forgot)).await.ok(202);
    app.execute(&format!(
        "INSERT INTO jobs.jobs (queue, kind, args) VALUES ('bulk', 'accounts.send_password_changed', '{}')",
        json!({ "user_id": sam.id })
    ))
    .await;

    // Paid, sent, returned and refunded.
    let paid = app.place(&alice, &[(&shirt, 2)]).await;
    app.pay(&alice, &paid).await;
    app.bring(&sam, &paid, &[(1, 2)]).await;
    let goods = app.request_return(&alice, &paid, &[(1, 1)]).await;
    app.goods(&olga, &goods, "approve", json!({})).await.ok(200);
    app.goods(&olga, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    app.refund(&olga, &paid, json!({ "kind": "full" })).await.ok(200);
    // Held and taken, held and let go.
    let held = app.place(&alice, &[(&shirt, 1)]).await;
    app.authorize(&alice, &held, None).await;
    app.bring(&sam, &held, &[(1, 1)]).await;
    let freed = app.place(&alice, &[(&shirt, 1)]).await;
    let payment = app.authorize(&alice, &freed, None).await;
    app.payment(&olga, &freed, &payment, "void", json!({ "reason": "r" })).await.ok(200);
    // A note, an export, an order that nobody pays.
    let body = json!({ "visibility": "customer", "body": "We have found your parcel." });
    app.act(&olga, &format!("/orders/{held}/notes"), body).await.ok(201);
    app.act(&olga, "/admin/exports", json!({ "what": "orders" })).await.ok(202);
    app.place(&alice, &[(&shirt, 1)]).await;
    app.run_jobs().await;
    app.advance_minutes(45);
    app.all_periodic_jobs().await;

    // Every kind that the program knows has been run.
    let known: BTreeSet<String> = oms::jobs::registry(&app.wiring).kinds().into_iter().map(str::to_owned).collect();
    let ran = app.finished_kinds().await;
    let missing: Vec<_> = known.difference(&ran).collect();
    assert!(missing.is_empty(), "C-09: nothing here asks for {missing:?}: add a step that does");
    let mails = |app: &TestApp| app.outbox.take().into_iter().map(|mail| mail.key).collect::<BTreeSet<_>>();
    let (before, sent) = (app.business().await, mails(&app));

    // Now all of them once more, the gateway's deliveries too.
    let again = "UPDATE jobs.jobs SET state = 'new', attempt = 0, finished_at = NULL, scheduled_at = now() \
        WHERE state = 'finished' AND (unique_key IS NULL OR unique_key NOT LIKE 'slot:%')";
    let jobs = app.number("SELECT count(*) FROM jobs.jobs WHERE state = 'finished'").await;
    app.execute(again).await;
    app.run_jobs().await;
    let (after, sent_again) = (app.business().await, mails(&app));
    let changed: Vec<_> = before
        .iter()
        .filter(|(table, rows)| after.get(*table) != Some(rows) && !REMADE.contains(&table.as_str()))
        .map(|(table, rows)| (table, rows, after.get(table)))
        .collect();
    assert!(changed.is_empty(), "C-09: {changed:#?}");
    assert!(sent_again.is_subset(&sent), "C-09: new mails: {:?}", sent_again.difference(&sent).collect::<Vec<_>>());
    println!("C-09: {} kinds, {jobs} jobs run twice: nothing has changed", known.len());
    app.finish().await;
}
