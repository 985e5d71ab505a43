//! Acceptance 7, W-06 and C-10: kill -9, again and again, while thousands of mails wait and hundreds of orders are paid for.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kernel::PgConn;
use testkit::TestDatabase;
use tokio::time::sleep;

use super::arrange::{Buyer, assert_sound, buyers, count, order, shelf, words};
use crate::support::{
    client::{Answer, Client},
    load::{Dice, spread},
    processes::{Process, Site},
};

const SEED: u64 = 20_261_122;
/// Each places an order and pays for it.
const BUYERS: usize = 500;
/// Mails that wait for each buyer from the beginning; two more come with the order.
const MAILS_EACH: usize = 8;
/// Of each of the four processes.
const KILLS_EACH: usize = 5;
/// How long anything may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a request with its key until there is a definite answer: refused connections, broken ones, 503 and "still being
/// worked on" are none.
pub async fn until_answered(buyer: &Buyer, client: &mut Client, path: &str, key: &str, body: &str) -> Answer {
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
pub async fn approve(client: &mut Client, page: &str) {
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
async fn w_06_twenty_times_kill_9_loses_no_mail_settles_no_payment_twice_and_leaves_no_job_of_what_was_rolled_back() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_JOB_LEASE_SECONDS", "3").set("OMS_WORKERS_BULK", "8");
    let mut conn = database.connect().await;
    let buyers = buyers(&site, &mut conn, BUYERS).await;
    let variants = shelf(&mut conn, &[1_000_000; 5]).await;
    let waiting: Vec<_> = (0..MAILS_EACH)
        .flat_map(|_| buyers.iter().map(|buyer| accounts::SendPasswordChanged { user_id: buyer.id }))
        .collect();
    kernel::job::enqueue_many(&mut conn, &waiting).await.unwrap();
    let _catcher = site.mailcatcher(2 * waiting.len()).await;
    // Mail is slow: one worker process that is killed, and one inside of a server that is.
    let mut processes = [site.serve().await, site.another().await, site.worker().await, site.gateway().await];
    let servers = [processes[0].address(), processes[1].address()];

    let began = Instant::now();
    let clients = async {
        let everybody = buyers.iter().zip(0..).collect();
        spread(everybody, 16, &servers, async |client, (buyer, number): (&Buyer, usize)| {
            let body = order(&[(variants[number % 5], 1), (variants[(number + 1) % 5], 1)]);
            let answer = until_answered(buyer, client, "/v1/orders", "order", &body).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            let path = format!("{}/payments", answer.header("location").unwrap());
            let answer = until_answered(buyer, client, &path, "payment", r#"{"gateway":"mock"}"#).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            let url = answer.json()["pay_url"].as_str().unwrap().to_owned();
            let page = url.strip_prefix(&format!("http://{}", site.gateway)).unwrap();
            approve(&mut Client::new(&[site.gateway], 0), page).await;
        })
        .await;
        println!("W-06: {BUYERS} orders are placed and approved after {:.1} s", began.elapsed().as_secs_f64());
    };
    let power = async {
        cut_power(&mut processes).await;
        println!("W-06: {} times kill -9 in {:.1} s", 4 * KILLS_EACH, began.elapsed().as_secs_f64());
    };
    tokio::join!(clients, power);

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
    assert_about_something(&mut conn).await;
    assert_mailed(&site, &buyers, &mut conn).await;
    assert_sound(&database, &[&site.book()]).await;
}

/// Jobs and events of what was rolled back went with it: whatever they are about is there.
async fn assert_about_something(conn: &mut PgConn) {
    let about = "jobs.jobs j WHERE args ? 'order_id' AND NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = (j.args->>'order_id')::uuid)";
    assert_eq!(count(conn, about).await, 0, "a job about an order that is not there");
    let about = "orders.events e WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = e.order_id)";
    assert_eq!(count(conn, about).await, 0, "an event about an order that is not there");
    let mails = "(SELECT args->>'order_id', args->>'mail' FROM jobs.jobs WHERE kind = 'orders.send_mail' \
         GROUP BY 1, 2 HAVING count(*) > 1) m";
    assert_eq!(count(conn, mails).await, 0, "a mail that was asked for twice");
}

/// All 500 payments: captured once, in full, and told once.
async fn assert_settled_once(conn: &mut PgConn) {
    let paid = "orders.orders WHERE status = 'confirmed' AND payment_status = 'paid' AND captured_minor = total_minor \
         AND refunded_minor = 0";
    assert_eq!(count(conn, paid).await, 500);
    assert_eq!(count(conn, "orders.orders").await, 500);
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
    assert_eq!(count(conn, "kernel.idempotency_keys WHERE status = 201").await, 1_000);
    assert_eq!(count(conn, "kernel.idempotency_keys WHERE status IS NULL").await, 0);
    assert_eq!(count(conn, "jobs.jobs WHERE state = 'in_progress'").await, 0);
    assert_eq!(count(conn, "jobs.jobs WHERE state = 'failed'").await, 0);
}

/// Every mail came, and whichever came twice had the same `Message-ID`.
async fn assert_mailed(site: &Site, buyers: &[Buyer], conn: &mut PgConn) {
    let expected = "SELECT CASE kind WHEN 'orders.send_mail' THEN 'order-' || (args->>'mail') || '-' || (args->>'order_id') \
         ELSE 'password_changed-' || (args->>'user_id') || '-' || id END || '@example.com' AS word FROM jobs.jobs \
         WHERE kind IN ('orders.send_mail', 'accounts.send_password_changed')";
    let expected: BTreeSet<String> = words(conn, expected).await.into_iter().collect();
    assert_eq!(expected.len(), (MAILS_EACH + 2) * buyers.len());
    let mut window = Client::new(&[site.mail], 0);
    let totals = window.send("GET", "/api/messages?limit=1", &[], "").await.unwrap().json();
    println!("W-06: {} mails received, {} different ones", totals["received"], totals["distinct"]);
    let mut came = BTreeSet::new();
    for buyer in buyers {
        let path = format!("/api/messages?limit=1000&to={}", buyer.email);
        let mails = window.send("GET", &path, &[], "").await.unwrap().json();
        let mails = mails["data"].as_array().unwrap().clone();
        assert_eq!(mails.len(), MAILS_EACH + 2, "{}", buyer.email);
        came.extend(mails.iter().map(|mail| mail["message_id"].as_str().unwrap().to_owned()));
    }
    let missing: Vec<&String> = expected.difference(&came).take(5).collect();
    let unexpected: Vec<&String> = came.difference(&expected).take(5).collect();
    assert!(missing.is_empty() && unexpected.is_empty(), "missing {missing:?} …, unexpected {unexpected:?} …");
    assert_eq!(totals["distinct"], expected.len());
}
