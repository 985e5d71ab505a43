//! What one process decides holds in the others: the doors of all of them look every second.

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use serde_json::json;
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::{
    journeys::arrange::{buyers, operator},
    support::{client::Client, processes::Site, shop::text},
};

#[tokio::test]
async fn s_06_a_decision_holds_in_every_process_within_two_seconds_and_a_new_key_at_once() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let (victims, ada) = (buyers(&site, &mut conn, 5).await, operator(&site, &mut conn).await);
    conn.batch_execute("UPDATE accounts.users SET role = 'admin' WHERE username = 'olga'").await.unwrap();
    let bearer = format!("Bearer {}", site.keys().token_for(ada.id, kernel::Role::Admin).unwrap());
    let (first, second) = (site.serve_only().await, site.another().await);
    let (mut here, mut there) = (Client::new(&[first.address()], 0), Client::new(&[second.address()], 0));
    let admin = [("authorization", bearer.as_str()), ("content-type", "application/json")];

    let mut slowest = Duration::ZERO;
    for victim in &victims {
        let theirs = format!("Bearer {}", victim.token);
        let theirs = [("authorization", theirs.as_str())];
        for client in [&mut here, &mut there] {
            assert_eq!(client.send("GET", "/v1/orders", &theirs, "").await.unwrap().status, 200);
        }
        let path = format!("/v1/admin/users/{}/disable", victim.id);
        let done = here.send("POST", &path, &admin, "{}").await.unwrap();
        let began = Instant::now();
        assert_eq!(done.status, 200, "{}", done.text());
        assert_eq!(here.send("GET", "/v1/orders", &theirs, "").await.unwrap().status, 401, "here at once");
        while there.send("GET", "/v1/orders", &theirs, "").await.unwrap().status != 401 {
            assert!(began.elapsed() < Duration::from_secs(2), "still let in after {:?}", began.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
        slowest = slowest.max(began.elapsed());
    }

    // A key that was made here opens there with the very first request.
    let mut revoked = Duration::ZERO;
    for number in 0..5 {
        let body = json!({ "name": format!("Key {number}"), "scopes": ["orders:read"] }).to_string();
        let made = here.send("POST", "/v1/api-keys", &admin, &body).await.unwrap().json();
        let key = format!("Bearer {}", text(&made, "key"));
        let key = [("authorization", key.as_str())];
        assert_eq!(there.send("GET", "/v1/orders", &key, "").await.unwrap().status, 200, "{number}");
        let path = format!("/v1/api-keys/{}", text(&made["api_key"], "id"));
        assert_eq!(here.send("DELETE", &path, &admin, "").await.unwrap().status, 204);
        let began = Instant::now();
        assert_eq!(here.send("GET", "/v1/orders", &key, "").await.unwrap().status, 401);
        while there.send("GET", "/v1/orders", &key, "").await.unwrap().status != 401 {
            assert!(began.elapsed() < Duration::from_secs(2), "still good after {:?}", began.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
        revoked = revoked.max(began.elapsed());
    }
    println!(
        "S-06: a disabled user is out of the other process after {slowest:.0?} at most, a revoked key after {revoked:.0?}"
    );
}
