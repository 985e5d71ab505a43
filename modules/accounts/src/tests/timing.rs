//! Nobody learns from the clock whether there is an account.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::{PASSWORD, TestApp};

/// A time that a tenth of the measurements stay below: other tests on the machine add to the rest.
fn undisturbed(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 10].as_secs_f64()
}

#[tokio::test]
async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        for (login, times) in [("alice", &mut known), ("nobody", &mut unknown)] {
            let start = Instant::now();
            app.login(login, "wrong password").await.is(401);
            times.push(start.elapsed());
        }
    }
    let (known, unknown) = (undisturbed(known), undisturbed(unknown));
    // On a quiet machine they are within a hundredth of each other; without a hash for nobody, unknown would be a tenth.
    assert!((known / unknown - 1.0).abs() < 0.5, "known {known} s, unknown {unknown} s");
    app.finish().await;
}

#[tokio::test]
async fn asking_for_a_mail_takes_as_long_for_everybody() {
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
