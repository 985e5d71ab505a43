//! S-05: guessing is slow, and who knows gets in.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use crate::support::{answer::Answer, app::TestApp};

const SETTINGS: [(&str, &str); 2] = [("OMS_LOGIN_GUESSES", "5"), ("OMS_TRUSTED_PROXIES", "127.0.0.1")];
const PASSWORD: &str = "correct horse battery staple";
const HOME: &str = "198.51.100.7";

impl TestApp {
    async fn try_login(&self, name: &str, password: &str, from: &str) -> Answer {
        let body = json!({ "login": name, "password": password }).to_string();
        self.send(None, Method::POST, "/auth/login", &[("x-forwarded-for", from)], Some(body)).await
    }

    /// A guess every 300 ms, from another address each time; answers how many were looked at.
    async fn guess(&self, names: &[&str], times: usize) -> usize {
        let mut looked_at = 0;
        for number in 0..times {
            let from = format!("203.0.113.{}", number % 250);
            let answer = self.try_login(names[number % names.len()], "wrong horse", &from).await;
            match answer.status {
                401 => looked_at += 1,
                _ => {
                    answer.problem(429, "rate_limited");
                    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
                }
            }
            self.clock.advance(TimeDelta::milliseconds(300));
        }
        looked_at
    }
}

#[tokio::test]
async fn s_05_of_a_thousand_guesses_in_five_minutes_thirty_are_looked_at() {
    let app = TestApp::with(&SETTINGS).await;
    let alice = app.customer("alice").await;
    app.try_login("alice", PASSWORD, HOME).await.ok(200);

    // By both names of hers, from many addresses.
    let looked_at = app.guess(&["alice", "alice@example.com"], 1_000).await;
    println!("S-05: 1000 guesses in 5 min from 250 addresses: {looked_at} looked at");
    assert!((1..=30).contains(&looked_at), "{looked_at}");

    // She is let in meanwhile where she has been before, as often as she likes; elsewhere as soon as the guessing is over.
    for _ in 0..20 {
        app.try_login("alice", PASSWORD, HOME).await.ok(200);
    }
    app.guess(&["alice"], 3).await;
    app.try_login("alice", PASSWORD, "192.0.2.1").await.problem(429, "rate_limited");
    app.advance_minutes(1);
    app.try_login("alice", PASSWORD, "192.0.2.1").await.ok(200);
    // Nobody has been locked out for good, nor has anybody else noticed.
    app.customer("bob").await;
    app.log_in(&alice).await;
    app.finish().await;
}

#[tokio::test]
async fn s_05_one_guesser_leaves_room_for_everybody_else() {
    let app = TestApp::with(&SETTINGS).await;
    app.customer("alice").await;
    let mut looked_at = 0;
    for _ in 0..300 {
        looked_at += usize::from(app.try_login("alice", "wrong horse", "203.0.113.1").await.status == 401);
        app.clock.advance(TimeDelta::seconds(1));
    }
    assert!((5..=8).contains(&looked_at), "{looked_at}");
    app.try_login("alice", PASSWORD, "192.0.2.1").await.ok(200);
    // And the guesser's address is not good for many names either.
    let mut names = 0;
    for number in 0..80 {
        names +=
            usize::from(app.try_login(&format!("nobody{number}"), "wrong horse", "203.0.113.1").await.status == 401);
    }
    assert!(names <= 50, "{names}");
    app.finish().await;
}

#[tokio::test]
async fn s_05_whether_there_is_an_account_makes_no_difference() {
    let app = TestApp::with(&SETTINGS).await;
    app.customer("alice").await;
    for round in 0..12 {
        let from = format!("203.0.113.{}", round % 4);
        let (known, unknown) =
            (app.try_login("alice", "wrong horse", &from).await, app.try_login("nobody", "wrong horse", &from).await);
        assert_eq!(known.status, unknown.status, "{round}");
        assert_eq!(known.header("retry-after"), unknown.header("retry-after"), "{round}");
        assert_eq!(known.json()["detail"], unknown.json()["detail"], "{round}");
    }
    app.finish().await;
}

#[tokio::test]
async fn s_05_right_passwords_do_not_count() {
    let app = TestApp::with(&SETTINGS).await;
    app.customer("alice").await;
    for _ in 0..20 {
        app.try_login("alice", PASSWORD, HOME).await.ok(200);
    }
    for _ in 0..5 {
        app.try_login("alice", "wrong horse", HOME).await.problem(401, "invalid_credentials");
    }
    app.try_login("alice", PASSWORD, HOME).await.problem(429, "rate_limited");
    app.advance_minutes(2);
    app.try_login("alice", PASSWORD, HOME).await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn s_05_tokens_mails_and_the_present_password_have_limits_too() {
    let app = TestApp::with(&SETTINGS).await;
    let alice = app.customer("alice").await;
    let post = async |path: &str, body: serde_json::Value, from: &str| {
        app.send(None, Method::POST, path, &[("x-forwarded-for", from)], Some(body.to_string())).await.status
    };
    let token = "A".repeat(43);
    let count = async |path: &str, from: &str, body: serde_json::Value, status: u16| {
        let mut passed = 0;
        for _ in 0..80 {
            let answered = post(path, body.clone(), from).await;
            assert!([status, 429].contains(&answered), "{path}: {answered}");
            passed += usize::from(answered == status);
        }
        passed
    };
    assert_eq!(count("/auth/refresh", HOME, json!({ "refresh_token": token }), 401).await, 50);
    assert_eq!(count("/auth/forgot-password", HOME, json!({ "email": "alice@example.com" }), 202).await, 10);
    let elsewhere = "198.51.100.8";
    assert_eq!(count("/auth/resend-verification", elsewhere, json!({ "email": "bob@example.com" }), 202).await, 10);
    assert_eq!(post("/auth/forgot-password", json!({ "email": "carol@example.com" }), HOME).await, 429);
    assert_eq!(post("/auth/forgot-password", json!({ "email": "carol@example.com" }), "192.0.2.1").await, 202);
    let newcomer = json!({ "username": "alice", "email": "a@example.com", "password": "eleven purple lanterns" });
    assert_eq!(count("/auth/register", HOME, newcomer, 409).await, 50);
    let mut tries = 0;
    for _ in 0..10 {
        let body = json!({ "current_password": "wrong horse", "new_password": "another horse battery" });
        tries += usize::from(app.post(&alice, "/me/password", body).await.status == 403);
    }
    assert_eq!(tries, 5);
    app.finish().await;
}

#[tokio::test]
async fn s_05_who_can_read_their_mail_gets_in_while_others_guess() {
    let app = TestApp::with(&SETTINGS).await;
    let alice = app.customer("alice").await;
    let abroad = [("x-forwarded-for", "192.0.2.1")];
    app.guess(&["alice"], 50).await;
    app.try_login("alice", PASSWORD, "192.0.2.1").await.problem(429, "rate_limited");

    let body = json!({ "email": alice.address() }).to_string();
    app.send(None, Method::POST, "/auth/forgot-password", &abroad, Some(body)).await.ok(202);
    app.run_jobs().await;
    let mails = app.outbox.take();
    let token = mails.iter().find_map(|mail| mail.context["token"].as_str()).unwrap();
    let body = json!({ "token": token, "password": "eleven purple lanterns" }).to_string();
    app.send(None, Method::POST, "/auth/reset-password", &abroad, Some(body)).await.ok(204);
    app.guess(&["alice"], 5).await;
    app.try_login("alice", "eleven purple lanterns", "192.0.2.1").await.ok(200);
    app.finish().await;
}
