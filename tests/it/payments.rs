//! Money that is held first and taken later, against the gateway's own program over HTTP.

use diesel_async::AsyncConnection;
use kernel::{Currency, Money, OrderId, PgConn};
use payments::{
    Applied, Attempt, AttemptState, CaptureMethod, CaptureOutcome, Gateway, GatewayError, PaymentError, VoidOutcome,
};
use serde_json::json;

use crate::support::app::TestApp;

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

impl TestApp {
    fn mock(&self) -> &dyn Gateway {
        self.wiring.gateways.get("mock").unwrap().as_ref()
    }

    async fn attempt(&self, attempt: &Attempt) -> Attempt {
        let mut conn = self.database.connect().await;
        payments::load_attempt(&mut conn, attempt.id).await.unwrap().unwrap()
    }

    /// A payment that the customer approved, of an order that nobody placed: here only the money counts.
    async fn held(&self, minor: i64) -> Attempt {
        self.is_made_up();
        let (order, at) = (OrderId::new(), self.now());
        let mut conn = self.database.connect().await;
        let attempt = payments::start(&mut conn, order, "mock", usd(minor), CaptureMethod::Manual, at).await.unwrap();
        let webhook = format!("{}/v1/webhooks/payments/mock", self.url);
        let opened = payments::open_at_gateway(self.mock(), &attempt, "Order", &webhook, None).await.unwrap();
        let attempt = payments::opened(&mut conn, attempt.id, &opened, at).await.unwrap();
        self.press(&json!({ "pay_url": attempt.pay_url }), "approve").await;
        self.run_jobs().await;
        let attempt = self.attempt(&attempt).await;
        assert_eq!((attempt.state, attempt.captured_minor), (AttemptState::Authorized, 0));
        attempt
    }

    /// Asks for this much to be captured; the attempt as it is then. The job that would send it is left to the test.
    async fn capturing(&self, attempt: &Attempt, minor: i64) -> Attempt {
        let mut conn = self.database.connect().await;
        payments::request_capture(&mut conn, attempt.order_id, minor, None, self.now()).await.unwrap();
        self.without_senders(&mut conn).await;
        self.attempt(attempt).await
    }

    async fn voiding(&self, attempt: &Attempt) -> Attempt {
        let mut conn = self.database.connect().await;
        payments::request_void(&mut conn, attempt.order_id, None, self.now()).await.unwrap();
        self.without_senders(&mut conn).await;
        self.attempt(attempt).await
    }

    async fn without_senders(&self, conn: &mut PgConn) {
        let sql = "DELETE FROM jobs.jobs WHERE kind IN ('payments.send_capture', 'payments.send_void')";
        assert_eq!(diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), conn).await.unwrap(), 1);
    }

    async fn capture_answer(&self, attempt: &Attempt, outcome: CaptureOutcome) -> Applied {
        let (mut conn, at) = (self.database.connect().await, self.now());
        conn.transaction(async |conn| payments::capture_answered(conn, attempt.id, outcome, at).await).await.unwrap()
    }

    async fn void_answer(&self, attempt: &Attempt, outcome: VoidOutcome) -> Applied {
        let (mut conn, at) = (self.database.connect().await, self.now());
        conn.transaction(async |conn| payments::void_answered(conn, attempt.id, outcome, at).await).await.unwrap()
    }

    /// Neither our ledger nor the gateway's book contradicts anything.
    async fn money_is_sound(&self) {
        self.run_jobs().await;
        let mut conn = self.database.connect().await;
        assert_eq!(payments::audit(&mut conn).await.unwrap(), vec![]);
        let later = self.now() + chrono::TimeDelta::hours(1);
        assert_eq!(payments::audit_book_at(&mut conn, self.mock(), later).await.unwrap(), vec![]);
    }
}

