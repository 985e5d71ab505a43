//! R-10: lost races. Deadlocks and lock timeouts are made on purpose; the use case is repeated, and nobody is told 500.

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use futures_util::future::{join, join_all};
use kernel::PgConn;
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    journeys::arrange::{Buyer, assert_sound, buyers, count, order, shelf},
    support::{client::Client, processes::Site},
};

/// How long PostgreSQL lets a program wait before it looks for a circle. Ours, which closes it, waits longer: so it is
/// always the program that is told to give way.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until somebody waits for a lock.
async fn until_somebody_waits(eye: &mut PgConn, how_many: i64) {
    let (waiting, began) =
        ("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", Instant::now());
    while count(eye, waiting).await < how_many {
        assert!(began.elapsed() < Duration::from_secs(10), "nobody waits");
    }
}

async fn run(conn: &mut PgConn, sql: &str) {
    conn.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test]
#[ignore = "fire: 2 min"]
async fn r_10_two_hundred_deadlocks_are_two_hundred_answers() {
    const EACH: usize = 100;
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    // Before the program connects: what a session begins with.
    let name = database.name();
    run(&mut conn, &format!("ALTER DATABASE {name} SET deadlock_timeout = '{} ms'", LOOK.as_millis())).await;
    let site = Site::new(database.url()).await;
    let alice: &Buyer = &buyers(&site, &mut conn, 1).await[0];
    let mut variants = shelf(&mut conn, &[1_000_000; 2]).await;
    variants.sort_unstable();
    let server = site.serve_only().await;
    let mut client = Client::new(&[server.address()], 0);
    let mut rival = database.connect().await;
    run(&mut rival, "SET deadlock_timeout = '60 s'; SET lock_timeout = '30 s'").await;
    let lock_stock = |variant| format!("SELECT 1 FROM catalog.stock WHERE variant_id = '{variant}' FOR UPDATE");
    let before = count(&mut conn, DEADLOCKS).await;
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();

    // Placing locks stock in order; somebody else does it the other way round.
    let body = order(&[(variants[0], 1), (variants[1], 1)]);
    for round in 0..EACH {
        run(&mut rival, &format!("BEGIN; {}", lock_stock(variants[1]))).await;
        let (key, circle) = (format!("place-{round}"), lock_stock(variants[0]));
        let (answer, ()) = join(alice.place(&mut client, &key, &body), async {
            until_somebody_waits(&mut conn, 1).await;
            run(&mut rival, &circle).await;
            run(&mut rival, "COMMIT").await;
        })
        .await;
        *statuses.entry(answer.status).or_default() += 1;
    }
    sleep(COUNTED).await;
    let placed = count(&mut conn, DEADLOCKS).await - before;

    // A command locks its order first, and then stock.
    let orders = words_of(&mut conn).await;
    for (round, id) in orders.iter().take(EACH).enumerate() {
        run(&mut rival, &format!("BEGIN; {}", lock_stock(variants[0]))).await;
        let (path, key) = (format!("/v1/orders/{id}/cancel"), format!("cancel-{round}"));
        let circle = format!("SELECT 1 FROM orders.orders WHERE id = '{id}' FOR UPDATE");
        let (answer, ()) = join(alice.post(&mut client, &path, &key, r#"{"reason":"no"}"#), async {
            until_somebody_waits(&mut conn, 1).await;
            run(&mut rival, &circle).await;
            run(&mut rival, "COMMIT").await;
        })
        .await;
        *statuses.entry(answer.unwrap().status).or_default() += 1;
    }
    sleep(COUNTED).await;
    let all = count(&mut conn, DEADLOCKS).await - before;
    println!("R-10: {all} deadlocks ({placed} in placing, {} in commands): answers {statuses:?}", all - placed);
    assert!(all >= i64::try_from(2 * EACH).unwrap() * 9 / 10, "R-10: only {all} deadlocks");
    assert_eq!(statuses.get(&500), None, "R-10");
    assert_eq!(statuses.get(&201).copied().unwrap_or_default(), EACH, "R-10: {statuses:?}");
    assert_eq!(statuses.get(&200).copied().unwrap_or_default(), EACH, "R-10: {statuses:?}");
    assert_sound(&database, &[]).await;
}

/// How late PostgreSQL counts.
const COUNTED: Duration = Duration::from_millis(2_500);
/// What PostgreSQL has counted.
const DEADLOCKS: &str =
    "generate_series(1, (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()))";

async fn words_of(conn: &mut PgConn) -> Vec<String> {
    crate::journeys::arrange::words(conn, "SELECT id::text AS word FROM orders.orders ORDER BY id").await
}

#[tokio::test]
#[ignore = "fire: 40 s"]
async fn r_10_two_hundred_lock_timeouts_are_no_500() {
    const EACH: usize = 25;
    const ROUNDS: usize = 8;
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    let site = Site::new(database.url()).await.set("OMS_DB_POOL", "30");
    let alice: &Buyer = &buyers(&site, &mut conn, 1).await[0];
    let variant = shelf(&mut conn, &[1_000_000]).await[0];
    let server = site.serve_only().await;
    let address = [server.address()];
    let mut client = Client::new(&address, 0);
    for number in 0..ROUNDS * EACH {
        let answer = alice.place(&mut client, &format!("order-{number}"), &order(&[(variant, 1)])).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let orders = words_of(&mut conn).await;
    let mut rival = database.connect().await;
    let mut clients: Vec<_> = (0..EACH).map(|_| Client::new(&address, 0)).collect();
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for (round, some) in orders.chunks(EACH).enumerate() {
        // Three times longer than one attempt waits in the first round, so that all attempts are used up; then for one of them.
        let held = if round == 0 { Duration::from_millis(7_500) } else { Duration::from_millis(2_500) };
        let ids: Vec<_> = some.iter().map(|id| format!("'{id}'")).collect();
        run(&mut rival, &format!("BEGIN; SELECT 1 FROM orders.orders WHERE id IN ({}) FOR UPDATE", ids.join(",")))
            .await;
        let sent = join_all(clients.iter_mut().zip(some).map(async |(client, id)| {
            let path = format!("/v1/orders/{id}/cancel");
            let answer = alice.post(client, &path, &format!("cancel-{id}"), r#"{"reason":"no"}"#).await.unwrap();
            if answer.status == 503 {
                // Opening thirty connections at once may take longer than a request waits for one.
                let is_known = answer.is_problem(503, "contended") || answer.is_problem(503, "unavailable");
                assert!(is_known && answer.header("retry-after").is_some(), "{}", answer.text());
            }
            answer.status
        }));
        let (answers, ()) = join(sent, async {
            sleep(held).await;
            run(&mut rival, "COMMIT").await;
        })
        .await;
        for status in answers {
            *statuses.entry(status).or_default() += 1;
        }
    }
    println!(
        "R-10: {} commands met a lock that was held for longer than they wait: answers {statuses:?}",
        ROUNDS * EACH
    );
    assert!(statuses.keys().all(|status| matches!(status, 200 | 503)), "R-10: {statuses:?}");
    let refused = statuses.get(&503).copied().unwrap_or_default();
    assert!(refused >= EACH, "R-10: the lock was held for too short a time: {statuses:?}");
    // Whoever was refused tries again with the same key.
    for id in &orders {
        let path = format!("/v1/orders/{id}/cancel");
        let answer = alice.post(&mut client, &path, &format!("cancel-{id}"), r#"{"reason":"no"}"#).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_sound(&database, &[]).await;
}
