//! M-09, M-10 and M-11: a gateway that freezes, one that takes the money and says nothing, and payments in the very moment
//! in which time runs out.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use kernel::PgConn;
use serde_json::{Value, json};
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    journeys::{
        arrange::{Buyer, assert_sound, buyers, count, operator, order, shelf, until, words},
        power_cuts::approve,
    },
    support::{
        client::Client,
        load::{Dice, spread},
        processes::Site,
    },
};

const SEED: u64 = 20_261_122;
const PATIENCE: Duration = Duration::from_secs(120);

/// What is due comes to an end by itself.
async fn until_calm(conn: &mut PgConn) {
    // Nobody takes the mail here.
    let left = "jobs.jobs WHERE state IN ('new', 'retried', 'in_progress') AND queue <> 'bulk' \
        AND kind NOT IN (SELECT kind FROM jobs.schedules)";
    until(conn, left, 0).await;
    assert_eq!(count(conn, "jobs.jobs WHERE state = 'failed'").await, 0);
}

/// Sends a command until it is answered with success.
async fn insist(person: &Buyer, client: &mut Client, path: &str, key: &str, body: &str) -> Value {
    let began = Instant::now();
    loop {
        match person.post(client, path, key, body).await {
            Ok(answer) if matches!(answer.status, 200 | 201) => return answer.json(),
            Ok(answer) if answer.status == 503 || answer.is_problem(409, "in_progress") => {}
            outcome => panic!("{path}: {outcome:?}"),
        }
        assert!(began.elapsed() < PATIENCE, "{path} is not answered");
        sleep(Duration::from_millis(250)).await;
    }
}

/// The page of a payment, as its gateway knows it.
fn page<'a>(site: &Site, payment: &'a Value) -> &'a str {
    payment["pay_url"].as_str().unwrap().strip_prefix(&format!("http://{}", site.gateway)).unwrap()
}

