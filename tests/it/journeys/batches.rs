//! What the intake does with many orders at once: two waits for the network, and nobody pays for another's mistake.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use accounts::admin;
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use kernel::{Clock, OrderId, PgConn, SystemClock, UserId, VariantId, idempotency::Ticket, request::Context};
use orders::{
    Address, OrderError,
    place::{Intake, IntakeSettings, Placement, Wanted},
};
use testkit::TestDatabase;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, sleep_until},
};

use super::arrange::{assert_sound, count, shelf, until};

/// The way to the database and the way back, together. Long, so that what the machine is busy with besides does not look like
/// another wait.
const THERE_AND_BACK: Duration = Duration::from_millis(500);

/// How far away the database is now, one way, in milliseconds.
type Distance = Arc<AtomicU64>;

fn placement(customer: UserId, variant: VariantId, note: Option<&str>) -> Placement {
    let now = SystemClock.now();
    Placement {
        order_id: OrderId::new(),
        customer,
        lines: vec![Wanted { variant_id: variant, quantity: 1, line: 0 }],
        ship_to: Address {
            name: "Alice Nguyen".to_owned(),
            line1: "12 Hang Bac".to_owned(),
            line2: None,
            city: "Hanoi".to_owned(),
            region: None,
            postal_code: None,
            country: "VN".to_owned(),
            phone: None,
        },
        note: note.map(str::to_owned),
        expected_total: None,
        ticket: Some(Ticket { caller: customer, key: OrderId::new().to_string(), fingerprint: vec![7; 32] }),
        dry_run: false,
        placed_at: now,
        expires_at: now + chrono::TimeDelta::minutes(30),
        request: Context::default(),
    }
}

/// A user who is there.
async fn somebody(conn: &mut PgConn) -> UserId {
    admin::find(conn, "seller").await.unwrap().unwrap().id
}

/// Passes on what comes, in its order, each piece so much later.
async fn later(distance: Distance, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let (pieces, mut under_way) = mpsc::unbounded_channel();
    let read = async {
        loop {
            let mut piece = vec![0; 64 * 1024];
            let Ok(length @ 1..) = from.read(&mut piece).await else { break };
            piece.truncate(length);
            let way = Duration::from_millis(distance.load(Ordering::Relaxed));
            pieces.send((tokio::time::Instant::now() + way, piece)).unwrap();
        }
        drop(pieces);
    };
    let write = async {
        while let Some((at, piece)) = under_way.recv().await {
            sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}

/// The database, at a distance.
async fn far_away(url: &str, distance: &Distance) -> String {
    let distance = distance.clone();
    let there: SocketAddr = url.split(['@', '/']).find_map(|part| part.parse().ok()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(there).await.unwrap();
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(later(distance.clone(), from_client, to_server));
            tokio::spawn(later(distance.clone(), from_server, to_client));
        }
    });
    url.replace(&there.to_string(), &here.to_string())
}

#[tokio::test]
async fn a_batch_waits_for_the_network_twice_however_many_orders_it_holds() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    let variants = shelf(&mut conn, &[1_000; 5]).await;
    let buyer = somebody(&mut conn).await;
    let distance = Distance::default();
    let intake = Intake::new(IntakeSettings::new(far_away(database.url(), &distance).await));
    // Connects, and prepares the statements.
    intake.place(placement(buyer, variants[0], None)).await.unwrap();
    distance.store(u64::try_from(THERE_AND_BACK.as_millis() / 2).unwrap(), Ordering::Relaxed);
    for orders in [1, 100] {
        // They come while the one before them is on its way, so that they are the next batch.
        let before = async {
            intake.place(placement(buyer, variants[0], None)).await.unwrap();
            Instant::now()
        };
        let next = async {
            sleep(THERE_AND_BACK / 2).await;
            join_all((0..orders).map(|number| intake.place(placement(buyer, variants[number % 5], None)))).await
        };
        let (began, placed) = tokio::join!(before, next);
        let waits = began.elapsed().as_secs_f64() / THERE_AND_BACK.as_secs_f64();
        assert!(placed.iter().all(Result::is_ok), "{placed:?}");
        assert!((2.0..2.9).contains(&waits), "{orders} orders waited {waits:.1} times");
    }
    assert_sound(&database, &[]).await;
}

#[tokio::test]
async fn one_bad_order_never_fails_its_neighbours() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    let shelf = shelf(&mut conn, &[30, 0]).await;
    let (there, gone, buyer) = (shelf[0], shelf[1], somebody(&mut conn).await);
    let intake = Intake::new(IntakeSettings::new(database.url()));
    // PostgreSQL takes no NUL, so the whole batch fails when its orders are written.
    let all: Vec<Placement> = (0..40)
        .map(|number| match number % 4 {
            0 => placement(buyer, there, Some("a \0 in it")),
            1 => placement(buyer, gone, None),
            _ => placement(buyer, there, Some("fine")),
        })
        .collect();
    let repeated = all.clone();
    for round in [all, repeated] {
        let answers = join_all(round.into_iter().map(|placement| intake.place(placement))).await;
        for (number, answer) in answers.iter().enumerate() {
            match (number % 4, answer) {
                (0, Err(OrderError::Db(_))) | (1, Err(OrderError::Refused(_))) | (2 | 3, Ok(_)) => {}
                _ => panic!("{number}: {answer:?}"),
            }
        }
    }
    // The second round was answered with what the first one did.
    assert_eq!(count(&mut conn, "orders.orders WHERE note = 'fine'").await, 20);
    assert_eq!(count(&mut conn, "orders.orders").await, 20);
    assert_eq!(count(&mut conn, "kernel.idempotency_keys WHERE status = 201").await, 20);
    assert_eq!(count(&mut conn, "kernel.idempotency_keys").await, 20);
    assert_sound(&database, &[]).await;
}

