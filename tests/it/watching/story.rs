//! One request id finds the whole story in the logs of all processes.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::TestDatabase;

use crate::{
    journeys::{
        arrange::{assert_sound, buyers, order, shelf, until},
        power_cuts::approve,
    },
    support::{client::Client, logs, processes::Site},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn one_request_id_finds_the_story_from_the_request_to_the_mail() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_LOG", "info");
    // Buyers reach us elsewhere than the gateway does, as between containers.
    let webhooks = format!("http://{}", site.public);
    let site = site.set("OMS_PUBLIC_URL", "http://shop.invalid").set("OMS_WEBHOOK_URL", &webhooks);
    let mut conn = database.connect().await;
    let (alice, shelf) = (buyers(&site, &mut conn, 1).await.remove(0), shelf(&mut conn, &[10]).await);
    let _catcher = site.mailcatcher(50).await;
    let processes = [site.gateway().await, site.serve_only().await, site.worker().await];
    let mut client = Client::new(&[site.public], 0);
    let (authorization, parent) = (format!("Bearer {}", alice.token), format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let mut send = async |path: &str, key: &str, id: &str, body: &str| {
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
            ("x-request-id", id),
            ("traceparent", parent.as_str()),
        ];
        let answer = client.send("POST", path, &headers, body).await.unwrap();
        assert_eq!((answer.status, answer.header("x-request-id")), (201, Some(id)), "{}", answer.text());
        answer
    };
    let placed = send("/v1/orders", "place", "story-of-an-order", &order(&[(shelf[0], 1)])).await;
    let path = format!("{}/payments", placed.header("location").unwrap());
    let paying = send(&path, "pay", "story-of-a-payment", r#"{"gateway":"mock"}"#).await.json();
    // The buyer's browser knows nothing of request ids.
    let page =
        paying["pay_url"].as_str().unwrap().strip_prefix(&format!("http://{}", site.gateway)).unwrap().to_owned();
    approve(&mut Client::new(&[site.gateway], 0), &page).await;
    until(&mut conn, "jobs.jobs WHERE kind = 'orders.send_mail' AND state = 'finished'", 2).await;

    let lines_of = |id: &str| {
        let mut story = Vec::new();
        for process in &processes {
            for line in logs::lines(&process.log_text()) {
                if line["request_id"] == id {
                    story.push((process.name.clone(), Value::Object(line)));
                }
            }
        }
        story
    };
    let order = lines_of("story-of-an-order");
    let told: Vec<String> = order.iter().map(|(process, line)| format!("{process}: {}", line["message"])).collect();
    for line in ["serve-only: \"request\"", "worker: \"mail sent\"", "worker: \"job done\""] {
        assert!(told.iter().any(|each| each == line), "{line} is not in {told:#?}");
    }
    let payment = lines_of("story-of-a-payment");
    let told: Vec<String> = payment
        .iter()
        .map(|(process, line)| {
            format!("{process}: {} {}", line["message"], line.get("http.route").unwrap_or(&Value::Null))
        })
        .collect();
    for line in [
        "serve-only: \"request\" \"/v1/orders/{id}/payments\"",
        "gateway: \"payment moved\" null",
        "serve-only: \"request\" \"/v1/webhooks/payments/{gateway}\"",
        "worker: \"webhook settled\" null",
        "worker: \"mail sent\" null",
    ] {
        assert!(told.iter().any(|each| each == line), "{line} is not in {told:#?}");
    }
    let processes_told: BTreeSet<&String> = payment.iter().map(|(process, _)| process).collect();
    assert!(payment.len() >= 5 && processes_told.len() >= 2, "{told:#?}");
    for (_, line) in order.iter().chain(&payment) {
        assert_eq!(line["trace_id"], TRACE, "{line}");
    }
    println!(
        "story: {} lines of the payment from {} processes, {} of the order",
        payment.len(),
        processes_told.len(),
        order.len()
    );
    assert_sound(&database, &[&site.book()]).await;
}
