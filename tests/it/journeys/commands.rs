//! Acceptance 4 of the life of an order: the same command eight times at once over two servers has one effect, under one
//! idempotency key and under eight.

use std::time::Instant;

use futures_util::future::join_all;
use kernel::VariantId;
use serde_json::{Value, json};
use testkit::TestDatabase;

use super::{
    arrange::{Buyer, assert_sound, buyers, count, operator, order, shelf, until, words},
    power_cuts::approve,
};
use crate::support::{
    client::{Answer, Client},
    load::spread,
    processes::Site,
};

const COPIES: usize = 8;

/// What is asked for eight times at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Pay,
    Ship,
    Capture,
    Cancel,
    Refund,
    Receive,
}

const ACTS: [Act; 6] = [Act::Pay, Act::Ship, Act::Capture, Act::Cancel, Act::Refund, Act::Receive];

impl Act {
    /// The event that tells of it.
    fn event(self) -> &'static str {
        match self {
            Self::Pay => "payment_started",
            Self::Ship => "shipment_shipped",
            Self::Capture => "capture_requested",
            Self::Cancel => "cancelled",
            Self::Refund => "refund_requested",
            Self::Receive => "return_received",
        }
    }
}

/// A command on an order of its own that it was made ready for.
#[derive(Debug, Clone)]
struct Race {
    act: Act,
    number: usize,
    order: String,
    path: String,
    body: String,
}

/// The shop and who is in it.
struct Scene<'a> {
    site: &'a Site,
    alice: &'a Buyer,
    olga: &'a Buyer,
    variant: VariantId,
}

impl Scene<'_> {
    async fn post(&self, client: &mut Client, person: &Buyer, path: &str, key: &str, body: &Value) -> Value {
        let answer = person.post(client, path, key, &body.to_string()).await.unwrap();
        assert!(matches!(answer.status, 200 | 201), "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// Places an order of two units and leads it to where the command is due.
    async fn prepare(&self, client: &mut Client, act: Act, number: usize) -> Race {
        let key = |step: &str| format!("{act:?}-{number}-{step}");
        let placed = self.alice.place(client, &key("place"), &order(&[(self.variant, 2)])).await;
        assert_eq!(placed.status, 201, "{}", placed.text());
        let (placed, two) = (placed.json(), json!([{ "position": 1, "quantity": 2 }]));
        let (id, total) = (placed["id"].as_str().unwrap(), &placed["total"]);
        let base = format!("/v1/orders/{id}");
        let race = |path: String, body: Value| Race { act, number, order: id.to_owned(), path, body: body.to_string() };
        if act == Act::Pay {
            return race(format!("{base}/payments"), json!({ "gateway": "mock" }));
        }
        if act == Act::Capture {
            let wish = json!({ "gateway": "mock", "capture": "manual" });
            let payment = self.post(client, self.alice, &format!("{base}/payments"), &key("pay"), &wish).await;
            let url = payment["pay_url"].as_str().unwrap();
            let page = url.strip_prefix(&format!("http://{}", self.site.gateway)).unwrap();
            approve(&mut Client::new(&[self.site.gateway], 0), page).await;
            return race(format!("{base}/payments/{}/capture", payment["id"].as_str().unwrap()), json!({}));
        }
        let paid = json!({ "amount": total, "method": "bank_transfer" });
        self.post(client, self.olga, &format!("{base}/payments/offline"), &key("record"), &paid).await;
        match act {
            Act::Cancel => return race(format!("{base}/cancel"), json!({ "reason": "Changed my mind" })),
            Act::Refund => {
                return race(
                    format!("{base}/refunds"),
                    json!({ "kind": "amount", "amount": total, "reason": "Broken" }),
                );
            }
            Act::Pay | Act::Ship | Act::Receive | Act::Capture => {}
        }
        let goods = json!({ "lines": two });
        let packed = self.post(client, self.olga, &format!("{base}/shipments"), &key("pack"), &goods).await;
        let parcel = format!("/v1/shipments/{}", packed["shipment"]["id"].as_str().unwrap());
        let tracking = json!({ "carrier": "Viet Post" });
        if act == Act::Ship {
            return race(format!("{parcel}/ship"), tracking);
        }
        self.post(client, self.olga, &format!("{parcel}/ship"), &key("ship"), &tracking).await;
        self.post(client, self.olga, &format!("{parcel}/deliver"), &key("deliver"), &json!({})).await;
        let wish = json!({ "lines": two, "reason": "It does not fit" });
        let goods = self.post(client, self.alice, &format!("{base}/returns"), &key("return"), &wish).await;
        let goods = format!("/v1/returns/{}", goods["return"]["id"].as_str().unwrap());
        self.post(client, self.olga, &format!("{goods}/approve"), &key("approve"), &json!({})).await;
        let came = json!({ "lines": [{ "position": 1, "resellable": 1, "damaged": 1 }] });
        race(format!("{goods}/receive"), came)
    }
}

/// One key: every answer is the first one.
fn one_answer(race: &Race, answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, 200, "{race:?}: {}", answer.text());
        assert_eq!(answer.body, answers[0].body, "{race:?}");
    }
    let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed") == Some("true")).count();
    assert_eq!(replays, COPIES - 1, "{race:?}");
}

