//! R-06: four times as much as the server can do. What it answers, it answers in time; the rest is told to come back.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use tokio::time::{sleep, sleep_until};

use crate::{
    journeys::arrange::{Buyer, buyers, order, shelf},
    support::{
        client::{Answer, Client},
        cluster::Cluster,
        processes::Site,
    },
};

/// Connections from which the peak is measured, and from which too much comes.
const CALM: usize = 16;
const CROWD: usize = 768;
const PEAK: Duration = Duration::from_secs(8);
const SIEGE: Duration = Duration::from_secs(60);

/// A command under a key of its own, on an order of the buyer's.
async fn ask(buyer: &Buyer, order: &str, client: &mut Client, key: &str) -> Answer {
    let body = r#"{"visibility":"customer","body":"When will it come?"}"#;
    buyer.post(client, &format!("/v1/orders/{order}/notes"), key, body).await.unwrap()
}

/// The time that this share of the answers took at most.
fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * share / 100).copied().unwrap_or_default()
}

#[tokio::test]
#[ignore = "fire: 2 min"]
async fn r_06_four_times_the_load_that_fits_leaves_four_fifths_of_the_work_done() {
    // Every commit takes 20 ms, as on a slow disk: what is scarce is the database, and not the processor that the clients
    // use too.
    let slow = [("commit_delay", "20000"), ("commit_siblings", "0")];
    let cluster = Cluster::with(true, &slow).await;
    let site = Site::new(&cluster.url()).await.set("OMS_MAX_IN_FLIGHT", "64");
    let mut conn = cluster.connect().await;
    let people = buyers(&site, &mut conn, 64).await;
    let variant = shelf(&mut conn, &[10_000_000]).await[0];
    let server = site.serve_only().await;
    let address = [server.address()];
    let (mut client, mut orders) = (Client::new(&address, 0), Vec::new());
    for buyer in &people {
        let placed = buyer.place(&mut client, "order", &order(&[(variant, 1)])).await.json();
        orders.push(placed["id"].as_str().unwrap().to_owned());
    }
    let ask = async |client: &mut Client, number: usize, key: &str| {
        ask(&people[number % 64], &orders[number % 64], client, key).await
    };

    // As much as fits: everybody waits for their answer before they ask again.
    let began = Instant::now();
    let done = join_all((0..CALM).map(async |number| {
        let (mut client, mut done) = (Client::new(&address, 0), 0_u64);
        while began.elapsed() < PEAK {
            let answer = ask(&mut client, number, &format!("calm-{number}-{done}")).await;
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
            done += 1;
        }
        done
    }))
    .await;
    let peak = rate(done.iter().sum(), began.elapsed());

    // Four times that, at the pace of a clock: nobody waits for anybody.
    let (over, tally, spent) = (Cell::new(false), RefCell::new(BTreeMap::<u16, u64>::new()), RefCell::new(Vec::new()));
    let pace = Duration::from_secs_f64(f64::from(u32::try_from(CROWD).unwrap()) / (4.0 * peak));
    let began = Instant::now();
    let crowd = join_all((0..CROWD).map(async |number| {
        let mut client = Client::new(&address, 0);
        let first =
            began + pace.mul_f64(f64::from(u32::try_from(number).unwrap()) / f64::from(u32::try_from(CROWD).unwrap()));
        let mut next = first;
        for round in 0_u64.. {
            sleep_until(next.into()).await;
            if began.elapsed() > SIEGE {
                break;
            }
            let sent = Instant::now();
            let answer = ask(&mut client, number, &format!("crowd-{number}-{round}")).await;
            *tally.borrow_mut().entry(answer.status).or_default() += 1;
            match answer.status {
                200 | 201 => spent.borrow_mut().push(sent.elapsed()),
                503 => assert!(answer.header("retry-after").is_some(), "{}", answer.text()),
                _ => panic!("{} {}", answer.status, answer.text()),
            }
            // Whoever was answered late does not send what they have missed all at once.
            next = (next + pace).max(Instant::now());
        }
    }));
    let health = async {
        let (mut client, mut times) = (Client::new(&address, 0), Vec::new());
        while !over.get() {
            let asked = Instant::now();
            assert_eq!(client.send("GET", "/healthz", &[], "").await.unwrap().status, 200);
            times.push(asked.elapsed());
            sleep(Duration::from_millis(25)).await;
        }
        times
    };
    let ((), mut times) = join(
        async {
            crowd.await;
            over.set(true);
        },
        health,
    )
    .await;
    let took = began.elapsed();
    let tally = tally.into_inner();
    let offered = rate(tally.values().sum(), took);
    let good: u64 = tally.iter().filter(|(status, _)| **status < 300).map(|(_, count)| count).sum();
    let goodput = rate(good, took);
    let (slowest, health) = (percentile(&mut spent.into_inner(), 99), percentile(&mut times, 99));
    println!(
        "R-06: peak {peak:.0} a second; {offered:.0} a second offered for {took:.0?}: {goodput:.0} a second done ({:.0} % of the peak), \
         p99 of what was done {slowest:?}, p99 of health {health:?}, {tally:?}",
        100.0 * goodput / peak
    );
    cluster.assert_sound(&[]).await;
    assert!(offered > 3.0 * peak, "R-06: only {offered:.0} a second were offered");
    assert!(tally.get(&503).is_some_and(|shed| *shed > 0), "R-06: nothing was shed");
    assert!(goodput >= 0.8 * peak, "R-06: {goodput:.0} of {peak:.0} a second");
    assert!(health < Duration::from_millis(50), "R-06: health took {health:?}");
}

fn rate(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / took.as_secs_f64()
}
