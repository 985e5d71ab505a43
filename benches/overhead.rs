//! What watching costs: orders per second of a saturated server with metrics, a scraper and JSON logs, and without any of
//! them, in turn, on a PostgreSQL that keeps what it commits (fsync on).
//!
//! `make bench-overhead`. Sixty-four connections place three-line orders over HTTP, each with a token and a key of its own.
//! Server, database and clients share the machine. The run ends with the audit.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "a benchmark fails by panicking"
)]

#[path = "../tests/it/support/client.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod client;

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use accounts::TokenKeys;
use client::Client;
use devdb::{Cluster, Settings};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use kernel::{
    Role, SystemClock, UserId,
    db::{self, PoolSettings},
};
use serde_json::json;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 6;
const WARM_UP: Duration = Duration::from_secs(2);
const RUN: Duration = Duration::from_secs(10);
/// How often the numbers are asked for: three times as often as the shipped Prometheus does.
const SCRAPE: Duration = Duration::from_secs(5);
/// What watching may cost.
const LIMIT: f64 = 0.95;
const SECRET_KEY: &str = "a-key-for-the-benchmark-0123456789-abcdefghij";

#[derive(diesel::QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: uuid::Uuid,
}

/// A port that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A server that is killed when it goes.
struct Server {
    child: Child,
    api: SocketAddr,
    metrics: Option<SocketAddr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn start(url: &str, directory: &Path, watched: bool) -> Server {
    let (api, metrics) = (free_address(), watched.then(free_address));
    let log = File::options().create(true).append(true).open(directory.join("serve.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_oms"));
    command.args(["serve", "--no-worker"]).env_clear().current_dir(directory).stdout(log);
    command.envs([
        ("DATABASE_URL", url),
        ("SECRET_KEY", SECRET_KEY),
        ("OMS_GATEWAY_API_KEY", "a-gateway-key-for-the-benchmark"),
        ("OMS_WEBHOOK_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="),
        ("OMS_RATE_LIMIT_CALLER", "0"),
        ("OMS_LOG_FORMAT", "json"),
        ("OMS_LOG", if watched { "info" } else { "off" }),
        ("OMS_LISTEN", &api.to_string()),
        ("OMS_METRICS_LISTEN", &metrics.map(|address| address.to_string()).unwrap_or_default()),
    ]);
    let server = Server { child: command.spawn().unwrap(), api, metrics };
    let (mut probe, began) = (Client::new(&[api], 0), Instant::now());
    while !probe.send("GET", "/readyz", &[], "").await.is_ok_and(|answer| answer.status == 200) {
        assert!(began.elapsed() < Duration::from_secs(30), "the server does not get ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server
}

/// What everybody buys with.
struct Shop {
    tokens: Vec<String>,
    variants: Vec<uuid::Uuid>,
}

/// Places orders until `until`; how many were accepted.
async fn buy(shop: Arc<Shop>, api: SocketAddr, number: usize, round: usize, until: Instant) -> u64 {
    let mut client = Client::new(&[api], 0);
    let authorization = format!("Bearer {}", shop.tokens[number % shop.tokens.len()]);
    let mut placed = 0;
    for turn in 0_usize.. {
        if Instant::now() >= until {
            break;
        }
        let pick = |salt: usize| shop.variants[(number * 7 + turn * 13 + salt * 17) % shop.variants.len()];
        let lines = [0, 1, 2].map(|salt| json!({ "variant_id": pick(salt), "quantity": 1 }));
        let ship_to = json!({ "name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "country": "VN" });
        let body = json!({ "lines": lines, "ship_to": ship_to }).to_string();
        let key = format!("{round}-{number}-{turn}-{}", placed);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key.as_str()),
        ];
        let answer = client.send("POST", "/v1/orders", &headers, &body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        placed += 1;
    }
    placed
}

async fn crowd(shop: &Arc<Shop>, api: SocketAddr, round: usize, run: Duration) -> f64 {
    let began = Instant::now();
    let buyers = (0..CONNECTIONS).map(|number| tokio::spawn(buy(shop.clone(), api, number, round, began + run)));
    let mut placed = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        placed += buyer.await.unwrap();
    }
    placed as f64 / began.elapsed().as_secs_f64()
}

/// Orders per second of a fresh server.
async fn round(url: &str, directory: &Path, shop: &Arc<Shop>, number: usize, watched: bool) -> f64 {
    let server = start(url, directory, watched).await;
    let scraper = server.metrics.map(|metrics| {
        tokio::spawn(async move {
            let mut client = Client::new(&[metrics], 0);
            loop {
                let answer = client.send("GET", "/metrics", &[], "").await.unwrap();
                assert_eq!(answer.status, 200);
                tokio::time::sleep(SCRAPE).await;
            }
        })
    });
    crowd(shop, server.api, number * 2, WARM_UP).await;
    let speed = crowd(shop, server.api, number * 2 + 1, RUN).await;
    if let Some(scraper) = scraper {
        scraper.abort();
    }
    println!("{}  {speed:>8.0} orders/s", if watched { "A watched  " } else { "B unwatched" });
    speed
}

fn median(mut speeds: Vec<f64>) -> f64 {
    speeds.sort_by(f64::total_cmp);
    let middle = speeds.len() / 2;
    if speeds.len() % 2 == 1 { speeds[middle] } else { f64::midpoint(speeds[middle - 1], speeds[middle]) }
}

#[tokio::main]
async fn main() {
    let directory = std::env::temp_dir().join(format!("oms-bench-{}", std::process::id()));
    let settings = Settings::new(directory.join("postgres"));
    let start = move || Cluster::start(&devdb::find_binaries(None).unwrap(), &settings).unwrap();
    let cluster = tokio::task::spawn_blocking(start).await.unwrap();
    let url = cluster.url("postgres");
    oms::migrations::apply(&url).await.unwrap();
    let mut conn = db::connect(&url, &PoolSettings::default()).await.unwrap();
    conn.batch_execute(&include_str!("../tests/it/audit/shop.sql").replace(":orders", "0")).await.unwrap();
    conn.batch_execute("ANALYZE").await.unwrap();
    let ids = async |conn: &mut kernel::PgConn, sql: &str| -> Vec<uuid::Uuid> {
        let rows: Vec<Id> = diesel::sql_query(sql).load(conn).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    };
    let keys = TokenKeys::new(SECRET_KEY.as_bytes(), Arc::new(SystemClock)).unwrap();
    let buyers = ids(&mut conn, "SELECT id FROM accounts.users ORDER BY id").await;
    let token = |id| keys.token_for(UserId::from_uuid(id), Role::Customer).unwrap();
    let variants = ids(&mut conn, "SELECT id FROM catalog.variants ORDER BY id").await;
    let shop = Arc::new(Shop { tokens: buyers.into_iter().map(token).collect(), variants });

    let (mut watched, mut unwatched) = (Vec::new(), Vec::new());
    println!("a round that is not counted: everything is new");
    round(&url, &directory, &shop, 0, false).await;
    for number in 1..=ROUNDS {
        // Every round begins with the same debts to the disk.
        conn.batch_execute("CHECKPOINT").await.unwrap();
        // A B, B A, …: tables grow, and neither is always first.
        let first = number % 2 == 1;
        for is_watched in [first, !first] {
            let speed = round(&url, &directory, &shop, number * 2 + usize::from(is_watched), is_watched).await;
            if is_watched { watched.push(speed) } else { unwatched.push(speed) }
        }
    }
    let lines = fs::read_to_string(directory.join("serve.log")).unwrap().lines().count();
    let (with, without) = (median(watched), median(unwatched));
    let share = with / without;
    println!(
        "overhead: {with:.0} orders/s with metrics, a scrape every {} s and JSON logs ({lines} lines), {without:.0} without: {:.1} % (limit {:.0} %); medians of {ROUNDS} alternating rounds of {} s, {CONNECTIONS} connections",
        SCRAPE.as_secs(),
        share * 100.0,
        LIMIT * 100.0,
        RUN.as_secs()
    );
    let report = oms::audit::audit(&url, &[]).await.unwrap();
    assert_eq!(report.differences, vec![]);
    println!("audit:    no differences in {} orders", report.orders);
    tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();
    fs::remove_dir_all(directory).unwrap();
    assert!(share >= LIMIT, "watching costs more than it may");
}
