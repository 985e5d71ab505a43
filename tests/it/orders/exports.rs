//! Orders as files: asked for, written in the background, fetched under a link.

use std::time::{Duration, Instant};

use accounts::{Hasher, Password, Username, admin};
use chrono::TimeDelta;
use kernel::{Clock, EmailAddress, Role, SystemClock};
use object_store::{ObjectStoreExt, path::Path};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestDatabase;

use super::crowd::{SELLERS, fill};
use crate::support::{
    answer::Answer,
    app::{Person, TestApp},
    client::Client,
    processes::{Process, Site},
    shop::text,
};

/// Reads comma-separated values as RFC 4180 says, without the code that wrote them.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quoted) {
            ('"', true) if letters.peek() == Some(&'"') => cell.extend(letters.next()),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) => {
                assert_eq!(letters.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (other, _) => cell.push(other),
        }
    }
    assert!(!quoted && cell.is_empty() && row.is_empty(), "the last row has no end");
    let width = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == width), "rows of different lengths");
    rows
}

/// The cells below a heading.
fn column(rows: &[Vec<String>], name: &str) -> Vec<String> {
    let at = rows[0].iter().position(|heading| heading == name).unwrap_or_else(|| panic!("no {name}"));
    rows[1..].iter().map(|row| row[at].clone()).collect()
}

async fn ask(app: &TestApp, person: &Person, key: &str, body: Value) -> Answer {
    app.command(person, "/admin/exports", key, body).await
}

async fn export(app: &TestApp, person: &Person, id: &str) -> Value {
    app.get(person, &format!("/admin/exports/{id}")).await.ok(200)
}

/// Fetches what is at a link, without a token in a header.
async fn fetch(app: &TestApp, url: &str) -> Answer {
    let path = url.strip_prefix(&format!("{}/v1", app.url)).unwrap();
    app.send(None, Method::GET, path, &[], None).await
}

/// Asks for a file, waits for it and fetches it.
async fn file(app: &TestApp, person: &Person, body: Value) -> (Value, Vec<Vec<String>>) {
    let asked = ask(app, person, &app.key(), body).await.ok(202);
    app.run_jobs().await;
    let export = export(app, person, &text(&asked, "id")).await;
    let answer = fetch(app, &text(&export, "download_url")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(export["size_bytes"].as_u64(), u64::try_from(answer.body.len()).ok());
    let rows = rows(&answer.text());
    assert_eq!(export["row_count"].as_u64(), u64::try_from(rows.len() - 1).ok());
    (export, rows)
}

#[tokio::test]
async fn an_operator_takes_orders_away_as_a_file() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().price(1_250).stock(100).create().await;
    let mut placed = Vec::new();
    for name in ["=HYPERLINK(\"http://evil\",\"Alice\")", "Bob, \"the\" Builder"] {
        let body = json!({ "lines": [{ "variant_id": shirt, "quantity": 2 }], "note": "two\nlines",
            "ship_to": { "name": name, "line1": "12 Hang Bac", "city": "Hanoi", "country": "VN", "phone": "+84901234567" } });
        placed.push(text(&app.command(&alice, "/orders", &app.key(), body).await.ok(201), "id"));
    }
    app.pay(&alice, &placed[0]).await;

    let key = app.key();
    let asked = ask(&app, &olga, &key, json!({ "what": "orders" })).await.ok(202);
    assert_eq!((asked["state"].as_str(), asked.get("download_url")), (Some("queued"), None));
    let again = ask(&app, &olga, &key, json!({ "what": "orders" })).await;
    assert_eq!((again.header("idempotency-replayed"), again.ok(202)), (Some("true"), asked.clone()));
    ask(&app, &olga, &key, json!({ "what": "lines" })).await.problem(422, "idempotency_key_reused");
    app.post(&olga, "/admin/exports", json!({ "what": "orders" })).await.problem(400, "idempotency_key_required");
    ask(&app, &alice, &app.key(), json!({ "what": "orders" })).await.problem(403, "forbidden");
    app.run_jobs().await;

    let done = export(&app, &olga, &text(&asked, "id")).await;
    assert_eq!((done["state"].as_str(), done["row_count"].as_i64()), (Some("done"), Some(2)), "{done}");
    let answer = fetch(&app, &text(&done, "download_url")).await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let name = answer.header("content-disposition").unwrap();
    assert!(name.starts_with("attachment; filename=\"orders-") && name.ends_with(".csv\""), "{name}");
    let rows = rows(&answer.text());
    assert_eq!(column(&rows, "id"), [placed[1].clone(), placed[0].clone()], "newest first");
    assert_eq!(column(&rows, "total"), ["25.00", "25.00"]);
    assert_eq!(column(&rows, "captured"), ["0.00", "25.00"]);
    assert_eq!(column(&rows, "currency"), ["USD", "USD"]);
    assert_eq!(column(&rows, "note"), ["two\nlines", "two\nlines"]);
    assert_eq!(column(&rows, "phone"), ["'+84901234567", "'+84901234567"]);
    assert_eq!(column(&rows, "recipient"), ["Bob, \"the\" Builder", "'=HYPERLINK(\"http://evil\",\"Alice\")"]);

    let (_, confirmed) = file(&app, &olga, json!({ "what": "lines", "filter": { "status": "confirmed" } })).await;
    assert_eq!(column(&confirmed, "order_id"), [placed[0].clone()]);
    assert_eq!(
        (column(&confirmed, "quantity"), column(&confirmed, "total")),
        (vec!["2".to_owned()], vec!["25.00".to_owned()])
    );
    let (_, none) = file(&app, &olga, json!({ "what": "orders", "filter": { "tag": "nobody" } })).await;
    assert_eq!(none.len(), 1, "a header and nothing below it");
    assert_eq!(app.get(&olga, "/admin/exports").await.ok(200)["data"].as_array().unwrap().len(), 3);
    app.finish().await;
}

