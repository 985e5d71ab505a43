//! The numbers of a process, as Prometheus would read them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    house::source::read,
    journeys::{
        arrange::{buyers, order, shelf, until},
        power_cuts::approve,
    },
    support::{client::Client, logs, processes::Site},
};

/// More than that would be a burden to whoever keeps them.
const SERIES: usize = 5_000;

/// The series of a process: name and labels as they are written, and the value.
async fn series(address: std::net::SocketAddr) -> BTreeMap<String, f64> {
    let answer = Client::new(&[address], 0).send("GET", "/metrics", &[], "").await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4")));
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// The families that `docs/metrics.md` describes: all, and those that have no series before something goes wrong.
fn described() -> BTreeMap<String, bool> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, rest)| (name.to_owned(), rest.contains("only after"))).collect()
}

/// The family of a series: histograms have three names each.
fn family<'a>(series: &'a str, families: &BTreeMap<String, bool>) -> &'a str {
    let name = series.split('{').next().unwrap();
    let parts = ["_bucket", "_sum", "_count"];
    let base = parts.iter().find_map(|part| name.strip_suffix(part)).filter(|base| families.contains_key(*base));
    base.unwrap_or(name)
}

#[tokio::test]
async fn every_number_is_described_and_every_described_number_is_there() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let (alice, shelf) = (buyers(&site, &mut conn, 1).await.remove(0), shelf(&mut conn, &[2]).await);
    let _catcher = site.mailcatcher(50).await;
    let (_gateway, server, worker) = (site.gateway().await, site.serve_only().await, site.worker().await);
    let mut client = Client::new(&[site.public], 0);

    let placed = alice.place(&mut client, "one", &order(&[(shelf[0], 2)])).await;
    assert_eq!(placed.status, 201);
    assert_eq!(alice.place(&mut client, "two", &order(&[(shelf[0], 1)])).await.status, 409);
    let path = placed.header("location").unwrap().to_owned();
    // What is tried is not counted.
    let tried =
        alice.post(&mut client, &format!("{path}/cancel?dry_run=true"), "try", r#"{"reason":"x"}"#).await.unwrap();
    assert_eq!(tried.status, 200, "{}", tried.text());
    let paying = alice.post(&mut client, &format!("{path}/payments"), "pay", r#"{"gateway":"mock"}"#).await.unwrap();
    let page = paying.json()["pay_url"].as_str().unwrap().to_owned();
    approve(&mut Client::new(&[site.gateway], 0), page.strip_prefix(&format!("http://{}", site.gateway)).unwrap())
        .await;
    until(&mut conn, "orders.orders WHERE status = 'confirmed'", 1).await;
    let cancelled = alice.post(&mut client, &format!("{path}/cancel"), "stop", r#"{"reason":"x"}"#).await.unwrap();
    assert_eq!(cancelled.status, 200, "{}", cancelled.text());
    until(&mut conn, "payments.refunds WHERE state = 'succeeded'", 1).await;
    let login = json!({ "login": "buyer0", "password": "correct horse battery staple" }).to_string();
    let json = [("content-type", "application/json")];
    assert_eq!(client.send("POST", "/v1/auth/login", &json, &login).await.unwrap().status, 200);
    until(&mut conn, "jobs.jobs WHERE state IN ('new', 'retried', 'in_progress')", 0).await;

    let (web, work) = (series(server.metrics().await).await, series(worker.metrics().await).await);
    let families = described();
    for name in web.keys().chain(work.keys()) {
        let family = family(name, &families);
        assert!(families.contains_key(family), "{name} is not in docs/metrics.md");
    }
    for (name, only_later) in &families {
        let is_there = web.keys().chain(work.keys()).any(|each| family(each, &families) == name);
        assert!(is_there || *only_later, "docs/metrics.md describes {name}, which is nowhere");
    }
    assert_eq!(web["oms_orders_placed_total{currency=\"EUR\"}"], 1.0);
    assert_eq!(web["oms_orders_value_minor_total{currency=\"EUR\"}"], 3998.0);
    assert_eq!(web["oms_orders_refused_total{reason=\"out_of_stock\"}"], 1.0);
    assert_eq!(web["oms_order_events_total{event=\"cancelled\"}"], 1.0, "the dry run was none");
    assert_eq!(web["oms_logins_total{outcome=\"succeeded\"}"], 1.0);
    assert_eq!(work["oms_payments_total{outcome=\"captured\"}"], 1.0);
    assert_eq!(work["oms_payments_captured_minor_total{currency=\"EUR\"}"], 3998.0);
    assert_eq!(work["oms_refunded_minor_total{currency=\"EUR\"}"], 3998.0);
    assert_eq!((web["oms_panics_total"], web["oms_database_up"], work["oms_database_up"]), (0.0, 1.0, 1.0));
    assert_eq!(work["oms_job_workers_alive"], work["oms_job_workers"]);
    let statuses = "http_server_request_duration_seconds_count{http_request_method=\"POST\",http_response_status_code=\"409\",http_route=\"/v1/orders\"}";
    assert_eq!(web[statuses], 1.0);
    assert!(web.len() + work.len() < SERIES, "{} and {} series", web.len(), work.len());
    println!("numbers: {} families, {} series of a server, {} of a worker", families.len(), web.len(), work.len());
}

/// A client that does not wait for its answer is counted all the same: it may be the one who waited longest.
#[tokio::test]
async fn who_hangs_up_is_counted() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_LOG", "info");
    let mut conn = database.connect().await;
    let (alice, shelf) = (buyers(&site, &mut conn, 1).await.remove(0), shelf(&mut conn, &[2]).await);
    let (gateway, server) = (site.gateway().await, site.serve_only().await);
    let placed = alice.place(&mut Client::new(&[site.public], 0), "one", &order(&[(shelf[0], 1)])).await;
    let path = format!("{}/payments", placed.header("location").unwrap());
    gateway.freeze();
    let mut client = Client::new(&[site.public], 0).patient_for(Duration::from_millis(500));
    alice.post(&mut client, &path, "pay", r#"{"gateway":"mock"}"#).await.unwrap_err();
    let hung_up = "http_server_request_duration_seconds_count{http_request_method=\"POST\",http_response_status_code=\"499\",http_route=\"/v1/orders/{id}/payments\"}";
    let began = Instant::now();
    while series(server.metrics().await).await.get(hung_up) != Some(&1.0) {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", series(server.metrics().await).await);
        sleep(Duration::from_millis(50)).await;
    }
    let lines = logs::lines(&server.log_text());
    assert!(lines.iter().any(|line| line.get("http.status").is_some_and(|status| status == 499)));
    gateway.thaw();
}

/// Whoever tries every operation in every wrong way fills nobody's Prometheus.
#[tokio::test]
async fn no_client_can_make_more_series_than_prometheus_is_to_keep() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let server = site.serve_only().await;
    let mut client = Client::new(&[site.public], 0);
    let document: serde_json::Value = serde_json::from_str(&read("openapi.json")).unwrap();
    let paths: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let mut asked = 0;
    for path in paths {
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "nonsense" } else { part }).collect::<Vec<_>>();
        let path = path.join("/");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            let long = "x".repeat(40_000);
            let oddities: [&[(&str, &str)]; 4] = [
                &[],
                &[("content-type", "text/plain")],
                &[("content-type", "application/json"), ("authorization", "Bearer x")],
                &[("x-long", &long)],
            ];
            for headers in oddities {
                client.send(method, &path, headers, "").await.unwrap();
                asked += 1;
            }
        }
    }
    let series = series(server.metrics().await).await;
    let count = series.len();
    assert!(count < SERIES, "{count} series after {asked} requests");
    assert!(series.keys().any(|name| name.contains("http_route=\"other\"")), "the rest is counted too");
    println!("numbers: {count} series after {asked} strange requests");
}