#[tokio::test]
async fn held_money_is_captured_in_whole_and_in_part_whoever_speaks_first() {
    let app = TestApp::new().await;
    for (minor, answer_first) in [(1_000, true), (400, true), (1_000, false), (400, false)] {
        let attempt = app.capturing(&app.held(1_000).await, minor).await;
        let outcome = payments::send_capture(app.mock(), &attempt).await;
        let captured = Applied::Captured { attempt: attempt.id, amount: usd(minor) };
        if answer_first {
            // The webhook is on its way, and nobody has settled it.
            assert_eq!(app.capture_answer(&attempt, outcome).await, captured);
            app.run_jobs().await;
        } else {
            app.run_jobs().await;
            assert_eq!(app.attempt(&attempt).await.state, AttemptState::Captured);
            assert_eq!(app.capture_answer(&attempt, outcome).await, Applied::AlreadyApplied);
        }
        let now = app.attempt(&attempt).await;
        assert_eq!((now.state, now.captured_minor, now.capturing_minor), (AttemptState::Captured, minor, 0));
        let mut conn = app.database.connect().await;
        let again = payments::request_capture(&mut conn, attempt.order_id, 1, None, app.now()).await;
        assert!(matches!(again, Err(PaymentError::CaptureExceedsAuthorized { capturable_minor: 0, .. })), "{again:?}");
    }
    app.money_is_sound().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_takes_nothing_twice() {
    let app = TestApp::new().await;
    let attempt = app.capturing(&app.held(1_000).await, 600).await;
    let lost = payments::send_capture(app.mock(), &attempt).await;
    assert!(matches!(lost, CaptureOutcome::Succeeded { .. }), "{lost:?}");
    let silence = CaptureOutcome::NoAnswer { why: "the cable was cut".into() };
    assert!(matches!(app.capture_answer(&attempt, silence).await, Applied::Ignored { .. }));
    let again = payments::send_capture(app.mock(), &attempt).await;
    assert_eq!(again, lost);
    app.capture_answer(&attempt, again).await;
    assert_eq!(app.attempt(&attempt).await.captured_minor, 600);
    assert_eq!(app.number("SELECT count(*) FROM gateway.captures").await, 1);
    app.money_is_sound().await;
}

#[tokio::test]
async fn a_hold_is_let_go_once_and_cannot_be_taken_afterwards() {
    let app = TestApp::new().await;
    let attempt = app.voiding(&app.held(1_000).await).await;
    let outcome = payments::send_void(app.mock(), &attempt).await;
    assert_eq!(payments::send_void(app.mock(), &attempt).await, outcome, "asked again, answered alike");
    assert_eq!(app.void_answer(&attempt, outcome).await, Applied::Voided { attempt: attempt.id });
    assert_eq!(app.attempt(&attempt).await.state, AttemptState::Voided);
    app.money_is_sound().await;

    // Released at the gateway behind our back: the capture is declined, and the webhook says why.
    let attempt = app.held(1_000).await;
    let (reference, asked) = (attempt.reference.clone().unwrap(), app.capturing(&attempt, 500).await);
    app.mock().void(&reference).await.unwrap();
    let outcome = payments::send_capture(app.mock(), &asked).await;
    assert!(matches!(outcome, CaptureOutcome::Failed { .. }), "{outcome:?}");
    app.capture_answer(&asked, outcome).await;
    app.run_jobs().await;
    let now = app.attempt(&attempt).await;
    assert_eq!((now.state, now.capturing_minor, now.captured_minor), (AttemptState::Voided, 0, 0));
    let captured = app.capturing(&app.held(1_000).await, 1_000).await;
    payments::send_capture(app.mock(), &captured).await;
    let refused = app.mock().void(captured.reference.as_deref().unwrap()).await;
    assert!(matches!(refused, Err(GatewayError::Refused(_))), "{refused:?}");
    app.money_is_sound().await;
}

#[tokio::test]
async fn a_hold_that_nobody_takes_ends_after_seven_days() {
    let app = TestApp::new().await;
    let attempt = app.held(1_000).await;
    app.clock.advance(gateway::AUTHORIZATION_LIFETIME);
    kernel::enqueue(&mut app.database.connect().await, &gateway::ExpirePayments {}).await.unwrap();
    app.run_jobs().await;
    let now = app.attempt(&attempt).await;
    assert_eq!((now.state, now.captured_minor), (AttemptState::Expired, 0));
    app.money_is_sound().await;
}
