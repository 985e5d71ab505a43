//! M-01 and M-02: the same request twice has one effect and one answer, whichever server it is sent to.

use std::{collections::BTreeMap, time::Duration};

use diesel_async::SimpleAsyncConnection;
use kernel::PgConn;
use testkit::TestDatabase;
use tokio::time::sleep;

use super::arrange::{Buyer, assert_sound, buyers, count, order, receive, shelf};
use crate::support::{
    client::{Answer, Client},
    load::spread,
    processes::{Process, Site},
};

const KEYS: usize = 200;
const COPIES: usize = 20;

#[tokio::test]
async fn m_01_twenty_copies_of_two_hundred_orders_are_two_hundred_orders() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, 20).await;
    let variants = shelf(&mut conn, &[100_000; 5]).await;
    let (first, second) = (site.serve_only().await, site.another().await);
    let servers = [first.address(), second.address()];

    // The copies of a key stand side by side, so that they are under way at the same time on both servers.
    let copies = (0..KEYS).flat_map(|key| [key; COPIES]).collect();
    let answers = spread(copies, 64, &servers, async |client, number| {
        let body = order(&[(variants[number % 5], 1), (variants[(number + 2) % 5], 2)]);
        (number, buyers[number % buyers.len()].place(client, &format!("order {number}").replace(' ', "-"), &body).await)
    })
    .await;

    let mut by_key: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
    for (number, answer) in answers {
        by_key.entry(number).or_default().push(answer);
    }
    assert_eq!(by_key.len(), KEYS);
    for (number, answers) in &by_key {
        assert_eq!(answers.len(), COPIES);
        let first = &answers[0];
        for answer in answers {
            assert_eq!(answer.status, 201, "{number}: {}", answer.text());
            assert_eq!(answer.body, first.body, "{number}");
            assert_eq!(answer.header("location"), first.header("location"), "{number}");
            assert_eq!(answer.header("content-type"), first.header("content-type"), "{number}");
        }
        let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed") == Some("true")).count();
        assert_eq!(replays, COPIES - 1, "{number}");
    }
    assert_eq!(count(&mut conn, "orders.orders").await, i64::try_from(KEYS).unwrap());
    assert_eq!(count(&mut conn, "kernel.idempotency_keys WHERE status = 201").await, i64::try_from(KEYS).unwrap());
    assert_eq!(count(&mut conn, "kernel.idempotency_keys WHERE status IS NULL").await, 0);
    assert_sound(&database, &[]).await;
    println!("M-01: {KEYS} keys, {COPIES} copies each: {KEYS} orders");
}

#[tokio::test]
async fn m_02_a_key_belongs_to_one_request_of_one_buyer() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, 2).await;
    let (alice, bob) = (&buyers[0], &buyers[1]);
    let shelf = shelf(&mut conn, &[10, 0]).await;
    let (there, gone) = (shelf[0], shelf[1]);
    let servers = [site.serve_only().await, site.another().await];
    let mut clients: Vec<_> = servers.iter().map(|server| Client::new(&[server.address()], 0)).collect();

    let one = order(&[(there, 1)]);
    let placed = alice.place(&mut clients[0], "k-1", &one).await;
    assert_eq!(placed.status, 201, "{}", placed.text());
    for client in &mut clients {
        // Another body, also a refusable one, is another request.
        for body in [order(&[(there, 2)]), order(&[(gone, 1)])] {
            let answer = alice.place(client, "k-1", &body).await;
            assert!(answer.is_problem(422, "idempotency_key_reused"), "{}", answer.text());
        }
        // Another operation is one too.
        let cancel = format!("{}/cancel", placed.header("location").unwrap());
        let answer = alice.post(client, &cancel, "k-1", r#"{"reason":"no"}"#).await.unwrap();
        assert!(answer.is_problem(422, "idempotency_key_reused"), "{}", answer.text());
        // The same request is answered as it was.
        let again = alice.place(client, "k-1", &one).await;
        assert_eq!((again.status, &again.body), (201, &placed.body));

        let authorization = format!("Bearer {}", alice.token);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let answer = client.send("POST", "/v1/orders", &headers, &one).await.unwrap();
        assert!(answer.is_problem(400, "idempotency_key_required"), "{}", answer.text());
    }
    // Keys of different people never meet.
    let other = bob.place(&mut clients[1], "k-1", &one).await;
    assert_eq!((other.status, other.header("idempotency-replayed")), (201, None), "{}", other.text());
    assert_ne!(other.body, placed.body);

    // A refusal is not stored: the key may try again, at any server, and another request may have it.
    for client in &mut clients {
        let answer = alice.place(client, "k-2", &order(&[(gone, 1)])).await;
        assert!(answer.is_problem(409, "out_of_stock"), "{}", answer.text());
    }
    receive(&mut conn, gone, 1).await;
    let late = alice.place(&mut clients[1], "k-2", &order(&[(gone, 1)])).await;
    assert_eq!((late.status, late.header("idempotency-replayed")), (201, None), "{}", late.text());
    let again = alice.place(&mut clients[0], "k-2", &order(&[(gone, 1)])).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.body, late.body);
    assert_eq!(count(&mut conn, "orders.orders").await, 3);
    assert_sound(&database, &[]).await;
}

