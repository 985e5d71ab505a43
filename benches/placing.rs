//! Orders per second through the intake, in one process, on a PostgreSQL that keeps what it commits (fsync on).
//!
//! `make bench`. Sixty-four callers place three-line orders over fifty variants for ten seconds; what is measured is placing
//! itself, without HTTP. The run ends with the audit. The comparison with pgbench on the same tables is a later piece of work.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use devdb::{Cluster, Settings};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use kernel::{
    Clock, OrderId, SystemClock, UserId, VariantId,
    db::{self, PoolSettings},
    idempotency::{IdempotencyKey, Ticket},
    request,
};
use orders::{
    Address,
    place::{Intake, IntakeSettings, Placement, sum_duplicates},
};

const CALLERS: usize = 64;
const RUN: Duration = Duration::from_secs(10);

#[derive(diesel::QueryableByName)]
struct Id {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: uuid::Uuid,
}

#[tokio::main]
async fn main() {
    let directory = std::env::temp_dir().join(format!("oms-bench-{}", std::process::id()));
    let settings = Settings::new(directory.join("postgres"));
    let cluster =
        tokio::task::spawn_blocking(move || Cluster::start(&devdb::find_binaries(None).unwrap(), &settings).unwrap())
            .await
            .unwrap();
    let url = cluster.url("postgres");
    oms::migrations::apply(&url).await.unwrap();
    let mut conn = db::connect(&url, &PoolSettings::default()).await.unwrap();
    conn.batch_execute(&include_str!("../tests/it/audit/shop.sql").replace(":orders", "0")).await.unwrap();
    conn.batch_execute("ANALYZE").await.unwrap();
    let ids = async |conn: &mut kernel::PgConn, sql: &str| -> Vec<uuid::Uuid> {
        let rows: Vec<Id> = diesel::sql_query(sql).load(conn).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    };
    let variants = Arc::new(ids(&mut conn, "SELECT id FROM catalog.variants ORDER BY id").await);
    let buyers = Arc::new(ids(&mut conn, "SELECT id FROM accounts.users ORDER BY id").await);

    let intake = Intake::new(IntakeSettings::new(&url));
    let began = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let (intake, variants, buyers) = (intake.clone(), variants.clone(), buyers.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            for turn in 0_usize.. {
                if began.elapsed() > RUN {
                    break;
                }
                let pick = |salt: usize| variants[(caller * 7 + turn * 13 + salt * 17) % variants.len()];
                let lines = [0, 1, 2].map(|salt| (VariantId::from_uuid(pick(salt)), 1));
                let customer = UserId::from_uuid(buyers[caller % buyers.len()]);
                let now = SystemClock.now();
                let key = IdempotencyKey::parse(format!("{caller}-{turn}")).unwrap();
                let asked = Instant::now();
                let answer = intake.place(Placement {
                    order_id: OrderId::new(),
                    customer,
                    lines: sum_duplicates(lines).unwrap(),
                    ship_to: Address::sample(),
                    note: None,
                    expected_total: None,
                    ticket: Some(Ticket::new(customer, &key, "placeOrder", &turn.to_string())),
                    dry_run: false,
                    placed_at: now,
                    expires_at: now + Duration::from_secs(1_800),
                    request: request::Context::default(),
                });
                answer.await.unwrap();
                latencies.push(asked.elapsed());
            }
            latencies
        })
    });
    let mut latencies: Vec<Duration> = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        latencies.extend(caller.await.unwrap());
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    let percentile = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let placed = u128::try_from(latencies.len()).unwrap();
    println!(
        "placing: {placed} orders in {:.1} s, {} orders/s, p50 {:.1?}, p99 {:.1?} ({CALLERS} callers, 3 lines, fsync on)",
        took.as_secs_f32(),
        placed * 1_000 / took.as_millis(),
        percentile(50),
        percentile(99)
    );
    let report = oms::audit::audit(&url, &[]).await.unwrap();
    assert_eq!(report.differences, vec![]);
    println!("audit:   no differences in {} orders", report.orders);
    tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}
