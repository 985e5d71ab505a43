//! C-07 and C-08: poison in the queue, a database that goes away, and workers that are killed.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use diesel_async::SimpleAsyncConnection;
use futures_util::future::join;
use kernel::Queue;
use oms::{
    config::{Config, Environment, Needs},
    wiring::Wiring,
};
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    journeys::arrange::{assert_sound, buyers, count, words},
    support::{client::Client, cluster::Cluster, load::Dice, processes::Site},
};

/// How long anything may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fire: 40 s"]
async fn c_07_poison_and_two_restarts_of_postgres_stop_no_worker() {
    const GOOD: usize = 1_000;
    let mut cluster = Cluster::new(true).await;
    let site = Site::new(&cluster.url()).await;
    let mut conn = cluster.connect().await;
    let people = buyers(&site, &mut conn, 10).await;
    // Kinds that nobody knows, and known ones whose arguments make no sense.
    let poison = "INSERT INTO jobs.jobs (queue, kind, args) SELECT q, k, a::jsonb FROM unnest(ARRAY['urgent', 'bulk']) q, \
         (VALUES ('nobody.knows', '{}'), ('accounts.send_verification', '{\"user_id\": 7}'), ('orders.send_mail', '[]'), \
         ('payments.settle_payment', '{}'), ('accounts.send_password_changed', 'null')) p (k, a), generate_series(1, 10)";
    conn.batch_execute(poison).await.unwrap();
    let good: Vec<_> = (0..GOOD).map(|n| accounts::SendPasswordChanged { user_id: people[n % 10].id }).collect();
    kernel::job::enqueue_many(&mut conn, &good).await.unwrap();
    drop(conn);
    let _catcher = site.mailcatcher(2 * GOOD).await;

    // The workers of the program, in this process, so that they can be counted.
    let environment = Environment::empty()
        .with("DATABASE_URL", cluster.url())
        .with("SECRET_KEY", "only-for-tests-and-of-at-least-thirty-two-bytes")
        .with("OMS_WEBHOOK_SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .with("OMS_GATEWAY_API_KEY", "only-for-tests-gateway")
        .with("MAIL_SERVER", "127.0.0.1")
        .with("MAIL_PORT", site.smtp.port().to_string())
        .with("OMS_MEDIA_URL", site.media().display().to_string());
    let wiring = Wiring::new(Config::read(&environment, Needs::Everything).unwrap()).unwrap();
    let settings =
        ::jobs::Settings { queues: vec![(Queue::Urgent, 4), (Queue::Bulk, 4)], ..::jobs::Settings::default() };
    let (url, pool) = (cluster.url(), wiring.machinery_pool.clone());
    let engine = ::jobs::start(&url, pool, oms::jobs::registry(&wiring), settings).await.unwrap();

    let (began, mut restarts, mut fewest) = (Instant::now(), 0, u64::MAX);
    loop {
        assert!(began.elapsed() < PATIENCE, "the good ones are not done: {:?}", engine.stats());
        let stats = engine.stats();
        if began.elapsed() > Duration::from_secs(1) {
            fewest = fewest.min(stats.workers_alive);
        }
        if restarts < 2 && stats.finished > 200 * (restarts + 1) {
            cluster.kill();
            sleep(Duration::from_millis(1_500)).await;
            cluster.start().await;
            restarts += 1;
        }
        if restarts == 2 && stats.in_flight == 0 {
            let mut conn = cluster.connect().await;
            let open = "jobs.jobs WHERE state IN ('new', 'retried', 'in_progress') AND jsonb_typeof(args->'user_id') = 'string'";
            if count(&mut conn, open).await == 0 {
                break;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    println!(
        "C-07: {GOOD} good jobs among 100 bad ones, PostgreSQL restarted {restarts} times: done after {:.1} s, never fewer than {fewest} of 8 workers",
        began.elapsed().as_secs_f64()
    );
    let mut conn = cluster.connect().await;
    let finished = "jobs.jobs WHERE kind = 'accounts.send_password_changed' AND state = 'finished'";
    assert_eq!(count(&mut conn, finished).await, i64::try_from(GOOD).unwrap());
    // The bad ones are there to be seen, with the reason.
    let bad = "jobs.jobs WHERE state IN ('failed', 'retried') AND jsonb_array_length(errors) > 0";
    assert_eq!(count(&mut conn, bad).await, 100);
    assert_eq!((fewest, engine.stats().workers_alive), (8, 8));
    engine.stop().await;
    cluster.assert_sound(&[]).await;
}

#[tokio::test]
#[ignore = "fire: 60 s"]
async fn c_08_twenty_times_kill_9_of_a_worker_leaves_nothing_behind_and_no_period_out() {
    const KILLS: usize = 20;
    const LEASE: Duration = Duration::from_secs(3);
    const JOBS: usize = 4_000;
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_JOB_LEASE_SECONDS", "3").set("OMS_EXPIRY_SWEEP_SECONDS", "2");
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, 20).await;
    let jobs: Vec<_> = (0..JOBS).map(|n| accounts::SendPasswordChanged { user_id: people[n % 20].id }).collect();
    kernel::job::enqueue_many(&mut conn, &jobs).await.unwrap();
    let _catcher = site.mailcatcher(2 * JOBS).await;
    let _steady = site.worker().await;
    let mut victim = site.worker().await;

    let over = Cell::new(false);
    let kills = async {
        let mut dice = Dice::new(8);
        for _ in 0..KILLS {
            sleep(Duration::from_millis(500 + dice.throw(1_500))).await;
            victim.kill();
            victim.start().await;
        }
        // Frozen for longer than its lease, it has lost what it held, and must not write how that ended.
        for _ in 0..2 {
            victim.freeze();
            sleep(LEASE * 2).await;
            victim.thaw();
            sleep(Duration::from_secs(1)).await;
        }
        over.set(true);
    };
    // A job that its worker took with it is found after the lease, when somebody looks: they do three times in a lease.
    let watch = async {
        let mut eye = database.connect().await;
        let held = format!(
            "jobs.jobs j WHERE state = 'in_progress' AND attempted_at < now() - interval '{} milliseconds'",
            (LEASE.mul_f64(1.5) + Duration::from_secs(2)).as_millis()
        );
        let late = "SELECT kind || ' ' || (now() - next_at) AS word FROM jobs.schedules \
             WHERE next_at < now() - greatest(every_ms, 3000) * interval '1 millisecond'";
        let (mut worst, mut looks) = (0, 0);
        while !over.get() {
            worst = worst.max(count(&mut eye, &held).await);
            assert_eq!(words(&mut eye, late).await, Vec::<String>::new(), "a period was left out");
            looks += 1;
            sleep(Duration::from_millis(100)).await;
        }
        (worst, looks)
    };
    let began = Instant::now();
    let ((), (stuck, looks)) = join(kills, watch).await;
    let killed = began.elapsed();
    // The sweep has a period of two seconds, and each of them has one job.
    let sweeps = count(&mut conn, "jobs.jobs WHERE kind = 'orders.expire_due'").await;
    let periods = i64::try_from(killed.as_secs() / 2).unwrap();
    let healed = Instant::now();
    let open = "jobs.jobs WHERE state IN ('new', 'retried', 'in_progress') AND kind = 'accounts.send_password_changed'";
    while count(&mut conn, open).await > 0 {
        assert!(healed.elapsed() < PATIENCE, "{} jobs are open", count(&mut conn, open).await);
        sleep(Duration::from_millis(100)).await;
    }
    println!(
        "C-08: {KILLS} times kill -9 in {killed:.0?}: in {looks} looks {stuck} jobs were older than the lease; {sweeps} sweeps in {periods} periods; the rest was done {:?} later",
        healed.elapsed()
    );
    assert_eq!(stuck, 0);
    assert!(sweeps >= periods - 4, "{sweeps} sweeps in {periods} periods");
    assert_eq!(count(&mut conn, "jobs.jobs WHERE state = 'failed'").await, 0);
    let mut window = Client::new(&[site.mail], 0);
    let totals = window.send("GET", "/api/messages?limit=1", &[], "").await.unwrap().json();
    assert_eq!(totals["distinct"], JOBS);
    assert_sound(&database, &[]).await;
}