/// A buyer at a server, and what they order: one of ten units.
struct OneBuyer {
    database: TestDatabase,
    conn: PgConn,
    buyer: Buyer,
    client: Client,
    one: String,
    _site: Site,
    _server: Process,
}

impl OneBuyer {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let site = Site::new(database.url()).await;
        let mut conn = database.connect().await;
        let buyer = buyers(&site, &mut conn, 1).await.remove(0);
        let variants = shelf(&mut conn, &[10]).await;
        let server = site.serve_only().await;
        let client = Client::new(&[server.address()], 0);
        Self { database, conn, buyer, client, one: order(&[(variants[0], 1)]), _site: site, _server: server }
    }

    async fn place(&mut self, key: &str) -> Answer {
        self.buyer.place(&mut self.client, key, &self.one).await
    }
}

#[tokio::test]
async fn r_02_an_order_is_placed_although_its_connection_broke_while_nobody_used_it() {
    let mut shop = OneBuyer::new().await;
    for round in 0..5 {
        let answer = shop.place(&format!("round-{round}")).await;
        assert_eq!(answer.status, 201, "{round}: {}", answer.text());
        // CASE, so that nobody else is asked to end, whatever the order of the conditions.
        let ended = "pg_stat_activity WHERE CASE WHEN datname = current_database() AND application_name = 'oms-intake' \
             THEN pg_terminate_backend(pid) ELSE false END";
        assert_eq!(count(&mut shop.conn, ended).await, 1);
        // Usually the server has noticed by then, but it need not.
        sleep(Duration::from_millis(20 * round)).await;
    }
    assert_eq!(count(&mut shop.conn, "orders.orders").await, 5);
    assert_sound(&shop.database, &[]).await;
}

/// After a failover an address may lead to a standby for a while.
#[tokio::test]
async fn r_02_a_database_that_cannot_be_written_to_is_away_until_it_can() {
    let mut shop = OneBuyer::new().await;
    let sessions = |setting: &str| {
        format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {setting}', current_database()); END $$")
    };
    shop.conn.batch_execute(&sessions("SET default_transaction_read_only = on")).await.unwrap();
    for _again in 0..2 {
        let answer = shop.place("k").await;
        assert!(answer.is_problem(503, "unavailable"), "{}", answer.text());
    }
    shop.conn.batch_execute(&sessions("RESET default_transaction_read_only")).await.unwrap();
    assert_eq!(shop.place("k").await.status, 201);
    assert_eq!(count(&mut shop.conn, "orders.orders").await, 1);
    assert_sound(&shop.database, &[]).await;
}

#[tokio::test]
async fn an_order_is_acknowledged_only_if_every_statement_and_the_commit_went_well() {
    let mut shop = OneBuyer::new().await;
    // From this one on COMMIT travels together with what it commits.
    assert_eq!(shop.place("first").await.status, 201);
    let refuse =
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$";
    shop.conn.batch_execute(refuse).await.unwrap();
    for (table, when) in [
        ("catalog.stock_movements", ""),
        ("jobs.jobs", ""),
        ("orders.lines", ""),
        ("kernel.idempotency_keys", ""),
        ("orders.orders", "DEFERRABLE INITIALLY DEFERRED"),
    ] {
        let refuses = format!(
            "CREATE CONSTRAINT TRIGGER refuses AFTER INSERT ON {table} {when} FOR EACH ROW EXECUTE FUNCTION public.refuse()"
        );
        shop.conn.batch_execute(&refuses).await.unwrap();
        let answer = shop.place(table).await;
        assert_eq!(answer.status, 500, "{table}: {}", answer.text());
        shop.conn.batch_execute(&format!("DROP TRIGGER refuses ON {table}")).await.unwrap();
        assert_eq!(count(&mut shop.conn, "orders.orders").await, 1, "{table}");
    }
    assert_eq!(shop.place("last").await.status, 201);
    assert_sound(&shop.database, &[]).await;
}
