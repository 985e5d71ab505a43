//! PostgreSQL is killed and frozen under load, and the server tells, waits and comes back.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    journeys::{
        arrange::{Buyer, buyers, count, operator, order, shelf},
        power_cuts::until_answered,
    },
    support::{
        client::Client,
        cluster::Cluster,
        processes::{Process, Site},
    },
};

const KILLS: usize = 10;
const CLIENTS: usize = 16;

/// Asks for readiness until it is `status`; answers how long that took from `since`.
async fn ready_is(client: &mut Client, status: u16, since: Instant, limit: Duration) -> Duration {
    loop {
        let answer = client.send("GET", "/readyz", &[], "").await.unwrap();
        if answer.status == status {
            return since.elapsed();
        }
        assert!(since.elapsed() < limit * 4, "readiness is {} for {:?}", answer.status, since.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "fire: 1 min"]
async fn r_02_ten_times_kill_9_of_postgres_is_told_by_readiness_and_survived() {
    const FALLS: Duration = Duration::from_secs(2);
    const RISES: Duration = Duration::from_secs(5);
    let mut cluster = Cluster::new(true).await;
    let site = Site::new(&cluster.url()).await;
    let mut conn = cluster.connect().await;
    let people = buyers(&site, &mut conn, CLIENTS).await;
    let variants = shelf(&mut conn, &[1_000_000; 3]).await;
    drop(conn);
    let mut server = site.serve().await;
    let (address, id) = (server.address(), server.id());

    let over = Cell::new(false);
    let load = join_all(people.iter().map(async |buyer| {
        let (mut client, mut placed) = (Client::new(&[address], 0), 0_i64);
        while !over.get() {
            let body = order(&[(variants[0], 1), (variants[1], 1)]);
            let answer = until_answered(buyer, &mut client, "/v1/orders", &format!("order-{placed}"), &body).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            placed += 1;
        }
        placed
    }));
    let nemesis = async {
        let mut client = Client::new(&[address], 0);
        let (mut fell, mut rose, mut sold) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for round in 0..KILLS {
            sleep(Duration::from_millis(700)).await;
            cluster.kill();
            fell = fell.max(ready_is(&mut client, 503, Instant::now(), FALLS).await);
            for _ in 0..10 {
                let alive = client.send("GET", "/healthz", &[], "").await.unwrap();
                assert_eq!(alive.status, 200, "R-09");
                let ready = client.send("GET", "/readyz", &[], "").await.unwrap();
                assert!(ready.is_problem(503, "unavailable"), "R-09: {}", ready.text());
                sleep(Duration::from_millis(30)).await;
            }
            cluster.start().await;
            let accepting = Instant::now();
            rose = rose.max(ready_is(&mut client, 200, accepting, RISES).await);
            let body = order(&[(variants[2], 1)]);
            let answer = until_answered(&people[0], &mut client, "/v1/orders", &format!("again-{round}"), &body).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            sold = sold.max(accepting.elapsed());
        }
        over.set(true);
        println!(
            "R-02: {KILLS} times kill -9 of PostgreSQL: readiness fell within {fell:?}, rose within {rose:?}, orders within {sold:?}"
        );
        (fell, rose)
    };
    let (placed, (fell, rose)) = tokio::join!(load, nemesis);
    assert!(server.is_alive() && server.id() == id, "the process ended");

    let placed = placed.iter().sum::<i64>() + i64::try_from(KILLS).unwrap();
    let mut conn = cluster.connect().await;
    println!("R-02: {placed} orders were acknowledged, and each is there once");
    assert_eq!(count(&mut conn, "orders.orders").await, placed);
    assert_eq!(count(&mut conn, "kernel.idempotency_keys WHERE status = 201").await, placed);
    cluster.assert_sound(&[]).await;
    assert!(fell <= FALLS, "R-02: readiness fell after {fell:?}");
    assert!(rose <= RISES, "R-02: readiness rose after {rose:?}");
}

#[tokio::test]
#[ignore = "fire: 10 s"]
async fn r_09_without_a_database_the_process_is_alive_and_not_ready() {
    let mut cluster = Cluster::new(false).await;
    let site = Site::new(&cluster.url()).await.set("REDIS_URL", "redis://127.0.0.1:1");
    let server = site.serve_only().await;
    let mut client = Client::new(&[server.address()], 0);
    // Redis is not there, is reported, and does not count.
    let ready = client.send("GET", "/readyz", &[], "").await.unwrap();
    assert_eq!((ready.status, &ready.json()["checks"]["redis"]), (200, &json!("failed")));
    cluster.kill();
    ready_is(&mut client, 503, Instant::now(), Duration::from_secs(2)).await;
    let ready = client.send("GET", "/readyz", &[], "").await.unwrap();
    assert!(ready.is_problem(503, "unavailable") && ready.header("retry-after").is_some(), "{}", ready.text());
    assert_eq!(ready.json()["checks"]["database"], "failed");
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(client.send("GET", "/healthz", &[], "").await.unwrap().status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
}

/// A request of one kind, which can be sent again and again.
struct Ask {
    name: &'static str,
    method: &'static str,
    path: String,
    token: Option<String>,
    body: String,
    /// What is answered on a good day.
    good: u16,
}

impl Ask {
    async fn send(&self, client: &mut Client, key: &str) -> std::io::Result<u16> {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json"), ("idempotency-key", key)];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        Ok(client.send(self.method, &self.path, &headers, &self.body).await?.status)
    }
}

/// Reading, placing, commands and login: every way that a request takes to the database.
async fn every_way(cluster: &Cluster, site: &Site, server: &Process) -> Vec<Ask> {
    let mut conn = cluster.connect().await;
    let people = buyers(site, &mut conn, 2).await;
    let (alice, olga): (&Buyer, Buyer) = (&people[0], operator(site, &mut conn).await);
    let variants = shelf(&mut conn, &[1_000_000; 2]).await;
    let mut client = Client::new(&[server.address()], 0);
    let placed = alice.place(&mut client, "first", &order(&[(variants[0], 1)])).await.json();
    let id = placed["id"].as_str().unwrap();
    let ask = |name, method, path: &str, token: Option<&str>, body: serde_json::Value, good| Ask {
        name,
        method,
        path: path.to_owned(),
        token: token.map(str::to_owned),
        body: if body.is_null() { String::new() } else { body.to_string() },
        good,
    };
    let (alices, olgas) = (Some(alice.token.as_str()), Some(olga.token.as_str()));
    let login = json!({ "login": people[1].email, "password": "correct horse battery staple" });
    let note = json!({ "visibility": "internal", "body": "Looked at it" });
    let mut all = vec![
        ask("browse", "GET", "/v1/products", None, json!(null), 200),
        ask("read", "GET", &format!("/v1/orders/{id}"), alices, json!(null), 200),
        ask("list", "GET", "/v1/orders", olgas, json!(null), 200),
        ask("login", "POST", "/v1/auth/login", None, login, 200),
        ask("command", "POST", &format!("/v1/orders/{id}/notes"), olgas, note, 201),
        ask("ready", "GET", "/readyz", None, json!(null), 200),
    ];
    all.push(Ask {
        name: "place",
        method: "POST",
        path: "/v1/orders".to_owned(),
        token: Some(alice.token.clone()),
        body: order(&[(variants[1], 1)]),
        good: 201,
    });
    all
}

#[tokio::test]
#[ignore = "fire: 40 s"]
async fn r_05_a_postgres_that_is_frozen_for_15_s_keeps_no_request_waiting_for_more_than_11() {
    const FROZEN: Duration = Duration::from_secs(15);
    const ANSWERED: Duration = Duration::from_secs(11);
    let cluster = Cluster::new(false).await;
    let site = Site::new(&cluster.url()).await;
    let server = site.serve().await;
    let asks = every_way(&cluster, &site, &server).await;
    let address = server.address();
    for ask in &asks {
        let status = ask.send(&mut Client::new(&[address], 0), &format!("warm-{}", ask.name)).await.unwrap();
        assert_eq!(status, ask.good, "{} {}", ask.name, ask.path);
    }

    // Four of each at any time, from just before the frost until its end.
    let (over, answers) = (Cell::new(false), RefCell::new(Vec::new()));
    let load = join_all((0..4 * asks.len()).map(async |number| {
        let (ask, mut client) = (&asks[number % asks.len()], Client::new(&[address], 0));
        for round in 0.. {
            if over.get() {
                break;
            }
            let sent = Instant::now();
            let outcome = ask.send(&mut client, &format!("frost-{number}-{round}")).await;
            answers.borrow_mut().push((ask.name, sent.elapsed(), outcome.map_err(|error| error.to_string())));
            sleep(Duration::from_millis(50)).await;
        }
    }));
    let frost = async {
        sleep(Duration::from_millis(500)).await;
        cluster.freeze();
        sleep(FROZEN).await;
        cluster.thaw();
        let thawed = Instant::now();
        over.set(true);
        thawed
    };
    let ((), thawed) = tokio::join!(async { drop(load.await) }, frost);

    // Without a restart, everything works again.
    let mut back = Duration::ZERO;
    for ask in &asks {
        let mut client = Client::new(&[address], 0);
        for round in 0.. {
            let status = ask.send(&mut client, &format!("after-{}-{round}", ask.name)).await.unwrap();
            if status == ask.good {
                break;
            }
            assert!(thawed.elapsed() < Duration::from_secs(30), "{} is still {status}", ask.name);
            sleep(Duration::from_millis(50)).await;
        }
        back = back.max(thawed.elapsed());
    }

    let answers = answers.into_inner();
    let broken: Vec<_> = answers.iter().filter(|(_, _, outcome)| outcome.is_err()).collect();
    assert!(broken.is_empty(), "{broken:?}");
    let wrong: Vec<_> =
        answers.iter().filter(|(_, _, outcome)| !matches!(outcome, Ok(200..=299 | 409 | 503 | 504))).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    for ask in &asks {
        let of = answers.iter().filter(|(name, ..)| *name == ask.name);
        let slowest = of.clone().map(|(_, took, _)| *took).max().unwrap();
        println!("R-05: {}: {} answers, the slowest after {slowest:?}", ask.name, of.count());
    }
    let slowest = answers.iter().map(|(_, took, _)| *took).max().unwrap();
    println!(
        "R-05: PostgreSQL frozen for {FROZEN:?}: {} requests, the slowest answered after {slowest:?}; all is well {back:?} after the thaw",
        answers.len()
    );
    assert!(slowest <= ANSWERED, "R-05: {slowest:?}");
    assert!(back <= Duration::from_secs(10), "R-05: {back:?}");
    cluster.assert_sound(&[]).await;
}