#[tokio::test]
async fn a_link_opens_one_file_for_a_day() {
    let app = TestApp::new().await;
    let (olga, ada) = (app.operator().await, app.admin().await);
    let (one, _) = file(&app, &olga, json!({ "what": "orders" })).await;
    let (other, _) = file(&app, &olga, json!({ "what": "lines" })).await;
    let (id, url) = (text(&one, "id"), text(&one, "download_url"));
    app.get(&ada, &format!("/admin/exports/{id}")).await.problem(404, "not_found");
    assert_eq!(app.get(&ada, "/admin/exports").await.ok(200)["data"], json!([]));
    let token = url.split_once("token=").unwrap().1;
    let last = if token.ends_with('0') { '1' } else { '0' };
    for path in [
        format!("/exports/{id}/file"),
        format!("/exports/{id}/file?token=0"),
        format!("/exports/{id}/file?token={}{last}", &token[..token.len() - 1]),
        format!("/exports/{id}/file?token={}", text(&other, "download_url").split_once("token=").unwrap().1),
        format!("/exports/{}/file?token={token}", text(&other, "id")),
    ] {
        app.send(None, Method::GET, &path, &[], None).await.problem(404, "not_found");
    }
    // The route of pictures shows nothing of it.
    for name in [format!("exports/{id}.csv"), format!("exports%2F{id}.csv"), format!("{id}.csv")] {
        let answer = app.send(None, Method::GET, &format!("/media/{name}"), &[], None).await;
        assert!(matches!(answer.status, 400 | 404), "{name}: {}", answer.status);
    }
    // Pictures that nothing shows are swept; this is none.
    let path = Path::from(format!("exports/{id}.csv"));
    let mut conn = app.database.connect().await;
    catalog::media::sweep(&mut conn, &app.wiring.media, app.now() + TimeDelta::hours(48)).await.unwrap();
    assert_eq!(fetch(&app, &url).await.status, 200);

    app.clock.advance(TimeDelta::hours(24));
    fetch(&app, &url).await.problem(404, "not_found");
    assert_eq!(export(&app, &olga, &id).await.get("download_url"), None);
    assert!(app.wiring.media.head(&path).await.is_ok());
    kernel::enqueue(&mut conn, &sweep()).await.unwrap();
    app.run_jobs().await;
    assert_eq!(export(&app, &olga, &id).await["state"], "expired");
    assert!(matches!(app.wiring.media.head(&path).await, Err(object_store::Error::NotFound { .. })));
    app.finish().await;
}

fn sweep() -> orders::SweepExports {
    orders::SweepExports {}
}

