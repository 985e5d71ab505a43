//! Acceptance 7, W-06 and C-10: kill -9, again and again, while thousands of mails wait and hundreds of orders are paid.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kernel::PgConn;
use testkit::TestDatabase;
use tokio::time::sleep;

use super::arrange::{Buyer, assert_sound, buyers, count, order, shelf};
use crate::support::{
    client::{Answer, Client},
    load::{Dice, spread},
    processes::{Process, Site},
};

const SEED: u64 = 20_261_122;
const BUYERS: usize = 500;
/// Each order is a mail.
const ORDERS: usize = 5_000;
/// Of each of the four processes.
const KILLS_EACH: usize = 4;
/// How long anything may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a request with its key until there is a definite answer: refused connections, broken ones, 503 and "still being
/// worked on" are none.
async fn until_answered(buyer: &Buyer, client: &mut Client, path: &str, key: &str, body: &str) -> Answer {
    let began = Instant::now();
    loop {
        match buyer.post(client, path, key, body).await {
            Ok(answer) if answer.status != 503 && !answer.is_problem(409, "in_progress") => return answer,
            outcome => assert!(began.elapsed() < PATIENCE, "{path} is not answered: {outcome:?}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What stands between `before` and `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// Approves a payment on its page, as a person does: looks at the page, presses the button, and looks again if nothing
/// happens.
async fn approve(client: &mut Client, page: &str) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "{page} cannot be approved");
        if let Ok(shown) = client.send("GET", page, &[], "").await {
            let shown = shown.text();
            if shown.contains("Payment successful") {
                return;
            }
            if let Some(nonce) = between(&shown, r#"name="nonce" value=""#, "\"") {
                let headers = [("content-type", "application/x-www-form-urlencoded")];
                let sent = client.send("POST", &format!("{page}/approve"), &headers, &format!("nonce={nonce}")).await;
                if sent.is_ok_and(|answer| answer.status == 303) {
                    return;
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Kills every process so many times, in an order that chance has made, and starts it again each time.
async fn cut_power(processes: &mut [Process]) {
    let mut dice = Dice::new(SEED);
    let mut victims: Vec<usize> = (0..processes.len()).flat_map(|process| [process; KILLS_EACH]).collect();
    dice.shuffle(&mut victims);
    for victim in victims {
        sleep(Duration::from_millis(300 + dice.throw(900))).await;
        processes[victim].kill();
        sleep(Duration::from_millis(dice.throw(300))).await;
        processes[victim].start().await;
    }
}

#[tokio::test]
async fn w_06_kill_9_loses_no_mail_and_settles_no_payment_twice() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_JOB_LEASE_SECONDS", "3").set("OMS_WORKERS_BULK", "8");
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, BUYERS).await;
    let variants = shelf(&mut conn, &[1_000_000; 5]).await;
    let _catcher = site.mailcatcher(3 * ORDERS).await;
    // Mail is slow: one worker process that is killed, and one inside of a server that is.
    let mut processes = [site.serve().await, site.another().await, site.worker().await, site.gateway().await];
    let servers = [processes[0].address(), processes[1].address()];

    let began = Instant::now();
    let clients = async {
        // The first order of each buyer is paid as soon as it is placed.
        let placed = spread((0..ORDERS).collect(), 32, &servers, async |client, number: usize| {
            let buyer = &buyers[number % BUYERS];
            let body = order(&[(variants[number % 5], 1), (variants[(number + 1) % 5], 1)]);
            let answer = until_answered(buyer, client, "/v1/orders", &format!("order-{number}"), &body).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            if number < BUYERS {
                let path = format!("/v1/orders/{id}/payments");
                let answer =
                    until_answered(buyer, client, &path, &format!("pay-{number}"), r#"{"gateway":"mock"}"#).await;
                assert_eq!(answer.status, 201, "{}", answer.text());
                let url = answer.json()["pay_url"].as_str().unwrap().to_owned();
                let page = url.strip_prefix(&format!("http://{}", site.gateway)).unwrap();
                approve(&mut Client::new(&[site.gateway], 0), page).await;
            }
            (number, id)
        })
        .await;
        println!("W-06: everything is placed and approved after {:.1} s", began.elapsed().as_secs_f64());
        placed
    };
    let power = async {
        cut_power(&mut processes).await;
        println!("W-06: {} times kill -9 in {:.1} s", 4 * KILLS_EACH, began.elapsed().as_secs_f64());
    };
    let (placed, ()) = tokio::join!(clients, power);

    // Everything is up again and comes to an end by itself.
    let healed = Instant::now();
    loop {
        let paid = count(&mut conn, "orders.orders WHERE status = 'confirmed'").await;
        let waiting = count(&mut conn, "jobs.jobs WHERE state IN ('new', 'retried', 'in_progress')").await;
        if waiting == 0 && paid == 500 {
            break;
        }
        assert!(healed.elapsed() < PATIENCE, "{waiting} jobs are unfinished, {paid} orders are confirmed");
        sleep(Duration::from_millis(100)).await;
    }
    println!("W-06: finished {:.1} s after that", healed.elapsed().as_secs_f64());

    assert_settled_once(&mut conn).await;
    assert_mailed(&site, &buyers, &placed).await;
    assert_sound(&database, &[&site.book()]).await;
}

/// All 500 payments: captured once, in full, and told once.
async fn assert_settled_once(conn: &mut PgConn) {
    let paid = "orders.orders WHERE status = 'confirmed' AND payment_status = 'paid' AND captured_minor = total_minor \
         AND refunded_minor = 0";
    assert_eq!(count(conn, paid).await, 500);
    assert_eq!(count(conn, "orders.orders").await, 5_000);
    assert_eq!(count(conn, "payments.attempts").await, 500);
    assert_eq!(count(conn, "payments.attempts WHERE state = 'captured' AND captured_minor = amount_minor").await, 500);
    assert_eq!(count(conn, "payments.transactions").await, 500);
    assert_eq!(count(conn, "payments.transactions WHERE kind = 'capture'").await, 500);
    assert_eq!(count(conn, "payments.inbox WHERE processed_at IS NULL").await, 0);
    assert_eq!(count(conn, "gateway.payments WHERE status = 'captured'").await, 500);
    assert_eq!(count(conn, "gateway.payments").await, 500);
    for kind in ["payment_started", "payment_captured", "confirmed"] {
        assert_eq!(count(conn, &format!("orders.events WHERE kind = '{kind}'")).await, 500, "{kind}");
        let orders = format!("(SELECT DISTINCT order_id FROM orders.events WHERE kind = '{kind}') e");
        assert_eq!(count(conn, &orders).await, 500, "{kind}");
    }
    assert_eq!(count(conn, "kernel.idempotency_keys WHERE status = 201").await, 5_500);
    assert_eq!(count(conn, "kernel.idempotency_keys WHERE status IS NULL").await, 0);
    assert_eq!(count(conn, "jobs.jobs WHERE state = 'in_progress'").await, 0);
    assert_eq!(count(conn, "jobs.jobs WHERE state = 'failed'").await, 0);
}

/// Every order's mails came, and whichever came twice has the same `Message-ID`.
async fn assert_mailed(site: &Site, buyers: &[Buyer], placed: &[(usize, String)]) {
    let mut window = Client::new(&[site.mail], 0);
    let totals = window.send("GET", "/api/messages?limit=1", &[], "").await.unwrap().json();
    println!("W-06: {} mails received, {} different ones", totals["received"], totals["distinct"]);
    let mut mails = 0;
    for (number, buyer) in buyers.iter().enumerate() {
        let path = format!("/api/messages?limit=1000&to={}", buyer.email);
        let came = window.send("GET", &path, &[], "").await.unwrap().json();
        let came = came["data"].as_array().unwrap().clone();
        mails += came.len();
        let came: BTreeSet<_> = came.iter().map(|mail| mail["message_id"].as_str().unwrap().to_owned()).collect();
        let expected: BTreeSet<_> = placed
            .iter()
            .filter(|(order, _)| order % BUYERS == number)
            .flat_map(|(order, id)| {
                let confirmed = (*order < BUYERS).then(|| format!("order-confirmed-{id}@example.com"));
                [Some(format!("order-placed-{id}@example.com")), confirmed].into_iter().flatten()
            })
            .collect();
        assert_eq!(came, expected, "{}", buyer.email);
    }
    assert_eq!(mails, ORDERS + BUYERS);
    assert_eq!(totals["distinct"], mails);
}
