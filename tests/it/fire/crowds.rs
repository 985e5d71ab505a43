//! R-12b and S-01: crowds that want something slow from us are not noticed by those who want something quick.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use testkit::TestDatabase;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use crate::{
    journeys::arrange::{buyers, shelf},
    support::{
        client::{Client, connect},
        load::{percentile, steadily},
        processes::Site,
    },
};

const PER_SECOND: u32 = 100;
const WATCH: Duration = Duration::from_secs(10);
const DRIPPING: usize = 1_000;
const ARRIVING: Duration = Duration::from_secs(2);
const LOGINS: usize = 200;
/// Long enough that the moment at which two hundred connect at once (a tenth of a second without optimisation) is no hundredth
/// of it. It has a limit of its own.
const STORM: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(500);

/// The p99 of people who look at products for so long, and the longest that one of them waited.
async fn looking(server: SocketAddr, duration: Duration) -> (Duration, Duration) {
    let answers = steadily(PER_SECOND, duration, &[server], async |client, _| {
        let answer = client.send("GET", "/v1/products", &[], "").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    })
    .await;
    (percentile(&answers, 99), percentile(&answers, 100))
}

/// What others may notice at most.
fn allowed(calm: Duration) -> Duration {
    (calm * 2).max(calm + Duration::from_millis(50))
}

/// Sends a byte a second, of a head or of a body, until it is cut off; answers after how long that was. They arrive one after the
/// other, and so do their bytes and their ends: a thousand connections in one moment are another matter, and on a slow machine
/// that moment alone was a hundredth of the time that others are watched.
async fn drip(server: SocketAddr, number: usize, open: Arc<AtomicUsize>) -> Duration {
    sleep(ARRIVING * u32::try_from(number).unwrap() / u32::try_from(DRIPPING).unwrap()).await;
    let mut stream = connect(server).await.unwrap();
    let head = if number.is_multiple_of(2) {
        "GET /v1/products HTTP/1.1\r\nhost: slow\r\nx-slow: "
    } else {
        "POST /v1/auth/login HTTP/1.1\r\nhost: slow\r\ncontent-type: application/json\r\ncontent-length: 200\r\n\r\n{"
    };
    stream.write_all(head.as_bytes()).await.unwrap();
    open.fetch_add(1, Ordering::Relaxed);
    let (began, mut answer) = (Instant::now(), [0; 1024]);
    loop {
        match timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => break,
            // Told to hurry up, which it does not.
            Ok(Ok(_)) => continue,
            Err(_elapsed) if stream.write_all(b"a").await.is_err() => break,
            Err(_elapsed) => {}
        }
    }
    open.fetch_sub(1, Ordering::Relaxed);
    began.elapsed()
}

#[tokio::test]
#[ignore = "fire: 1 min"]
async fn r_12b_1000_connections_dripping_a_byte_a_second_are_cut_off_and_not_noticed() {
    let files = rlimit::increase_nofile_limit(8_192).unwrap();
    assert!(files >= 2_048, "this test opens {DRIPPING} connections and may open {files} files only");
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    shelf(&mut database.connect().await, &[10; 3]).await;
    let server = site.serve_only().await;
    let address = server.address();
    looking(address, Duration::from_secs(3)).await;
    let (calm, _) = looking(address, WATCH).await;

    let open = Arc::new(AtomicUsize::new(0));
    let drippers: Vec<_> = (0..DRIPPING).map(|number| tokio::spawn(drip(address, number, open.clone()))).collect();
    let began = Instant::now();
    while open.load(Ordering::Relaxed) < DRIPPING {
        assert!(began.elapsed() < Duration::from_secs(8), "only {} could connect", open.load(Ordering::Relaxed));
        sleep(Duration::from_millis(10)).await;
    }
    let (among_them, _) = looking(address, WATCH).await;
    let cut_off = timeout(Duration::from_secs(40), join_all(drippers)).await.expect("all of them are cut off");
    let longest = cut_off.into_iter().map(Result::unwrap).max().unwrap();
    println!(
        "R-12b: {DRIPPING} dripping connections: others' p99 {calm:?} before, {among_them:?} among them; the last one was cut off after {longest:?}"
    );
    assert!(among_them <= allowed(calm), "{among_them:?}");
}

#[tokio::test]
#[ignore = "fire: 40 s"]
async fn s_01_two_hundred_parallel_logins_are_not_noticed_by_others() {
    let database = TestDatabase::new().await;
    // The throttle is at work; these are different people at different places.
    let site = Site::new(database.url()).await.set("OMS_LOGIN_GUESSES", "5").set("OMS_TRUSTED_PROXIES", "127.0.0.1");
    let mut conn = database.connect().await;
    buyers(&site, &mut conn, LOGINS).await;
    shelf(&mut conn, &[10; 3]).await;
    let server = site.serve_only().await;
    let address = server.address();
    looking(address, Duration::from_secs(3)).await;
    let (calm, _) = looking(address, WATCH).await;

    // So many at any time: whoever is let in comes again.
    let storm = async {
        let began = Instant::now();
        let logins = join_all((0..LOGINS).map(async |number| {
            let from = format!("198.51.{}.{}", number / 200, number % 200);
            let headers = [("content-type", "application/json"), ("x-forwarded-for", from.as_str())];
            let body = json!({ "login": format!("buyer{number}"), "password": "correct horse battery staple" });
            let (mut client, mut logins) = (Client::new(&[address], 0), 0);
            while began.elapsed() < STORM {
                let answer = client.send("POST", "/v1/auth/login", &headers, &body.to_string()).await.unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                logins += 1;
            }
            logins
        }));
        (logins.await.into_iter().sum::<usize>(), began.elapsed())
    };
    let ((logins, took), (among_them, longest)) = tokio::join!(storm, looking(address, STORM));
    println!(
        "S-01: {logins} logins, {LOGINS} at once, in {took:?}: others' p99 {calm:?} before, {among_them:?} meanwhile, {longest:?} at most"
    );
    assert!(among_them <= allowed(calm), "{among_them:?}");
    assert!(longest <= MOMENT, "{longest:?}");
}
