//! A flood of logins is the logins' own affair: each takes a core for a moment, and everybody else is served meanwhile.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use testkit::TestDatabase;

use crate::{
    journeys::arrange::{buyers, shelf},
    support::{client::Client, processes::Site},
};

const LOGINS: usize = 200;

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Reads a list and its own orders in turns until `enough` says so; how long each took.
async fn browse(client: &mut Client, token: &str, mut enough: impl FnMut(usize) -> bool) -> Vec<Duration> {
    let bearer = format!("Bearer {token}");
    let mut times = Vec::new();
    while !enough(times.len()) {
        let path = if times.len() % 2 == 0 { "/v1/products" } else { "/v1/orders" };
        let began = Instant::now();
        let answer = client.send("GET", path, &[("authorization", &bearer)], "").await.unwrap();
        times.push(began.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    times
}

#[tokio::test]
#[ignore = "fire: 20 seconds, measures latency"]
async fn s_01_two_hundred_logins_at_once_do_not_hold_up_anybody_else() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, LOGINS).await;
    shelf(&mut conn, &[100; 5]).await;
    let server = site.serve_only().await;
    let mut client = Client::new(&[server.address()], 0);
    browse(&mut client, &people[0].token, |done| done == 50).await;
    let mut quiet = browse(&mut client, &people[0].token, |done| done == 400).await;

    let finished = std::cell::Cell::new(false);
    let flood = async {
        let logins = (0..LOGINS).map(async |number| {
            let mut client = Client::new(&[server.address()], 0);
            let body =
                json!({ "login": format!("buyer{number}"), "password": "correct horse battery staple" }).to_string();
            let began = Instant::now();
            let answer =
                client.send("POST", "/v1/auth/login", &[("content-type", "application/json")], &body).await.unwrap();
            (answer.status, began.elapsed())
        });
        let answers = join_all(logins).await;
        finished.set(true);
        answers
    };
    let (answers, mut busy) =
        tokio::join!(flood, browse(&mut client, &people[0].token, |done| finished.get() && done > 50));
    let let_in = answers.iter().filter(|(status, _)| *status == 200).count();
    let told_to_wait = answers.iter().filter(|(status, _)| matches!(status, 429 | 503)).count();
    assert_eq!(let_in + told_to_wait, LOGINS, "{answers:?}");
    // The others were told to come back: a login waits for a core, and a request has ten seconds.
    assert!(let_in > 0, "{answers:?}");
    let slowest = answers.iter().map(|(_, took)| *took).max().unwrap();
    let (before, during) = (p99(&mut quiet), p99(&mut busy));
    println!(
        "S-01: {let_in} of {LOGINS} logins at once let in, the slowest after {slowest:.1?}; others' p99 {before:.1?} before, {during:.1?} \
         meanwhile ({} requests)",
        busy.len()
    );
    assert!(during <= (before * 2).max(before + Duration::from_millis(50)), "{before:?} before, {during:?} meanwhile");
}