/// Eight keys: one is done, the others find that it is.
fn one_winner(race: &Race, answers: &[Answer]) {
    let told = || answers.iter().map(|answer| format!("{} {}", answer.status, answer.text())).collect::<Vec<_>>();
    let of = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(200), of(409)), (1, COPIES - 1), "{race:?}: {:#?}", told());
    assert!(answers.iter().all(|answer| !answer.is_problem(409, "in_progress")), "{race:?}: {:#?}", told());
}

/// Paying is begun by all of them and is one payment, whoever's key it was: the gateway is asked in between, so a sibling
/// that finds the intent goes on with it.
fn one_payment(race: &Race, answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, 201, "{race:?}: {}", answer.text());
        assert_eq!(answer.json()["id"], answers[0].json()["id"], "{race:?}");
    }
}

#[tokio::test]
async fn m_03_eight_concurrent_copies_of_a_command_have_one_effect() {
    double_clicks(3).await;
}

/// Of each command so many rounds with one key, and as many with eight.
pub async fn double_clicks(rounds: usize) {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, 1).await;
    let (alice, olga) = (&people[0], &operator(&site, &mut conn).await);
    let variant = shelf(&mut conn, &[100_000]).await[0];
    // The workers are a process of their own: what races for the orders is the eight requests alone.
    let (first, second, _gateway) = (site.serve_only().await, site.another().await, site.gateway().await);
    let servers = [first.address(), second.address()];
    let scene = Scene { site: &site, alice, olga, variant };

    let began = Instant::now();
    let wanted = ACTS.iter().flat_map(|&act| (0..2 * rounds).map(move |number| (act, number))).collect();
    let mut races =
        spread(wanted, 4, &servers, async |client, (act, number)| scene.prepare(client, act, number).await).await;
    races.sort_by_key(|race| (race.number, race.path.clone()));
    {
        let _worker = site.worker().await;
        let held = i64::try_from(2 * rounds).unwrap();
        until(&mut conn, "payments.attempts WHERE state = 'authorized'", held).await;
        // Those that are to be paid for in a moment.
        until(&mut conn, "orders.orders WHERE status = 'pending'", held).await;
    }
    println!("M-03: {} orders are ready after {:.1} s", races.len(), began.elapsed().as_secs_f64());

    let mut clients: Vec<_> = (0..COPIES).map(|number| Client::new(&servers, number)).collect();
    for race in &races {
        let is_one_key = race.number < rounds;
        let person = if matches!(race.act, Act::Cancel | Act::Pay) { alice } else { olga };
        let sent = clients.iter_mut().enumerate().map(async |(copy, client)| {
            let key = if is_one_key { "race".to_owned() } else { format!("race-{copy}") };
            let key = format!("{key}-{:?}-{}", race.act, race.number);
            person.post(client, &race.path, &key, &race.body).await.unwrap()
        });
        let answers = join_all(sent).await;
        match race.act {
            Act::Pay => one_payment(race, &answers),
            _ if is_one_key => one_answer(race, &answers),
            _ => one_winner(race, &answers),
        }
        let (order, event) = (&race.order, race.act.event());
        let events = format!("orders.events WHERE order_id = '{order}' AND kind = '{event}'");
        assert_eq!(count(&mut conn, &events).await, 1, "{race:?}");
    }
    println!("M-03: {} races are over after {:.1} s", races.len(), began.elapsed().as_secs_f64());

    // What they asked of money is carried out, once each.
    let _worker = site.worker().await;
    until(&mut conn, "jobs.jobs WHERE state <> 'finished' AND kind LIKE 'payments.send%'", 0).await;
    let each = i64::try_from(2 * rounds).unwrap();
    until(&mut conn, "payments.refunds WHERE state = 'succeeded'", 2 * each).await;
    until(&mut conn, "payments.attempts WHERE gateway = 'mock' AND state = 'captured'", each).await;
    assert_eq!(count(&mut conn, "payments.refunds").await, 2 * each);
    let attempts = "payments.attempts WHERE gateway = 'mock'";
    assert_eq!(
        count(&mut conn, attempts).await,
        2 * each,
        "one for each order that was paid for, one for each that was captured"
    );
    assert_eq!(count(&mut conn, "gateway.payments").await, 2 * each);
    let moves = "SELECT kind || ' ' || sum(on_hand_delta) AS word FROM catalog.stock_movements \
        WHERE kind IN ('ship', 'return') GROUP BY kind ORDER BY kind";
    // Both of ship and of receive were sent, two units each; of every return one unit can be sold again.
    assert_eq!(words(&mut conn, moves).await, [format!("return {each}"), format!("ship -{}", 4 * each)]);
    until(&mut conn, "payments.inbox WHERE processed_at IS NULL", 0).await;
    assert_sound(&database, &[&site.book()]).await;
    println!("M-03: sound after {:.1} s", began.elapsed().as_secs_f64());
}
