//! Spans go to a collector when there is one, and a collector that is away costs nobody anything.

use std::time::{Duration, Instant};

use testkit::TestDatabase;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    journeys::arrange::{buyers, order, shelf},
    support::{
        client::Client,
        processes::{Site, free_address},
    },
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A collector that takes what comes and hands on the bytes of each request.
async fn collector() -> (String, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind(free_address()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, sender.clone()));
        }
    });
    (url, requests)
}

async fn take(mut stream: TcpStream, requests: mpsc::UnboundedSender<Vec<u8>>) {
    let mut bytes = Vec::new();
    loop {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let length = head.and_then(|end| {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            length.map(|length: usize| end + 4 + length)
        });
        if length.is_some_and(|length| bytes.len() >= length) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            drop(requests.send(std::mem::take(&mut bytes)));
        }
        let mut part = [0; 65_536];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
}

#[tokio::test]
async fn spans_of_requests_jobs_and_mails_are_sent_to_a_collector() {
    let database = TestDatabase::new().await;
    let (url, mut requests) = collector().await;
    let site = Site::new(database.url()).await.set("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let mut conn = database.connect().await;
    let (alice, shelf) = (buyers(&site, &mut conn, 1).await.remove(0), shelf(&mut conn, &[10]).await);
    let _catcher = site.mailcatcher(50).await;
    let (_gateway, _server, _worker) = (site.gateway().await, site.serve_only().await, site.worker().await);
    let (authorization, parent) = (format!("Bearer {}", alice.token), format!("00-{TRACE}-b7ad6b7169203331-01"));
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
        ("traceparent", parent.as_str()),
    ];
    let mut client = Client::new(&[site.public], 0);
    let answer = client.send("POST", "/v1/orders", &headers, &order(&[(shelf[0], 1)])).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let path = format!("{}/payments", answer.header("location").unwrap());
    let answer = client.send("POST", &path, &headers, r#"{"gateway":"mock"}"#).await.unwrap();
    assert_eq!(answer.status, 422, "the key belongs to the order");
    let headers = [headers[0], headers[1], ("idempotency-key", "k2"), headers[3]];
    let answer = client.send("POST", &path, &headers, r#"{"gateway":"mock"}"#).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());

    // Protobuf: names are in it as they are, the trace id as its sixteen bytes.
    let trace = hex::decode(TRACE).unwrap();
    let mut missing = vec![&b"POST /v1/orders"[..], b"orders.send_mail", b"send mail", b"gateway create"];
    let began = Instant::now();
    while !missing.is_empty() {
        let left = Duration::from_secs(60).saturating_sub(began.elapsed());
        let request =
            timeout(left, requests.recv()).await.unwrap_or_else(|_| panic!("{missing:?} never came")).unwrap();
        let has = |what: &[u8]| request.windows(what.len()).any(|part| part == what);
        assert!(request.starts_with(b"POST /v1/traces HTTP/1.1\r\n") && has(b"application/x-protobuf"));
        if has(&trace) {
            missing.retain(|name| !has(name));
        }
    }
}

/// Asks for something for seven seconds, which is longer than spans are gathered, and has the server stop.
async fn goes_on_with(collector: &str) {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector).set("OMS_LOG", "info");
    let mut server = site.serve_only().await;
    let mut client = Client::new(&[site.public], 0);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(7) {
        let asked = Instant::now();
        assert_eq!(client.send("GET", "/v1/products", &[], "").await.unwrap().status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1));
        sleep(Duration::from_millis(20)).await;
    }
    server.ask_to_stop();
    assert!(server.ended(Duration::from_secs(10)).await.success());
    let told = server.log_text().matches("the collector does not take our spans").count();
    assert!(told <= 1, "it is told once");
}

#[tokio::test]
async fn a_collector_that_is_away_costs_nobody_anything() {
    goes_on_with(&format!("http://{}", free_address())).await;
}

#[tokio::test]
async fn a_collector_that_says_nothing_costs_nobody_anything() {
    let listener = TcpListener::bind(free_address()).await.unwrap();
    goes_on_with(&format!("http://{}", listener.local_addr().unwrap())).await;
}
