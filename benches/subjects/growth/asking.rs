//! What is asked of a shop with many orders.

use std::{net::SocketAddr, sync::Arc};

use diesel::{QueryableByName, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::Role;
use uuid::Uuid;

use crate::support::{
    client::Client,
    database::connect,
    reader::Question,
    shop::{BUYERS, Dice, id, token},
};

/// The kinds of questions, in the order of [`all`].
pub const KINDS: [&str; 4] = ["detail", "customers_list", "operators_list", "search"];
/// The operator of `rulers/growth.sql`.
const OPERATOR: usize = 2_001;
/// How many buyers' lists are followed to their ends.
const FOLLOWED: usize = 10;
/// How many different orders, days and words are asked for.
const MANY: usize = 2_000;

/// Questions of one kind.
pub type Asking = Arc<Vec<Question>>;

#[derive(QueryableByName)]
struct Known {
    #[diesel(sql_type = st::Uuid)]
    id: Uuid,
    #[diesel(sql_type = st::Text)]
    number: String,
    #[diesel(sql_type = st::Text)]
    name: String,
    #[diesel(sql_type = st::Text)]
    city: String,
    #[diesel(sql_type = st::Text)]
    status: String,
    #[diesel(sql_type = st::Text)]
    day: String,
    #[diesel(sql_type = st::Text)]
    next_day: String,
}

/// Orders by chance, and what they can be found by.
async fn some_orders(url: &str) -> Vec<Known> {
    let sql = format!(
        "SELECT id, number, status, ship_to ->> 'name' AS name, ship_to ->> 'city' AS city, \
                to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, \
                to_char(placed_at AT TIME ZONE 'UTC' + interval '1 day', 'YYYY-MM-DD') AS next_day \
         FROM orders.orders WHERE status <> 'pending' ORDER BY random() LIMIT {MANY}"
    );
    diesel::sql_query(sql).load(&mut connect(url).await).await.unwrap()
}

/// Every full page of some buyers' lists.
async fn pages(server: SocketAddr) -> Vec<Question> {
    let (mut client, mut questions) = (Client::new(&[server], 0), Vec::new());
    for buyer in (1..=BUYERS).step_by(BUYERS / FOLLOWED) {
        let token = token(buyer, Role::Customer);
        let authorization = format!("Bearer {token}");
        let mut path = "/v1/orders?limit=20".to_owned();
        loop {
            let answer = client.send("GET", &path, &[("authorization", &authorization)], "").await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            let page = answer.json();
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            let last = page["data"][19]["id"].as_str().unwrap();
            questions.push(Question::get(server, &path, Some(&token), last));
            path = format!("/v1/orders?limit=20&cursor={cursor}");
        }
    }
    questions
}

/// A filter of the operator's list.
fn filter(order: &Known, dice: &mut Dice) -> String {
    let days = format!("placed_from={}T00:00:00Z&placed_to={}T00:00:00Z", order.day, order.next_day);
    match dice.pick(0, 7) {
        0 => "status=expired".to_owned(),
        1 => "status=confirmed&fulfillment_status=unfulfilled".to_owned(),
        2 => "to_ship=true".to_owned(),
        3 => "payment_status=unpaid&on_hold=false".to_owned(),
        4 => format!("customer_id={}&status=expired", id(dice.pick(1, BUYERS))),
        5 => format!("number={}", order.number),
        6 => days,
        _ => format!("{days}&status={}", order.status),
    }
}

/// What is looked for: a whole name, a name and a city, a number, or the beginning of a name.
fn words(order: &Known, dice: &mut Dice) -> String {
    match dice.pick(0, 3) {
        0 => order.name.clone(),
        1 => format!("{} {}", order.name, order.city),
        2 => order.number.clone(),
        _ => order.name.chars().take(order.name.len() - 1).collect(),
    }
    .replace(' ', "%20")
}

/// Questions of every kind at a server with this database.
pub async fn all(url: &str, server: SocketAddr) -> [Asking; 4] {
    let (orders, mut dice) = (some_orders(url).await, Dice::new());
    let operator = token(OPERATOR, Role::Operator);
    let get = |path: &str, expected: &str| Question::get(server, path, Some(&operator), expected);
    let detail = |order: &Known| get(&format!("/v1/orders/{}", order.id), &format!(r#""id":"{}""#, order.id));
    let details = orders.iter().map(detail).collect();
    let desk = |query: &str| format!("/v1/admin/orders?limit=20&{query}");
    // Something is found by each: what is asked for is taken from an order that is there.
    let filters = orders.iter().map(|order| get(&desk(&filter(order, &mut dice)), r#""number":"#)).collect();
    let mut dice = Dice::new();
    let search = |order: &Known| get(&desk(&format!("q={}", words(order, &mut dice))), r#""number":"#);
    let searches = orders.iter().map(search).collect();
    [details, pages(server).await, filters, searches].map(Arc::new)
}