#[tokio::test]
#[ignore = "fire: 1 min"]
async fn m_09_no_transaction_is_open_while_the_gateway_stalls() {
    const CLIENTS: usize = 12;
    const STALL: Duration = Duration::from_secs(30);
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_RECONCILE_SECONDS", "5");
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, CLIENTS).await;
    let variants = shelf(&mut conn, &[1_000_000]).await;
    let gateway = site.gateway().await;
    let (server, other) = (site.serve().await, site.another().await);
    let servers = [server.address(), other.address()];
    // Orders whose money is to go back while the gateway stalls.
    let paid: Vec<String> = spread(buyers.iter().collect(), 4, &servers, async |client, buyer: &Buyer| {
        let placed = insist(buyer, client, "/v1/orders", "paid", &order(&[(variants[0], 1)])).await;
        let id = placed["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/orders/{id}/payments");
        let payment = insist(buyer, client, &path, "pay", r#"{"gateway":"mock"}"#).await;
        approve(&mut Client::new(&[site.gateway], 0), page(&site, &payment)).await;
        buyer.token.clone() + " " + &id
    })
    .await;
    until(&mut conn, "orders.orders WHERE status = 'confirmed'", 12).await;

    gateway.freeze();
    let (over, placed, asked) = (Cell::new(false), Cell::new(0_u32), Cell::new(0_u32));
    let load = join_all(buyers.iter().enumerate().map(async |(number, buyer)| {
        let mut client = Client::new(&servers, number);
        let mine = paid.iter().find_map(|one| one.strip_prefix(&buyer.token)).unwrap().trim();
        let path = format!("/v1/orders/{mine}/cancel");
        insist(buyer, &mut client, &path, "cancel", r#"{"reason":"Changed my mind"}"#).await;
        let mut turn = 0;
        while !over.get() {
            turn += 1;
            let body = order(&[(variants[0], 1)]);
            let answer = insist(buyer, &mut client, "/v1/orders", &format!("order-{turn}"), &body).await;
            placed.set(placed.get() + 1);
            // Two thirds only place; the others wait for the gateway.
            if number % 3 == 0 {
                let path = format!("/v1/orders/{}/payments", answer["id"].as_str().unwrap());
                let answer = buyer.post(&mut client, &path, &format!("pay-{turn}"), r#"{"gateway":"mock"}"#).await;
                assert_eq!(answer.unwrap().status, 503, "the gateway stalls");
                asked.set(asked.get() + 1);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }));
    let watch = async {
        let idle = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::text AS word \
            FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        let (began, mut longest, mut looked) = (Instant::now(), 0_f64, 0_u32);
        while began.elapsed() < STALL {
            longest = longest.max(words(&mut conn, idle).await[0].parse().unwrap());
            looked += 1;
            sleep(Duration::from_millis(50)).await;
        }
        over.set(true);
        (longest, looked)
    };
    let (_, (longest, looked)) = tokio::join!(load, watch);
    gateway.thaw();
    println!(
        "M-09: gateway frozen {STALL:?}, {} orders placed, {} payments asked for; longest idle in transaction {longest:.3} s in {looked} looks",
        placed.get(),
        asked.get()
    );
    assert!(longest < 1.0, "a session was idle in transaction for {longest:.3} s");
    assert!(asked.get() >= 4 && placed.get() > 100, "{} {}", asked.get(), placed.get());
    until(&mut conn, "orders.orders WHERE payment_status = 'refunded'", 12).await;
    until(&mut conn, "payments.attempts WHERE state IN ('created', 'unknown')", 0).await;
    until_calm(&mut conn).await;
    assert_sound(&database, &[&site.book()]).await;
}

#[tokio::test]
#[ignore = "fire: 1 min"]
async fn m_10_a_hundred_times_the_gateway_takes_the_money_and_says_nothing() {
    const ORDERS: usize = 100;
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_RECONCILE_SECONDS", "1");
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, ORDERS).await;
    let olga = operator(&site, &mut conn).await;
    let variants = shelf(&mut conn, &[1_000]).await;
    let _gateway = site.gateway().await;
    let server = site.serve().await;
    let servers = [server.address()];
    // Every call is carried out and never answered, and no webhook is ever sent.
    site.chaos(r#"{"charge_then_drop": 100, "drop": 100}"#).await;
    let began = Instant::now();
    let ids: Vec<String> = spread(buyers.iter().collect(), 8, &servers, async |client, buyer: &Buyer| {
        let placed = insist(buyer, client, "/v1/orders", "order", &order(&[(variants[0], 1)])).await;
        let id = placed["id"].as_str().unwrap().to_owned();
        let (path, wish) = (format!("/v1/orders/{id}/payments"), r#"{"gateway":"mock","capture":"manual"}"#);
        let first = buyer.post(client, &path, "payment", wish).await.unwrap();
        assert!(first.is_problem(503, "gateway_unavailable"), "{}", first.text());
        // Asking the gateway's book finds the page; then the same request answers it.
        let payment = insist(buyer, client, &path, "payment", wish).await;
        approve_held(&site, page(&site, &payment)).await;
        id
    })
    .await;
    until(&mut conn, "orders.orders WHERE status = 'confirmed' AND payment_status = 'authorized'", 100).await;
    let held = began.elapsed();
    spread(ids.iter().collect(), 8, &servers, async |client, id: &String| {
        let payment = payment_of(&olga, client, id).await;
        insist(&olga, client, &format!("/v1/orders/{id}/payments/{payment}/capture"), &format!("capture-{id}"), "{}")
            .await;
    })
    .await;
    until(&mut conn, "orders.orders WHERE payment_status = 'paid'", 100).await;
    let taken = began.elapsed();
    spread(ids.iter().collect(), 8, &servers, async |client, id: &String| {
        let wish = json!({ "kind": "full", "reason": "It is broken" }).to_string();
        insist(&olga, client, &format!("/v1/orders/{id}/refunds"), &format!("refund-{id}"), &wish).await;
    })
    .await;
    until(&mut conn, "orders.orders WHERE payment_status = 'refunded'", 100).await;
    until_calm(&mut conn).await;
    println!(
        "M-10: {ORDERS} payments, captures and refunds without an answer: held after {:.0} s, taken after {:.0} s, given back after {:.0} s",
        held.as_secs_f64(),
        taken.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    for table in ["gateway.payments", "gateway.captures", "gateway.refunds", "payments.attempts", "payments.refunds"] {
        assert_eq!(count(&mut conn, table).await, 100, "{table}");
    }
    assert_eq!(count(&mut conn, "payments.inbox").await, 0, "nobody has told us");
    for kind in ["authorization", "capture", "refund"] {
        assert_eq!(count(&mut conn, &format!("payments.transactions WHERE kind = '{kind}'")).await, 100, "{kind}");
    }
    assert_sound(&database, &[&site.book()]).await;
}

/// Approves a payment that is held: its page then says so.
async fn approve_held(site: &Site, page: &str) {
    let mut client = Client::new(&[site.gateway], 0);
    let shown = client.send("GET", page, &[], "").await.unwrap().text();
    let nonce = shown.split_once(r#"name="nonce" value=""#).unwrap().1.split_once('"').unwrap().0.to_owned();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let sent = client.send("POST", &format!("{page}/approve"), &headers, &format!("nonce={nonce}")).await.unwrap();
    assert_eq!(sent.status, 303, "{}", sent.text());
}

/// The one payment of an order.
async fn payment_of(person: &Buyer, client: &mut Client, order: &str) -> String {
    let authorization = format!("Bearer {}", person.token);
    let headers = [("authorization", authorization.as_str())];
    let payments = client.send("GET", &format!("/v1/orders/{order}/payments"), &headers, "").await.unwrap().json();
    payments["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "fire: 2 min"]
async fn m_11_five_hundred_payments_race_against_the_end_of_their_time() {
    const WAVES: usize = 5;
    const EACH: usize = 100;
    const EXPIRY: Duration = Duration::from_secs(10);
    let database = TestDatabase::new().await;
    let site = Site::new(database.url())
        .await
        .set("OMS_ORDER_EXPIRY_SECONDS", "10")
        .set("OMS_EXPIRY_SWEEP_SECONDS", "1")
        .set("OMS_RECONCILE_SECONDS", "5");
    let mut conn = database.connect().await;
    let racers = buyers(&site, &mut conn, EACH).await;
    let olga = operator(&site, &mut conn).await;
    let variants = shelf(&mut conn, &[100; WAVES]).await;
    let _gateway = site.gateway().await;
    let (server, other) = (site.serve().await, site.another().await);
    let servers = [server.address(), other.address()];
    let dice = std::cell::RefCell::new(Dice::new(SEED));
    for (wave, &variant) in variants.iter().enumerate() {
        let (over, ordered) = (Cell::new(false), Cell::new(0));
        let race = async {
            let work: Vec<(usize, &Buyer)> = racers.iter().enumerate().collect();
            // All at once: a hundred orders for a hundred units, each paid for at about the moment in which it expires.
            spread(work, EACH, &servers, async |client, (_, buyer): (usize, &Buyer)| {
                let placed =
                    insist(buyer, client, "/v1/orders", &format!("order-{wave}"), &order(&[(variant, 1)])).await;
                ordered.set(ordered.get() + 1);
                let ends = Instant::now() + EXPIRY;
                let path = format!("/v1/orders/{}/payments", placed["id"].as_str().unwrap());
                let payment = insist(buyer, client, &path, &format!("pay-{wave}"), r#"{"gateway":"mock"}"#).await;
                let off = Duration::from_millis(dice.borrow_mut().throw(2_500));
                let at = (ends + off).checked_sub(Duration::from_millis(1_000)).unwrap();
                sleep(at.saturating_duration_since(Instant::now())).await;
                approve(&mut Client::new(&[site.gateway], 0), page(&site, &payment)).await;
            })
            .await;
            over.set(true);
        };
        // Somebody who buys what comes back to the shelf, so that not everybody who is late can be revived.
        let hawk = async {
            let (mut client, mut turn) = (Client::new(&servers, 1), 0);
            while ordered.get() < EACH {
                sleep(Duration::from_millis(20)).await;
            }
            while !over.get() {
                turn += 1;
                let key = format!("hawk-{wave}-{turn}");
                let answer = olga.post(&mut client, "/v1/orders", &key, &order(&[(variant, 1)])).await.unwrap();
                if answer.status == 201 && turn % 2 == 0 {
                    let path = format!("/v1/orders/{}/confirm", answer.json()["id"].as_str().unwrap());
                    insist(&olga, &mut client, &path, &format!("{key}-c"), r#"{"method":"bank_transfer"}"#).await;
                } else {
                    sleep(Duration::from_millis(60)).await;
                }
            }
        };
        tokio::join!(race, hawk);
    }
    let racing = "customer_id IN (SELECT id FROM accounts.users WHERE username LIKE 'buyer%')";
    until(&mut conn, "gateway.payments WHERE status = 'pending'", 0).await;
    until(&mut conn, &format!("orders.orders WHERE {racing} AND status = 'pending'"), 0).await;
    until_calm(&mut conn).await;
    until(&mut conn, "payments.attempts WHERE refunding_minor > 0", 0).await;

    let of = |what: &str| format!("orders.orders WHERE {racing} AND {what}");
    let paid = count(&mut conn, &of("status = 'confirmed' AND payment_status = 'paid' AND refunded_minor = 0")).await;
    let refunded =
        count(&mut conn, &of("status = 'expired' AND payment_status = 'refunded' AND captured_minor = refunded_minor"))
            .await;
    let revived = count(&mut conn, "orders.events WHERE kind = 'revived'").await;
    println!(
        "M-11: {} races: {paid} paid with stock ({revived} of them revived), {refunded} refunded without",
        WAVES * EACH
    );
    assert_eq!(paid + refunded, 500);
    assert!(refunded > 0 && revived > 0 && paid > revived, "the race was none");
    // Whatever expired gave its stock back once each time, and whatever was revived took it again.
    let moved = "SELECT DISTINCT o.status || ' ' || sum(m.reserved_delta) || ' ' || (count(*) FILTER (WHERE m.kind = 'release')) \
         || ' ' || (count(*) FILTER (WHERE m.kind = 'reserve')) AS word \
         FROM orders.orders o JOIN catalog.stock_movements m ON m.order_id = o.id \
         WHERE o.customer_id IN (SELECT id FROM accounts.users WHERE username LIKE 'buyer%') GROUP BY o.id, o.status ORDER BY 1";
    let moved = words(&mut conn, moved).await;
    assert_eq!(moved, ["confirmed 1 0 1", "confirmed 1 1 2", "expired 0 1 1"]);
    assert_sound(&database, &[&site.book()]).await;
}
