//! Products as strangers read them, while their seller changes one in a hundred every second, against a server that does
//! nothing but answer with the same bytes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use kernel::Role;
use tokio::time::{MissedTickBehavior, interval};

use super::{Bench, CONNECTIONS};
use crate::support::{
    bare::Bare,
    client::{Answer, Client},
    load::crowd,
    reader::{Question, readers},
    redis::Redis,
    report::Turn,
    server::Server,
    shop::{Dice, VARIANTS, id, token},
};

const LIST: &str = "/v1/products?limit=20";
/// One in a hundred products every second.
const BETWEEN_WRITES: Duration = Duration::from_millis(10);
/// The product that the bare server answers with.
const SAMPLE: usize = 4_711;

fn path(product: usize) -> String {
    format!("/v1/products/{}", id(product))
}

fn names(product: usize) -> String {
    format!(r#""id":"{}""#, id(product))
}

/// Changes one product after the other, until it is dropped.
async fn sell(server: SocketAddr) {
    let authorization = format!("Bearer {}", token(1, Role::Customer));
    let (mut client, mut dice) = (Client::new(&[server], 0), Dice::new());
    let mut next = interval(BETWEEN_WRITES);
    next.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        next.tick().await;
        let product = path(dice.pick(1, VARIANTS));
        let seen = client.send("GET", &product, &[("authorization", &authorization)], "").await.unwrap();
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("if-match", seen.header("etag").unwrap()),
        ];
        let body = format!(r#"{{"description":"Lot {}"}}"#, dice.throw());
        let changed = client.send("PATCH", &product, &headers, &body).await.unwrap();
        assert_eq!(changed.status, 200, "{}", changed.text());
    }
}

async fn get(server: SocketAddr, path: &str) -> Answer {
    let answer = Client::new(&[server], 0).send("GET", path, &[], "").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

pub async fn measure(bench: &mut Bench) {
    let redis = Redis::start(bench.database.directory()).await;
    bench.database.settle().await;
    let url = bench.database.url.clone();
    let server = Server::on(&bench.database, &url, true, &[("REDIS_URL", &redis.url)]).await;
    let (product, list) = (get(server.api, &path(SAMPLE)).await, get(server.api, LIST).await);
    let bare = Bare::start(bench.database.directory(), &product, &list).await;

    let product = |number| Question::get(server.api, &path(number), None, &names(number));
    let products = Arc::new((1..=VARIANTS).map(product).collect::<Vec<_>>());
    let bare_product = |number| Question::get(bare.api, &path(number), None, &names(SAMPLE));
    let bare_products = Arc::new((1..=VARIANTS).map(bare_product).collect::<Vec<_>>());
    let lists = |api| Arc::new(vec![Question::get(api, LIST, None, r#""next_cursor":"#)]);
    let contestants = [
        ("product", server.api, products),
        ("product, bare", bare.api, bare_products),
        ("list of 20", server.api, lists(server.api)),
        ("list of 20, bare", bare.api, lists(bare.api)),
    ];
    let mut turns: [Vec<Turn>; 4] = Default::default();
    let run = bench.pace.half();
    for _round in 0..bench.pace.rounds {
        for ((_, api, questions), turns) in contestants.iter().zip(&mut turns) {
            let all = || readers(*api, CONNECTIONS, questions);
            let selling = tokio::spawn(sell(server.api));
            crowd(bench.pace.warm_up, all()).await.all_right();
            let before = [bench.database.cpu(), server.cpu() + bare.cpu()];
            let crowd = crowd(run, all()).await.all_right();
            let after = [bench.database.cpu(), server.cpu() + bare.cpu()];
            assert!(!selling.is_finished(), "the seller has given up");
            selling.abort();
            turns.push(Turn::of(&crowd, [after[0] - before[0], after[1] - before[1]]));
        }
    }
    let report = &mut bench.report;
    let mut row = |which: usize| report.row(contestants[which].0, &turns[which]);
    let [product, bare_product, list, bare_list] = [row(0), row(1), row(2), row(3)];
    report.number("product_per_second", product.per_second);
    report.number("product_of_bare", product.per_second / bare_product.per_second);
    report.number("product_p99_ms", product.p99_ms);
    report.number("list_per_second", list.per_second);
    report.number("list_of_bare", list.per_second / bare_list.per_second);
    report.number("list_p99_ms", list.p99_ms);
    report.number("most_mb", server.memory_mb("VmHWM"));
}
