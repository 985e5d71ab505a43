//! Nobody learns from the clock whether there is an account.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::{PASSWORD, TestApp};

/// How many times each login is tried.
const TIMES: usize = 200;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// The medians for a known and an unknown user, in seconds. They are asked in turns, and each comes first as often as second.
async fn medians(app: &TestApp) -> (f64, f64) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..TIMES {
        let mut turns = [("alice", &mut known), ("nobody", &mut unknown)];
        if round % 2 == 1 {
            turns.reverse();
        }
        for (login, times) in turns {
            let start = Instant::now();
            app.login(login, "wrong password").await.is(401);
            times.push(start.elapsed());
        }
    }
    (median(known), median(unknown))
}

#[tokio::test]
async fn s_04_an_unknown_user_takes_as_long_as_a_wrong_password() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    // What else the machine does is chance, and differs from time to time; what we give away would be there every time. Without a
    // hash for nobody, the unknown user would take a tenth.
    let mut apart = Vec::new();
    for _ in 0..3 {
        let (known, unknown) = medians(&app).await;
        apart.push((known / unknown - 1.0).abs());
        println!(
            "S-04: medians of {TIMES}: known {:.2} ms, unknown {:.2} ms, {:.1} % apart",
            known * 1e3,
            unknown * 1e3,
            (known / unknown - 1.0).abs() * 100.0
        );
        if apart.last().is_some_and(|apart| *apart <= 0.1) {
            break;
        }
    }
    assert!(apart.iter().any(|apart| *apart <= 0.1), "{apart:?}");
    app.finish().await;
}

#[tokio::test]
async fn s_04_asking_for_a_mail_takes_as_long_for_everybody() {
    let app = TestApp::new().await;
    app.register("alice").await.is(201);
    for path in ["/auth/resend-verification", "/auth/forgot-password"] {
        for name in ["alice", "nobody"] {
            let start = Instant::now();
            app.post(path, json!({ "email": format!("{name}@example.com") })).await.is(202);
            assert!(start.elapsed() >= Duration::from_millis(100), "{path} {name}");
        }
    }
    app.login("alice", PASSWORD).await.is(403);
    app.finish().await;
}
