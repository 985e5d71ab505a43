//! a use case outlives its client.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use testkit::TestDatabase;
use tokio::{io::AsyncWriteExt, time::sleep};

use super::arrange::{assert_sound, buyers, count, order, shelf};
use crate::support::{
    client::{connect, request},
    load::spread,
    processes::Site,
};

#[tokio::test]
async fn r_12_a_thousand_clients_hang_up_right_after_sending_and_nothing_is_left_half_done() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let buyer = &buyers(&site, &mut conn, 1).await[0];
    let variants = shelf(&mut conn, &[100_000; 3]).await;
    let server = site.serve_only().await;
    let address = server.address();

    let authorization = format!("Bearer {}", buyer.token);
    let body = |number: usize| order(&[(variants[number % 3], 1), (variants[(number + 1) % 3], 1)]);
    for part in (0..1_000).collect::<Vec<usize>>().chunks(100) {
        join_all(part.iter().map(async |&number| {
            let key = format!("gone-{number}");
            let headers =
                [("authorization", &*authorization), ("content-type", "application/json"), ("idempotency-key", &*key)];
            let mut stream = connect(address).await.unwrap();
            stream.write_all(request(address, "POST", "/v1/orders", &headers, &body(number)).as_bytes()).await.unwrap();
            // Some at once, some while the server is at it; some say goodbye.
            sleep(Duration::from_millis(u64::try_from(number % 10).unwrap() * 30)).await;
            if number % 3 == 0 {
                stream.shutdown().await.unwrap();
            }
        }))
        .await;
    }

    // What was begun comes to its end: keys are effects, and nobody keeps a transaction open.
    let open = "pg_stat_activity WHERE datname = current_database() AND xact_start < now() AND pid <> pg_backend_pid()";
    let (began, mut before) = (Instant::now(), -1);
    loop {
        sleep(Duration::from_millis(500)).await;
        let (orders, open) = (count(&mut conn, "orders.orders").await, count(&mut conn, open).await);
        if orders == before && open == 0 {
            break;
        }
        before = orders;
        assert!(began.elapsed() < Duration::from_secs(30), "{open} transactions are still open");
    }
    assert_eq!(count(&mut conn, "kernel.idempotency_keys WHERE status = 201").await, before);
    assert_eq!(count(&mut conn, "kernel.idempotency_keys WHERE status IS NULL").await, 0);

    // Whoever comes back with their key is answered, and has ordered once.
    let answers = spread((0..1_000).collect(), 16, &[address], async |client, number: usize| {
        buyer.place(client, &format!("gone-{number}"), &body(number)).await
    })
    .await;
    let wrong = answers.iter().find(|answer| answer.status != 201);
    assert!(wrong.is_none(), "{wrong:?}");
    let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_some()).count();
    assert_eq!(i64::try_from(replays).unwrap(), before);
    assert_eq!(count(&mut conn, "orders.orders").await, 1_000);
    assert_sound(&database, &[]).await;
    println!("R-12: 1,000 clients hung up: {before} orders were placed without them, and none twice");
}
