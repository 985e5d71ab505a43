//! R-01: the server is killed under load, again and again; and R-04: what it needs from others is away.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    journeys::{
        arrange::{assert_sound, buyers, count, operator, order, shelf, words},
        power_cuts::until_answered,
    },
    support::{client::Client, load::Dice, processes::Site},
};

const SEED: u64 = 20_261_123;
const KILLS: usize = 20;
const CLIENTS: usize = 32;

#[tokio::test]
#[ignore = "fire: 40 s"]
async fn r_01_twenty_times_kill_9_loses_no_acknowledged_write_and_doubles_none() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, CLIENTS).await;
    let variants = shelf(&mut conn, &[1_000_000; 5]).await;
    let mut server = site.serve().await;
    let address = [server.address()];

    // Everybody orders, and cancels every other order; each write is repeated with its key until it is answered.
    let (over, answered) = (Cell::new(false), Cell::new(0_usize));
    let load = join_all(people.iter().zip(0..).map(async |(buyer, number): (_, usize)| {
        let (mut client, mut acknowledged) = (Client::new(&address, 0), BTreeMap::new());
        for round in 0_usize.. {
            if over.get() {
                break;
            }
            let lines = [(variants[(number + round) % 5], 1), (variants[(number + round + 2) % 5], 2)];
            let placed =
                until_answered(buyer, &mut client, "/v1/orders", &format!("order-{round}"), &order(&lines)).await;
            assert_eq!(placed.status, 201, "{}", placed.text());
            let id = placed.json()["id"].as_str().unwrap().to_owned();
            let is_cancelled = round % 2 == 1;
            if is_cancelled {
                let (path, body) = (format!("/v1/orders/{id}/cancel"), r#"{"reason":"Changed my mind"}"#);
                let cancelled = until_answered(buyer, &mut client, &path, &format!("cancel-{round}"), body).await;
                assert_eq!(cancelled.status, 200, "{}", cancelled.text());
            }
            assert!(acknowledged.insert(id, is_cancelled).is_none(), "two keys have one order");
            answered.set(answered.get() + 1);
        }
        acknowledged
    }));
    let kills = async {
        let mut dice = Dice::new(SEED);
        for _ in 0..KILLS {
            // In the middle of work, however slow the machine is.
            let enough = answered.get() + CLIENTS;
            while answered.get() < enough {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_millis(dice.throw(500))).await;
            server.kill();
            sleep(Duration::from_millis(dice.throw(200))).await;
            server.start().await;
        }
        over.set(true);
    };
    let (acknowledged, ()) = join(load, kills).await;
    let acknowledged: BTreeMap<String, bool> = acknowledged.into_iter().flatten().collect();

    let there = words(&mut conn, "SELECT id || ' ' || (status = 'cancelled') AS word FROM orders.orders").await;
    let there: BTreeMap<String, bool> = there
        .iter()
        .map(|word| word.split_once(' ').unwrap())
        .map(|(id, is_cancelled)| (id.to_owned(), is_cancelled == "true"))
        .collect();
    let writes = acknowledged.len() + acknowledged.values().filter(|cancelled| **cancelled).count();
    let lost = acknowledged.iter().filter(|(id, cancelled)| there.get(*id) != Some(cancelled)).count();
    let doubled = there.keys().filter(|id| !acknowledged.contains_key(*id)).count();
    println!(
        "R-01: {KILLS} times kill -9 of the server, {CLIENTS} clients: {writes} acknowledged writes, lost {lost}, doubled {doubled}"
    );
    assert_eq!((lost, doubled), (0, 0));
    assert_eq!(
        count(&mut conn, "orders.events WHERE kind = 'cancelled'").await,
        i64::try_from(writes - acknowledged.len()).unwrap()
    );
    assert_eq!(count(&mut conn, "kernel.idempotency_keys WHERE status IS NULL").await, 0);
    assert_sound(&database, &[]).await;
}

#[tokio::test]
#[ignore = "fire: 90 s"]
async fn r_04_orders_are_accepted_while_mail_and_gateway_are_away_and_the_backlog_drains() {
    const OUTAGE: Duration = Duration::from_secs(60);
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, 8).await;
    let olga = operator(&site, &mut conn).await;
    let variant = shelf(&mut conn, &[1_000_000]).await[0];
    let server = site.serve().await;
    let address = [server.address()];

    // Neither the mail server nor the gateway has been started.
    let began = Instant::now();
    let done = join_all(people.iter().map(async |buyer| {
        let (mut client, mut placed, mut slowest) = (Client::new(&address, 0), 0_i64, Duration::ZERO);
        while began.elapsed() < OUTAGE {
            let sent = Instant::now();
            let answer = buyer.place(&mut client, &format!("order-{placed}"), &order(&[(variant, 1)])).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            slowest = slowest.max(sent.elapsed());
            if placed == 0 {
                // Who wants to pay is told to come back, in time.
                let (id, sent) = (answer.json()["id"].as_str().unwrap().to_owned(), Instant::now());
                let path = format!("/v1/orders/{id}/payments");
                let answer = buyer.post(&mut client, &path, "pay", r#"{"gateway":"mock"}"#).await.unwrap();
                assert!(matches!(answer.status, 409 | 502 | 503), "{} {}", answer.status, answer.text());
                assert!(sent.elapsed() < Duration::from_secs(11), "{:?}", sent.elapsed());
                // Who pays by hand gets a mail about it later.
                let body = json!({ "amount": { "amount": 1_999, "currency": "EUR" }, "method": "bank_transfer" });
                let path = format!("/v1/orders/{id}/payments/offline");
                let answer = olga.post(&mut client, &path, &format!("hand-{id}"), &body.to_string()).await.unwrap();
                assert!(matches!(answer.status, 200 | 201 | 409), "{} {}", answer.status, answer.text());
            }
            placed += 1;
            sleep(Duration::from_millis(100)).await;
        }
        (placed, slowest)
    }))
    .await;
    let placed: i64 = done.iter().map(|(placed, _)| placed).sum();
    let slowest = done.iter().map(|(_, slowest)| *slowest).max().unwrap();
    assert_eq!(count(&mut conn, "orders.orders").await, placed);
    let waiting = "jobs.jobs WHERE state IN ('new', 'retried', 'in_progress') AND unique_key IS NULL";
    let backlog = count(&mut conn, waiting).await;
    assert!(backlog >= placed, "only {backlog} jobs are waiting");
    assert_eq!(count(&mut conn, "jobs.jobs WHERE state = 'failed'").await, 0);

    let (_catcher, _gateway) = (site.mailcatcher(100_000).await, site.gateway().await);
    let back = Instant::now();
    while count(&mut conn, waiting).await > 0 {
        assert!(back.elapsed() < Duration::from_secs(90), "{} jobs are still waiting", count(&mut conn, waiting).await);
        sleep(Duration::from_millis(100)).await;
    }
    println!(
        "R-04: mail and gateway away for {OUTAGE:?}: {placed} orders accepted, the slowest in {slowest:?}; {backlog} jobs drained {:?} after they were back",
        back.elapsed()
    );
    let mut window = Client::new(&[site.mail], 0);
    let totals = window.send("GET", "/api/messages?limit=1", &[], "").await.unwrap().json();
    assert!(totals["distinct"].as_i64().unwrap() >= placed, "{totals}");
    assert_sound(&database, &[&site.book()]).await;
}
