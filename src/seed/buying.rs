//! People buy, and pay at the gateway's own pay page.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};
use kernel::{BusinessId, Caller, Currency, OrderId, Queue, idempotency::Ticket, job, request};
use orders::{
    Address, Terms,
    place::{Placement, Wanted},
};
use payments::CaptureMethod;
use sha2::{Digest, Sha256};

use super::{
    Dice, OnSale, People, SeedError, Seeder, Size,
    living::{FATES, Fate, Placed, live},
};

/// As many people buy at once.
const BUYERS: usize = 8;
/// How long settling may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the parcels go.
const HOMES: [(&str, &str, &str, &str, &str); 3] = [
    ("alice", "Alice Nguyen", "12 Hang Bac", "Hanoi", "VN"),
    ("bob", "Bob Petersen", "Osterstrasse 9", "Hamburg", "DE"),
    ("carol", "Carol Jones", "410 Oak Street", "Portland", "US"),
];

struct Plan {
    number: usize,
    customer: Caller,
    address: Address,
    lines: Vec<Wanted>,
    fate: Fate,
}

/// Places the orders and sees every one of them to where its life is to lead; answers how many there are.
pub(super) async fn buy(seeder: &Seeder, people: &People, on_sale: &[OnSale], size: Size) -> Result<usize, SeedError> {
    let plans = plan(people, on_sale, size);
    // The gateway runs in this process, where no proxy finds it.
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let placed: Vec<Placed> =
        stream::iter(plans).map(|plan| place(seeder, &client, plan)).buffered(BUYERS).try_collect().await?;
    orders::expire_due(&seeder.orders).await?;
    settled(seeder).await?;
    let owners: BTreeMap<BusinessId, Caller> = on_sale.iter().map(|offer| (offer.business, offer.owner)).collect();
    let count = placed.len();
    stream::iter(placed)
        .map(|placed| live(seeder, people, &owners, placed))
        .buffer_unordered(BUYERS)
        .try_collect::<Vec<()>>()
        .await?;
    settled(seeder).await?;
    Ok(count)
}

fn plan(people: &People, on_sale: &[OnSale], size: Size) -> Vec<Plan> {
    let mut dice = Dice(2026);
    let mut left: Vec<OnSale> = on_sale.iter().filter(|offer| offer.stock > 2).copied().collect();
    let mut plans = Vec::new();
    for number in 0..size.orders() {
        let number = usize::try_from(number).unwrap_or(0);
        // The first of every fate are Alice's, so that one login shows everything.
        let home = HOMES.get(if number < FATES.len() { 0 } else { 1 + number % 2 });
        let customer = home.and_then(|(who, ..)| people.get(who));
        let (Some((_, name, line1, city, country)), Some(customer)) = (home, customer) else { continue };
        let fate = FATES.get((number + number / 24) % FATES.len()).copied().unwrap_or(Fate::Pending);
        let lines = basket(&mut dice, &mut left, fate.takes_several());
        if lines.is_empty() {
            break;
        }
        let address = Address {
            name: (*name).to_owned(),
            line1: (*line1).to_owned(),
            city: (*city).to_owned(),
            country: (*country).to_owned(),
            ..Address::sample()
        };
        plans.push(Plan { number, customer: *customer, address, lines, fate });
    }
    plans
}

/// One to three things in one currency, of which there are enough; `several` makes it two or three, two of each.
fn basket(dice: &mut Dice, left: &mut [OnSale], several: bool) -> Vec<Wanted> {
    let mut currency: Option<Currency> = None;
    let mut lines: Vec<Wanted> = Vec::new();
    let wanted = if several { 2 + dice.throw(2) } else { 1 + dice.throw(3) };
    for _ in 0..200 {
        if lines.len() == wanted {
            break;
        }
        let at = dice.throw(left.len());
        let quantity = if several { 2 } else { i32::try_from(1 + dice.throw(2)).unwrap_or(1) };
        let Some(offer) = left.get_mut(at) else { break };
        let fits = currency.is_none_or(|currency| currency == offer.currency)
            && offer.stock >= quantity
            && lines.iter().all(|line| line.variant_id != offer.variant);
        if fits {
            offer.stock -= quantity;
            currency = Some(offer.currency);
            lines.push(Wanted { variant_id: offer.variant, quantity, line: lines.len() });
        }
    }
    lines
}

pub(super) fn ticket(caller: Caller, key: &str) -> Ticket {
    let fingerprint = Sha256::digest(key.as_bytes()).to_vec();
    Ticket { caller: caller.user_id, key: format!("demo-{key}"), fingerprint }
}

async fn place(seeder: &Seeder, client: &reqwest::Client, plan: Plan) -> Result<Placed, SeedError> {
    let (order_id, now) = (OrderId::new(), seeder.orders.clock.now());
    // Unpaid orders of the demo wait for a week; what is to expire has waited for two hours already.
    let (placed_at, expires_at) = match plan.fate {
        Fate::Expired => (now - TimeDelta::hours(2), now - TimeDelta::minutes(90)),
        _ => (now, now + TimeDelta::days(7)),
    };
    let placement = Placement {
        order_id,
        customer: plan.customer.user_id,
        lines: plan.lines,
        ship_to: plan.address,
        note: None,
        expected_total: None,
        ticket: Some(ticket(plan.customer, &order_id.to_string())),
        dry_run: false,
        placed_at,
        expires_at,
        request: request::Context::default(),
    };
    let answer = seeder.orders.intake.place(placement).await?;
    if let Some((button, capture)) = plan.fate.payment() {
        pay(seeder, client, plan.customer, order_id, button, capture).await?;
    }
    Ok(Placed {
        order: serde_json::from_slice(answer.body.bytes())?,
        customer: plan.customer,
        fate: plan.fate,
        number: plan.number,
    })
}

/// Opens the pay page and presses a button.
async fn pay(
    seeder: &Seeder,
    client: &reqwest::Client,
    customer: Caller,
    order: OrderId,
    button: &str,
    capture: CaptureMethod,
) -> Result<(), SeedError> {
    let ticket = ticket(customer, &format!("pay-{order}"));
    let terms = Terms { gateway: seeder.gateway, amount: None, capture };
    let answer = orders::start_payment(&seeder.orders, customer, order, &terms, &ticket).await?;
    let payment: serde_json::Value = serde_json::from_slice(answer.body.bytes()).unwrap_or_default();
    let url = payment.get("pay_url").and_then(serde_json::Value::as_str).ok_or(SeedError::NoForm("no address"))?;
    let page = client.get(url).send().await?.error_for_status()?.text().await?;
    let nonce = page
        .split_once("name=\"nonce\" value=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(nonce, _)| nonce)
        .ok_or(SeedError::NoForm("no form"))?;
    // The nonce is of letters and digits, '-' and '_', so it needs no escaping.
    client
        .post(format!("{url}/{button}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("nonce={nonce}"))
        .send()
        .await?
        .error_for_status()?;
    job::announce();
    Ok(())
}

/// Waits until everything that was paid is settled; the mails about it may take their time.
async fn settled(seeder: &Seeder) -> Result<(), SeedError> {
    job::announce();
    let money = [Queue::Urgent.name(), Queue::Gateway.name()];
    let settling = async {
        loop {
            let mut conn = seeder.orders.pool.get().await?;
            let backlog = ::jobs::admin::backlog(&mut conn).await?;
            if backlog.iter().all(|queue| !money.contains(&queue.queue.as_str()) || queue.ready + queue.running == 0) {
                return Ok(());
            }
            drop(conn);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settling).await.unwrap_or(Err(SeedError::Unsettled))
}