#[tokio::test]
async fn a_key_that_another_process_uses_meanwhile_costs_nobody_their_order() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    let variant = shelf(&mut conn, &[100]).await[0];
    let buyer = somebody(&mut conn).await;
    let intake = Intake::new(IntakeSettings::new(database.url()));
    let shared = placement(buyer, variant, None);
    let mut other = database.connect().await;
    let used = format!(
        "BEGIN; INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, status, body, created_at) \
         VALUES ('{buyer}', '{}', decode(repeat('07', 32), 'hex'), 201, '{{}}', now())",
        shared.ticket.as_ref().unwrap().key
    );
    other.batch_execute(&used).await.unwrap();
    // An order that waits for the stock, so that those that come meanwhile are one batch.
    let waiting = "pg_stat_activity WHERE application_name = 'oms-intake' AND datname = current_database() \
         AND wait_event_type = 'Lock'";
    let mut gate = database.connect().await;
    gate.batch_execute("BEGIN; SELECT 1 FROM catalog.stock FOR UPDATE").await.unwrap();
    let (door, ahead) = (intake.clone(), placement(buyer, variant, None));
    let ahead = tokio::spawn(async move { door.place(ahead).await });
    until(&mut conn, waiting, 1).await;
    let all: Vec<Placement> = (0..5).map(|_| placement(buyer, variant, None)).chain([shared]).collect();
    let placed = join_all(all.into_iter().map(|placement| intake.place(placement)));
    let committed = async {
        gate.batch_execute("COMMIT").await.unwrap();
        ahead.await.unwrap().unwrap();
        // The batch has looked its keys up, found none, and waits for the one that is being used.
        until(&mut conn, waiting, 1).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (answers, ()) = tokio::join!(placed, committed);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let last = answers.last().unwrap().as_ref().unwrap();
    assert_eq!((last.body.bytes(), last.replayed), (b"{}".as_slice(), true));
    assert_eq!(count(&mut conn, "orders.orders").await, 6);
    assert_eq!(count(&mut conn, "(SELECT DISTINCT xmin::text FROM orders.orders) AS x").await, 2, "one by one");
    assert_sound(&database, &[]).await;
}

#[tokio::test]
async fn who_wants_something_else_does_not_wait_for_a_crowd() {
    const CROWD: usize = 20;
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    let shelf = shelf(&mut conn, &[1_000; 2]).await;
    let (wanted, other_variant, buyer) = (shelf[0], shelf[1], somebody(&mut conn).await);
    let intake = Intake::new(IntakeSettings::new(database.url()));
    let waiting = "pg_stat_activity WHERE application_name = 'oms-intake' AND datname = current_database() \
         AND wait_event_type = 'Lock'";

    // One of the crowd uses a key that somebody is using: so the crowd's batch holds the stock and waits. It is one batch because
    // it comes while an order waits for the stock.
    let all: Vec<Placement> = (0..CROWD).map(|_| placement(buyer, wanted, None)).collect();
    let mut other = database.connect().await;
    let using = format!(
        "BEGIN; INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, status, body, created_at) \
         VALUES ('{buyer}', '{}', decode(repeat('07', 32), 'hex'), 201, '{{}}', now())",
        all[7].ticket.as_ref().unwrap().key
    );
    other.batch_execute(&using).await.unwrap();
    let mut gate = database.connect().await;
    gate.batch_execute("BEGIN; SELECT 1 FROM catalog.stock FOR UPDATE").await.unwrap();
    let (door, ahead) = (intake.clone(), placement(buyer, wanted, None));
    let ahead = tokio::spawn(async move { door.place(ahead).await });
    until(&mut conn, waiting, 1).await;
    let door = intake.clone();
    let crowd = tokio::spawn(async move { join_all(all.into_iter().map(|placement| door.place(placement))).await });
    let began = Instant::now();
    while intake.waiting() < CROWD {
        assert!(began.elapsed() < Duration::from_secs(1), "only {} are waiting", intake.waiting());
        sleep(Duration::from_millis(1)).await;
    }
    gate.batch_execute("COMMIT").await.unwrap();
    ahead.await.unwrap().unwrap();
    until(&mut conn, waiting, 1).await;

    let passing =
        tokio::time::timeout(Duration::from_millis(1_500), intake.place(placement(buyer, other_variant, None))).await;
    passing.expect("it does not wait for the crowd").unwrap();
    assert!(!crowd.is_finished());
    other.batch_execute("ROLLBACK").await.unwrap();
    let placed = crowd.await.unwrap();
    assert!(placed.iter().all(Result::is_ok), "{placed:?}");
    assert_sound(&database, &[]).await;
}
