//! Redis is a help and not a need.

use std::time::Duration;

use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    journeys::arrange::{Buyer, assert_sound, buyers, order, shelf},
    support::{
        client::Client,
        load::{percentile, steadily},
        processes::{Process, Site},
        redis::Redis,
    },
};

const PER_SECOND: u32 = 200;
/// How long Redis is away, each time, and how long it is emptied every second.
const AWAY: Duration = Duration::from_secs(60);
/// How long it is watched while it is well.
const CALM: Duration = Duration::from_secs(20);
/// What being without Redis may cost.
const ADDED: Duration = Duration::from_millis(50);

/// What the load needs.
struct Scene<'a> {
    server: &'a Process,
    people: Vec<Buyer>,
    order: String,
    product: String,
}

/// What a phase was like.
struct Phase {
    p99: Duration,
    requests: usize,
    guesses_looked_at: usize,
}

impl Scene<'_> {
    /// One request of the mix: looking, asking who one is, buying, and now and then a guess at somebody's password.
    async fn ask(&self, client: &mut Client, number: usize, tag: &str) -> u16 {
        let person = &self.people[number % self.people.len()];
        let authorization = format!("Bearer {}", person.token);
        let known = [("authorization", authorization.as_str())];
        let answer = match number % 40 {
            0 => {
                let from = format!("203.0.113.{}", number % 200);
                let headers = [("content-type", "application/json"), ("x-forwarded-for", from.as_str())];
                let body = json!({ "login": "buyer0", "password": "wrong horse" }).to_string();
                client.send("POST", "/v1/auth/login", &headers, &body).await
            }
            1..5 => person.post(client, "/v1/orders", &format!("{tag}-{number}").replace(' ', "-"), &self.order).await,
            5..20 => client.send("GET", "/v1/products", &[], "").await,
            20..30 => client.send("GET", &self.product, &[], "").await,
            _ => client.send("GET", "/v1/me", &known, "").await,
        };
        let answer = answer.unwrap();
        let expected = match number % 40 {
            0 => [401, 429],
            1..5 => [201; 2],
            _ => [200; 2],
        };
        assert!(expected.contains(&answer.status), "{tag} {number}: {} {}", answer.status, answer.text());
        answer.status
    }

    async fn phase(&self, tag: &str, duration: Duration) -> Phase {
        let servers = [self.server.address()];
        let answers =
            steadily(PER_SECOND, duration, &servers, async |client, number| self.ask(client, number, tag).await).await;
        let guesses_looked_at = answers.iter().filter(|(_, status)| *status == 401).count();
        let phase = Phase { p99: percentile(&answers, 99), requests: answers.len(), guesses_looked_at };
        println!(
            "R-03: {tag}: {} requests in {duration:?}, p50 {:?}, p99 {:?}, 0 × 5xx, {guesses_looked_at} guesses looked at",
            phase.requests,
            percentile(&answers, 50),
            phase.p99,
        );
        phase
    }

    /// The server is ready, and says this about Redis.
    async fn assert_ready(&self, redis: &str) {
        let ready = Client::new(&[self.server.address()], 0).send("GET", "/readyz", &[], "").await.unwrap();
        assert_eq!((ready.status, ready.json()["checks"]["redis"].as_str()), (200, Some(redis)));
    }
}

#[tokio::test]
#[ignore = "fire: 4 min"]
async fn r_03_redis_killed_frozen_and_flushed_costs_nobody_an_answer() {
    let database = TestDatabase::new().await;
    let mut redis = Redis::start().await;
    let site = Site::new(database.url()).await;
    // Limits that are counted and never reached, but for guesses.
    let site =
        site.set("REDIS_URL", &redis.url()).set("OMS_LOGIN_GUESSES", "5").set("OMS_TRUSTED_PROXIES", "127.0.0.1");
    let site = site.set("OMS_RATE_LIMIT_CALLER", "1000000").set("OMS_RATE_LIMIT_ADDRESS", "1000000");
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, 40).await;
    let variants = shelf(&mut conn, &[1_000_000; 3]).await;
    let server = site.serve_only().await;
    let list = Client::new(&[server.address()], 0).send("GET", "/v1/products", &[], "").await.unwrap().json();
    let product = format!("/v1/products/{}", list["data"][0]["id"].as_str().unwrap());
    let scene = Scene { server: &server, people, order: order(&[(variants[0], 1)]), product };

    scene.phase("warming up", Duration::from_secs(5)).await;
    let calm = scene.phase("with Redis", CALM).await;
    scene.assert_ready("ok").await;

    redis.kill();
    let killed = scene.phase("killed", AWAY).await;
    scene.assert_ready("failed").await;

    redis.restart().await;
    sleep(Duration::from_secs(2)).await;
    scene.assert_ready("ok").await;
    redis.freeze();
    let frozen = scene.phase("frozen", AWAY).await;
    scene.assert_ready("failed").await;

    redis.thaw();
    sleep(Duration::from_secs(2)).await;
    let flushing = async {
        loop {
            redis.flush().await;
            sleep(Duration::from_secs(1)).await;
        }
    };
    let flushed = tokio::select! {
        phase = scene.phase("flushed", AWAY) => phase,
        () = flushing => unreachable!("it never ends"),
    };
    scene.assert_ready("ok").await;

    let phases = [&calm, &killed, &frozen, &flushed];
    let looked_at: usize = phases.iter().map(|phase| phase.guesses_looked_at).sum();
    let guesses: usize = phases.iter().map(|phase| phase.requests.div_ceil(40)).sum();
    let added = |phase: &Phase| phase.p99.saturating_sub(calm.p99);
    println!(
        "R-03: added p99: killed {:?}, frozen {:?}, flushed {:?}; of {guesses} guesses {looked_at} looked at",
        added(&killed),
        added(&frozen),
        added(&flushed)
    );
    // Six at once and one each minute, for four minutes.
    assert!(looked_at <= 12, "{looked_at}");
    for phase in [&killed, &frozen, &flushed] {
        assert!(added(phase) < ADDED, "{:?}", added(phase));
    }
    assert_sound(&database, &[]).await;
}
