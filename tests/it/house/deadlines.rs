//! the limits of time, asked of the connections themselves and of those that never answer.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{PgConn, Pool, db, db::PoolSettings, mail::Mailer};
use oms::http::Limits;
use payments::{Gateway, HttpGateway, HttpGatewaySettings};
use tokio::net::TcpListener;

use crate::{
    mail::{mailer, verify_mail},
    support::app::TestApp,
};

#[derive(QueryableByName)]
struct Limit {
    #[diesel(sql_type = st::Text)]
    limit: String,
}

async fn limits(conn: &mut PgConn) -> Vec<String> {
    let sql = "SELECT current_setting(name) AS limit FROM unnest(ARRAY['lock_timeout', 'statement_timeout', \
        'idle_in_transaction_session_timeout']) WITH ORDINALITY AS wanted (name, place) ORDER BY place";
    let rows: Vec<Limit> = diesel::sql_query(sql).load(conn).await.unwrap();
    rows.into_iter().map(|row| row.limit).collect()
}

#[tokio::test]
async fn r_05_every_connection_has_its_limits() {
    let app = TestApp::new().await;
    let wiring = &app.wiring;
    let pools = [
        (&wiring.api_pool, ["2s", "5s", "10s"]),
        (&wiring.worker_pool, ["2s", "1min", "10s"]),
        (&wiring.machinery_pool, ["2s", "5s", "10s"]),
        (&wiring.health_pool, ["2s", "1s", "10s"]),
    ];
    for (pool, wanted) in pools {
        assert_eq!(limits(&mut pool.get().await.unwrap()).await, wanted);
    }
    // The intake, the heartbeat and the signals connect like this.
    let mut own = db::connect(app.database.url(), &PoolSettings::default()).await.unwrap();
    assert_eq!(limits(&mut own).await, ["2s", "5s", "10s"]);
    let Limits { deadline, upload_deadline, .. } = Limits::default();
    assert_eq!((deadline, upload_deadline), (Duration::from_secs(10), Duration::from_secs(30)));
    app.finish().await;
}

/// How long somebody waits in vain.
async fn waited<T, E>(work: impl Future<Output = Result<T, E>>) -> Duration {
    let began = Instant::now();
    assert!(work.await.is_err());
    began.elapsed()
}

#[tokio::test]
async fn r_05_nobody_waits_for_a_connection_for_longer_than_a_second() {
    let app = TestApp::new().await;
    let pool: &Pool = &app.wiring.api_pool;
    let mut taken = Vec::new();
    for _ in 0..app.wiring.config.db_pool {
        taken.push(pool.get().await.unwrap());
    }
    let waited = waited(pool.get()).await;
    println!("R-05: an exhausted pool is told after {waited:?}");
    assert!(waited >= Duration::from_millis(900) && waited < Duration::from_secs(2), "{waited:?}");
    drop(taken);
    app.finish().await;
}

#[tokio::test]
async fn r_05_a_gateway_that_says_nothing_has_8_s_and_a_mail_server_15() {
    // The system takes the connection, and nobody ever reads from it.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    let (name, api_key) = ("mock".to_owned(), "a-gateway-key-for-tests".to_owned());
    let gateway =
        HttpGateway::new(HttpGatewaySettings { name, base_url: format!("http://{address}"), api_key }).unwrap();
    let (mailer, mail) = (mailer(address), verify_mail("alice@example.com", "verify-1"));
    let (gateway, mailer) = tokio::join!(waited(gateway.book_page(None)), waited(mailer.send(&mail)));
    println!("R-05: a silent gateway is given up after {gateway:?}, a silent mail server after {mailer:?}");
    assert!(gateway < Duration::from_secs(9), "{gateway:?}");
    assert!(mailer < Duration::from_secs(16), "{mailer:?}");
}
