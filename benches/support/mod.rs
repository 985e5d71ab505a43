//! What the benchmarks share: a PostgreSQL that keeps what it commits, a server in a process of its own, and a crowd of buyers.

#[path = "../../tests/it/support/client.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
pub mod client;

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use accounts::TokenKeys;
use client::Client;
use devdb::{Cluster, Settings};
use diesel_async::SimpleAsyncConnection;
use kernel::{
    PgConn, Role, SystemClock, UserId,
    db::{self, PoolSettings},
};
use serde_json::json;
use uuid::Uuid;

const SECRET_KEY: &str = "a-key-for-the-benchmark-0123456789-abcdefghij";
/// How many variants and buyers `rulers/shop.sql` makes.
const VARIANTS: usize = 10_000;
const BUYERS: usize = 100;

/// The id of the so-manieth of anything in the shop.
pub fn id(number: usize) -> Uuid {
    Uuid::from_u128(u128::try_from(number).unwrap())
}

/// A database with the shop in it, on a cluster of its own.
pub struct Database {
    pub cluster: Cluster,
    pub url: String,
    pub directory: PathBuf,
}

impl Database {
    /// Starts one with the durability of production, migrates and fills it.
    pub async fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("oms-bench-{}", std::process::id()));
        let settings = Settings::new(directory.join("postgres"))
            .with("shared_buffers", "1GB")
            .with("max_wal_size", "8GB")
            .with("checkpoint_timeout", "15min");
        let start = move || Cluster::start(&devdb::find_binaries(None).unwrap(), &settings).unwrap();
        let cluster = tokio::task::spawn_blocking(start).await.unwrap();
        let url = cluster.url("postgres");
        oms::migrations::apply(&url).await.unwrap();
        let database = Self { cluster, url, directory };
        let mut conn = database.connect().await;
        conn.batch_execute(include_str!("../rulers/shop.sql")).await.unwrap();
        conn.batch_execute("VACUUM ANALYZE").await.unwrap();
        database
    }

    pub async fn connect(&self) -> PgConn {
        db::connect(&self.url, &PoolSettings::default()).await.unwrap()
    }

    /// So that every round begins with the same debts to the disk.
    pub async fn settle(&self) {
        self.connect().await.batch_execute("CHECKPOINT").await.unwrap();
    }

    /// Audits what the benchmark has left, and removes it.
    pub async fn finish(self) {
        let report = oms::audit::audit(&self.url, &[]).await.unwrap();
        assert_eq!(report.differences, vec![]);
        println!("audit:    no differences in {} orders", report.orders);
        let cluster = self.cluster;
        tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();
        fs::remove_dir_all(self.directory).unwrap();
    }
}

/// A port that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// `oms serve --no-worker`, which is killed when it goes.
pub struct Server {
    child: Child,
    pub api: SocketAddr,
    pub metrics: Option<SocketAddr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts one and waits until it is ready. A watched one has metrics and logs every request.
    pub async fn start(database: &Database, watched: bool) -> Self {
        let (api, metrics) = (free_address(), watched.then(free_address));
        let log = File::options().create(true).append(true).open(log(&database.directory)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_oms"));
        command.args(["serve", "--no-worker"]).env_clear().current_dir(&database.directory).stdout(log);
        command.envs([
            ("DATABASE_URL", database.url.as_str()),
            ("SECRET_KEY", SECRET_KEY),
            ("OMS_GATEWAY_API_KEY", "a-gateway-key-for-the-benchmark"),
            ("OMS_WEBHOOK_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="),
            ("OMS_RATE_LIMIT_CALLER", "0"),
            ("OMS_LOG_FORMAT", "json"),
            ("OMS_LOG", if watched { "info" } else { "off" }),
            ("OMS_LISTEN", &api.to_string()),
            ("OMS_METRICS_LISTEN", &metrics.map(|address| address.to_string()).unwrap_or_default()),
        ]);
        let server = Self { child: command.spawn().unwrap(), api, metrics };
        let (mut probe, began) = (Client::new(&[api], 0), Instant::now());
        while !probe.send("GET", "/readyz", &[], "").await.is_ok_and(|answer| answer.status == 200) {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not get ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Where servers log.
pub fn log(directory: &Path) -> PathBuf {
    directory.join("serve.log")
}

/// Which variants are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Three of all, by chance.
    Any,
    /// The first, which everybody wants, and two others.
    Hot,
}

/// What a crowd has done.
pub struct Crowd {
    pub placed: usize,
    pub took: Duration,
    /// Of every order, sorted.
    pub latencies: Vec<Duration>,
}

impl Crowd {
    pub fn per_second(&self) -> f64 {
        self.placed as f64 / self.took.as_secs_f64()
    }
}

/// Places orders of three lines over one connection until `until`, each with a key of its own.
async fn buy(token: Arc<str>, api: SocketAddr, wanted: Wanted, until: Instant) -> Vec<Duration> {
    let mut client = Client::new(&[api], 0);
    let authorization = format!("Bearer {token}");
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let third = VARIANTS / 3;
        let first = if wanted == Wanted::Hot { 1 } else { rand::random_range(2..=third) };
        let picked = [first, rand::random_range(third + 1..=2 * third), rand::random_range(2 * third + 1..=VARIANTS)];
        let lines = picked.map(|number| json!({ "variant_id": id(number), "quantity": 1 }));
        let ship_to = json!({ "name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "country": "VN" });
        let body = json!({ "lines": lines, "ship_to": ship_to }).to_string();
        let key = format!("{:x}", rand::random::<u128>());
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key.as_str()),
        ];
        let asked = Instant::now();
        let answer = client.send("POST", "/v1/orders", &headers, &body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        latencies.push(asked.elapsed());
    }
    latencies
}

/// So many connections place orders for so long.
pub async fn crowd(api: SocketAddr, connections: usize, wanted: Wanted, run: Duration) -> Crowd {
    let keys = TokenKeys::new(SECRET_KEY.as_bytes(), Arc::new(SystemClock)).unwrap();
    let token = |number: usize| keys.token_for(UserId::from_uuid(id(1 + number % BUYERS)), Role::Customer).unwrap();
    let tokens: Vec<Arc<str>> = (0..connections).map(|number| token(number).into()).collect();
    let began = Instant::now();
    let buyers = tokens.into_iter().map(|token| tokio::spawn(buy(token, api, wanted, began + run)));
    let mut latencies = Vec::new();
    for buyer in buyers.collect::<Vec<_>>() {
        latencies.extend(buyer.await.unwrap());
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    Crowd { placed: latencies.len(), took, latencies }
}

/// The middle of some numbers.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) }
}
