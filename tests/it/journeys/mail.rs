//! Registration does not wait for mail, and mail waits for its server.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep;

use super::arrange::{assert_sound, count};
use crate::support::{client::Client, processes::Site};

#[tokio::test]
async fn c_10_registration_answers_while_the_mail_server_is_away_and_the_mail_goes_out_when_it_is_back() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let server = site.serve_only().await;
    let _worker = site.worker().await;

    // Nobody listens where mail is taken.
    let mut client = Client::new(&[server.address()], 0);
    let body = json!({ "username": "alice", "email": "alice@example.com", "password": "correct horse battery staple" });
    let began = Instant::now();
    let headers = [("content-type", "application/json")];
    let answer = client.send("POST", "/v1/auth/register", &headers, &body.to_string()).await.unwrap();
    let took = began.elapsed();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let tried = "jobs.jobs WHERE kind = 'accounts.send_verification' AND attempt > 0 AND state = 'retried'";
    let began = Instant::now();
    while count(&mut conn, tried).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody tries to send the mail");
        sleep(Duration::from_millis(50)).await;
    }

    let _catcher = site.mailcatcher(10).await;
    let (mut window, began) = (Client::new(&[site.mail], 0), Instant::now());
    let mail = loop {
        let mails = window.send("GET", "/api/messages?to=alice@example.com", &[], "").await.unwrap().json();
        if let Some(mail) = mails["data"].get(0) {
            break mail.clone();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the mail never came");
        sleep(Duration::from_millis(50)).await;
    };
    println!(
        "C-10: registered in {took:?} without a mail server; the mail came {:?} after it was back",
        began.elapsed()
    );

    // The link in it is a good one.
    let link = mail["links"][0].as_str().unwrap();
    let path = link.strip_prefix(&format!("http://{}", site.public)).unwrap_or_else(|| panic!("{link}"));
    let shown = client.send("GET", path, &[], "").await.unwrap();
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert_sound(&database, &[]).await;
}