#[tokio::test]
async fn an_export_that_is_run_twice_is_the_same_file() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    fill(&app, 4_500).await;
    let asked =
        ask(&app, &olga, &app.key(), json!({ "what": "lines", "filter": { "business_id": SELLERS[1] } })).await.ok(202);
    let id = text(&asked, "id");
    // What is placed behind it is not in it, whenever it is written.
    let shirt = app.variant().create().await;
    app.place(&alice, &[(&shirt, 1)]).await;
    app.run_jobs().await;
    let path = Path::from(format!("exports/{id}.csv"));
    let first = app.wiring.media.get(&path).await.unwrap().bytes().await.unwrap();
    // As if the worker had died between the file and the word that it is there.
    let mut conn = app.database.connect().await;
    let sql = "UPDATE orders.exports SET state = 'running', row_count = NULL, size_bytes = NULL, expires_at = NULL";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut conn).await.unwrap();
    kernel::enqueue(&mut conn, &orders::RunExport { export_id: id.parse().unwrap() }).await.unwrap();
    app.run_jobs().await;
    assert_eq!(app.wiring.media.get(&path).await.unwrap().bytes().await.unwrap(), first);
    let rows = rows(std::str::from_utf8(&first).unwrap());
    let expected = app.number(&format!("SELECT count(*) FROM orders.lines WHERE business_id = '{}'", SELLERS[1])).await;
    assert_eq!(i64::try_from(rows.len() - 1).unwrap(), expected);
    assert!(column(&rows, "business_id").iter().all(|business| business == SELLERS[1]), "no other seller's lines");
    let held = ask(&app, &olga, &app.key(), json!({ "what": "orders", "filter": { "on_hold": true } })).await.ok(202);
    app.run_jobs().await;
    let held = fetch(&app, &text(&export(&app, &olga, &text(&held, "id")).await, "download_url")).await;
    assert!(held.text().contains(",'=cmd|looks odd,"));
}

/// The most memory a process has had so far, in kilobytes.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_orders_are_written_in_time_and_in_little_memory() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_JOB_LEASE_SECONDS", "3");
    let mut conn = database.connect().await;
    super::crowd::fill_into(&mut conn, 100_000).await;
    let hash = Hasher::default().hash(&Password::parse("correct horse battery staple").unwrap()).await.unwrap();
    let (name, email) = (Username::parse("olga").unwrap(), EmailAddress::parse("olga@example.com").unwrap());
    let olga =
        admin::create_user(&mut conn, &name, &email, &hash, Role::Operator, true, SystemClock.now()).await.unwrap();
    let bearer = format!("Bearer {}", site.keys().token_for(olga.id, olga.role).unwrap());
    let (_server, mut worker) = (site.serve_only().await, site.worker().await);
    let mut client = Client::new(&[site.public], 0);

    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut ask = async |name: &str, body: Value| {
        let headers = [headers.as_slice(), &[("idempotency-key", name)]].concat();
        let asked = client.send("POST", "/v1/admin/exports", &headers, &body.to_string()).await.unwrap();
        assert_eq!(asked.status, 202, "{}", asked.text());
        text(&asked.json(), "id")
    };
    let mut looker = Client::new(&[site.public], 0);
    let mut until = async |id: &str, state: &str| loop {
        let answer = looker.send("GET", &format!("/v1/admin/exports/{id}"), &headers, "").await.unwrap();
        let export = answer.json();
        match export["state"].as_str().unwrap() {
            found if found == state => return export,
            "queued" | "running" => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}: {export}"),
        }
    };
    // The first one warms the worker up.
    let small = ask("small", json!({ "what": "lines", "filter": { "tag": "fragile" } })).await;
    until(&small, "done").await;
    let mut lines = Vec::new();
    for (what, count, seconds) in [("orders", 100_000, 30), ("lines", 200_000, 60)] {
        let (before, began) = (peak(&worker), Instant::now());
        let id = ask(what, json!({ "what": what })).await;
        let export = until(&id, "done").await;
        // The kernel counts for each processor and adds up roughly: a peak that has not grown may be a little lower.
        let (took, grown) = (began.elapsed(), peak(&worker).saturating_sub(before));
        let size = export["size_bytes"].as_u64().unwrap() / 1024;
        println!("{what}: {count} rows, {size} kB in {took:?}; {grown} kB more memory at the peak");
        assert_eq!(export["row_count"].as_i64(), Some(count));
        assert!(took < Duration::from_secs(seconds), "{what} took {took:?}");
        assert!(grown < 24 * 1024 && size > 28 * 1024, "{what}: {grown} kB more for a file of {size} kB");
        lines = std::fs::read(site.media().join(format!("exports/{id}.csv"))).unwrap();
    }
    // A worker that dies in the middle leaves nothing to be read, and the next one writes the same file.
    let id = ask("again", json!({ "what": "lines" })).await;
    let file = site.media().join(format!("exports/{id}.csv"));
    until(&id, "running").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    worker.kill();
    let export = until(&id, "running").await;
    assert!(!file.exists() && export.get("download_url").is_none(), "{export}");
    worker.start().await;
    until(&id, "done").await;
    assert!(std::fs::read(file).unwrap() == lines, "another file");
}
