//! Money that is held first and taken later: once, for at most what is held, whoever speaks first.

use diesel_async::AsyncConnection;
use kernel::{OrderId, PgConn};

use super::support::{House, answer, authorized, authorized_as, captured_as, failed, noon, permutations, usd};
use crate::{
    Applied, AttemptState, CaptureMethod, CaptureOutcome, PaymentError, PaymentView, VoidOutcome, load_attempt, opened,
    request_capture, request_refund, request_void, send_capture, send_void, start,
    testing::{Asked, Reaction, ScriptedGateway},
};

#[tokio::test]
async fn an_approved_payment_is_held_and_counts_as_such() {
    let house = House::new().await;
    let attempt = house.authorized(usd(1_000)).await;
    assert_eq!((attempt.state, attempt.capturable_minor()), (AttemptState::Authorized, 1_000));
    let sums = house.sums(attempt.order_id).await;
    assert_eq!((sums.authorized_minor, sums.capturing_minor, sums.captured_minor), (1_000, 0, 0));
    assert!(sums.in_flight);
    let again = house.event(&authorized(&attempt)).await;
    assert_eq!(house.settle(again).await, Applied::AlreadyApplied);
    assert_eq!(house.count("payments.transactions WHERE kind = 'authorization'").await, 1);
    let view = PaymentView::from(&attempt);
    assert_eq!((view.authorized, view.capturing, view.captured, view.pay_url), (Some(usd(1_000)), None, None, None));
    house.sound().await;
}

#[tokio::test]
async fn a_capture_is_sent_with_its_id_and_settled_by_the_answer() {
    let house = House::new().await;
    let gateway = ScriptedGateway::new("mock");
    for (share, number) in [(1_000, 1), (400, 2)] {
        let attempt = house.capturing(&house.authorized(usd(1_000)).await, share).await;
        let sums = house.sums(attempt.order_id).await;
        assert_eq!((sums.authorized_minor, sums.capturing_minor, sums.captured_minor), (0, share, 0));
        let job = "jobs.jobs WHERE kind = 'payments.send_capture' AND queue = 'urgent' AND max_attempts = 100";
        assert_eq!(house.count(job).await, number);

        let loaded = load_attempt(&mut house.pool.get().await.unwrap(), attempt.id).await.unwrap().unwrap();
        assert_eq!(loaded, attempt);
        let outcome = send_capture(&gateway, &loaded).await;
        let applied = house.capture_answer(attempt.id, outcome.clone()).await;
        assert_eq!(applied, Applied::Captured { attempt: attempt.id, amount: usd(share) });
        assert_eq!(house.capture_answer(attempt.id, outcome).await, Applied::AlreadyApplied);
        let webhook = house.event(&captured_as(&attempt, usd(share))).await;
        assert_eq!(house.settle(webhook).await, Applied::AlreadyApplied);

        let sums = house.sums(attempt.order_id).await;
        assert_eq!((sums.authorized_minor, sums.capturing_minor, sums.captured_minor), (0, 0, share));
        assert!(!sums.in_flight);
        assert!(matches!(gateway.log().last(), Some(Asked::Capture(it)) if Some(it.capture_id) == attempt.capture_id
            && Some(&it.payment_reference) == attempt.reference.as_ref() && it.amount == usd(share)));
        let view = PaymentView::from(&house.attempt(attempt.id).await);
        assert_eq!((view.authorized, view.capturing, view.captured), (None, None, Some(usd(share))));
    }
    house.sound().await;
}

#[tokio::test]
async fn what_is_captured_is_not_captured_again() {
    let house = House::new().await;
    let gateway = ScriptedGateway::new("mock");
    let attempt = house.capturing(&house.authorized(usd(1_000)).await, 300).await;
    let mut conn = house.pool.get().await.unwrap();
    let nothing = |refused| matches!(refused, Err(PaymentError::CaptureExceedsAuthorized { capturable_minor: 0, .. }));
    assert!(nothing(request_capture(&mut conn, attempt.order_id, 1, None, noon()).await), "one is under way");
    let named = request_capture(&mut conn, attempt.order_id, 1, Some(attempt.id), noon()).await;
    assert!(matches!(named, Err(PaymentError::NotAuthorized(id)) if id == attempt.id));
    house.capture_answer(attempt.id, send_capture(&gateway, &attempt).await).await;
    assert!(nothing(request_capture(&mut conn, attempt.order_id, 1, None, noon()).await), "the rest was let go");
    let done = house.attempt(attempt.id).await;
    assert_eq!(send_capture(&gateway, &done).await, CaptureOutcome::NotWanted);
    assert_eq!(house.capture_answer(attempt.id, CaptureOutcome::NotWanted).await, Applied::AlreadyApplied);
    assert_eq!(gateway.log().len(), 1);
    let refunds = request_refund(&mut conn, attempt.order_id, 301, None, "test", noon()).await;
    assert!(matches!(refunds, Err(PaymentError::RefundExceedsCaptured { refundable_minor: 300, .. })));
    house.sound().await;
}

#[tokio::test]
async fn captures_take_the_oldest_payment_first_or_the_named_one() {
    let house = House::new().await;
    let order = OrderId::new();
    let old = house.authorized_of(order, usd(300)).await;
    let new = house.authorized_of(order, usd(200)).await;
    let mut conn = house.pool.get().await.unwrap();
    let more = request_capture(&mut conn, order, 501, None, noon()).await;
    assert!(matches!(more, Err(PaymentError::CaptureExceedsAuthorized { asked_minor: 501, capturable_minor: 500 })));
    let named = request_capture(&mut conn, order, 201, Some(new.id), noon()).await;
    assert!(matches!(named, Err(PaymentError::CaptureExceedsAuthorized { capturable_minor: 200, .. })));
    for nothing in [0, -1] {
        let refused = request_capture(&mut conn, order, nothing, None, noon()).await;
        assert!(matches!(refused, Err(PaymentError::AmountNotPositive)));
    }
    let stranger = house.authorized(usd(300)).await;
    let others = request_capture(&mut conn, order, 1, Some(stranger.id), noon()).await;
    assert!(matches!(others, Err(PaymentError::UnknownAttempt(id)) if id == stranger.id));
    let others = request_void(&mut conn, order, Some(stranger.id), noon()).await;
    assert!(matches!(others, Err(PaymentError::UnknownAttempt(id)) if id == stranger.id));

    assert_eq!(request_capture(&mut conn, order, 350, None, noon()).await.unwrap(), 350);
    assert_eq!(house.attempt(old.id).await.capturing_minor, 300);
    assert_eq!(house.attempt(new.id).await.capturing_minor, 50);
    assert_eq!(house.count("jobs.jobs WHERE kind = 'payments.send_capture'").await, 2);
    house.sound().await;
}

#[tokio::test]
async fn a_declined_capture_gives_its_promise_back_and_can_be_asked_for_again() {
    let house = House::new().await;
    let gateway = ScriptedGateway::new("mock");
    gateway.then(Reaction::Refuse("not today".into()));
    let attempt = house.capturing(&house.authorized(usd(1_000)).await, 400).await;
    let declined = send_capture(&gateway, &attempt).await;
    let applied = house.capture_answer(attempt.id, declined.clone()).await;
    assert_eq!(applied, Applied::CaptureFailed { attempt: attempt.id, reason: "not today".into() });
    assert_eq!(house.capture_answer(attempt.id, declined.clone()).await, Applied::AlreadyApplied);
    let sums = house.sums(attempt.order_id).await;
    assert_eq!((sums.authorized_minor, sums.capturing_minor), (1_000, 0));
    let failures = "payments.transactions WHERE kind = 'failure' AND amount_minor = 400 AND detail LIKE '%not today'";
    assert_eq!(house.count(failures).await, 1);

    let again = house.capturing(&attempt, 1_000).await;
    assert_ne!(again.capture_id, attempt.capture_id);
    assert_eq!(house.count("jobs.jobs WHERE kind = 'payments.send_capture'").await, 2);
    // The late word about the first one is not about the second.
    assert_eq!(house.capture_answer(attempt.id, declined.clone()).await, Applied::AlreadyApplied);
    assert_eq!(house.attempt(attempt.id).await.capturing_minor, 1_000);
    let applied = house.capture_answer(attempt.id, send_capture(&gateway, &again).await).await;
    assert_eq!(applied, Applied::Captured { attempt: attempt.id, amount: usd(1_000) });
    assert!(matches!(house.capture_answer(attempt.id, declined).await, Applied::Ignored { .. }));
    house.sound().await;
}

/// A capture's life: an answer that was lost, the answer, the webhook, the webhook again, a decline that came too late.
#[tokio::test]
async fn every_order_of_a_captures_news_ends_the_same() {
    let house = House::new().await;
    let mut ends = Vec::new();
    for order in permutations(4) {
        let attempt = house.capturing(&house.authorized(usd(1_000)).await, 600).await;
        let gateway = ScriptedGateway::new("mock");
        for step in order {
            match step {
                0 => {
                    gateway.then(Reaction::StaySilent);
                    let silence = send_capture(&gateway, &attempt).await;
                    assert!(matches!(house.capture_answer(attempt.id, silence).await, Applied::Ignored { .. }));
                }
                1 => drop(house.capture_answer(attempt.id, send_capture(&gateway, &attempt).await).await),
                _ => drop(house.settle(house.event(&captured_as(&attempt, usd(600))).await).await),
            }
        }
        let asked = gateway.log();
        assert!(asked.windows(2).all(|pair| pair[0] == pair[1]), "the same key every time: {asked:?}");
        let attempt = house.attempt(attempt.id).await;
        let captures = format!(
            "payments.transactions WHERE kind = 'capture' AND amount_minor = 600 AND attempt_id = '{}'",
            attempt.id
        );
        ends.push((attempt.state, attempt.captured_minor, attempt.capturing_minor, house.count(&captures).await));
    }
    assert!(ends.iter().all(|end| *end == (AttemptState::Captured, 600, 0, 1)), "{ends:?}");
    house.sound().await;
}

/// A hold's life: our own call's answer, the hold, the same under another webhook id, and how it ended.
#[tokio::test]
async fn every_order_of_a_holds_news_ends_the_same() {
    let house = House::new().await;
    for (last, end, captured_minor) in [
        ("voided", AttemptState::Voided, 0),
        ("expired", AttemptState::Expired, 0),
        ("captured", AttemptState::Captured, 1_000),
    ] {
        for order in permutations(4) {
            let mut conn = house.pool.get().await.unwrap();
            let attempt =
                start(&mut conn, OrderId::new(), "mock", usd(1_000), CaptureMethod::Manual, noon()).await.unwrap();
            for &step in &order {
                let body = match (step, last) {
                    (0, _) => {
                        opened(&mut conn, attempt.id, &answer(attempt.id), noon()).await.unwrap();
                        continue;
                    }
                    (3, "captured") => captured_as(&attempt, usd(1_000)),
                    (3, status) => failed(&attempt, status),
                    _ => authorized(&attempt),
                };
                house.settle(house.event(&body).await).await;
            }
            drop(conn);
            let now = house.attempt(attempt.id).await;
            assert_eq!((now.state, now.captured_minor), (end, captured_minor), "{last}: {order:?}");
            assert!(!house.sums(attempt.order_id).await.in_flight, "{last}: {order:?}");
        }
    }
    house.sound().await;
}

#[tokio::test]
async fn another_amount_than_was_asked_for_is_recorded_as_what_it_is() {
    let house = House::new().await;
    // Asked for 600 and got 500; nobody asked, and it was all; nobody asked, and it was a part.
    for (asked, came, exact) in [(600, 500, false), (600, 600, true), (0, 1_000, true), (0, 400, false)] {
        let mut attempt = house.authorized(usd(1_000)).await;
        if asked > 0 {
            attempt = house.capturing(&attempt, asked).await;
        }
        let event = house.event(&captured_as(&attempt, usd(came))).await;
        match house.settle(event).await {
            Applied::Captured { amount, .. } => assert!(exact && amount == usd(came)),
            other => assert!(!exact && matches!(other, Applied::Mismatch { .. }), "{other:?}"),
        }
        let sums = house.sums(attempt.order_id).await;
        assert_eq!((sums.captured_minor, sums.capturing_minor, sums.authorized_minor), (came, 0, 0));
    }
    let pending = house.pending(usd(1_000)).await;
    for held in [usd(999), kernel::Money::new(1_000, kernel::Currency::EUR)] {
        let event = house.event(&authorized_as(&pending, held)).await;
        assert!(matches!(house.settle(event).await, Applied::Mismatch { .. }));
    }
    assert_eq!(house.attempt(pending.id).await.state, AttemptState::Pending, "what nobody asked for is not taken");
    house.sound().await;
}

#[tokio::test]
async fn money_that_is_let_go_is_neither_held_nor_taken() {
    let house = House::new().await;
    let gateway = ScriptedGateway::new("mock");
    gateway.then(Reaction::StaySilent);
    let attempt = house.voiding(&house.authorized(usd(1_000)).await).await;
    assert_eq!(house.count("jobs.jobs WHERE kind = 'payments.send_void' AND queue = 'urgent'").await, 1);
    assert_eq!(house.sums(attempt.order_id).await.authorized_minor, 0, "it can be captured no more");
    let mut conn = house.pool.get().await.unwrap();
    assert_eq!(request_void(&mut conn, attempt.order_id, None, noon()).await.unwrap(), []);
    let again = request_void(&mut conn, attempt.order_id, Some(attempt.id), noon()).await;
    assert!(matches!(again, Err(PaymentError::NotAuthorized(id)) if id == attempt.id));

    let silence = send_void(&gateway, &attempt).await;
    assert!(matches!(house.void_answer(attempt.id, silence).await, Applied::Ignored { .. }));
    let outcome = send_void(&gateway, &attempt).await;
    assert_eq!(outcome, VoidOutcome::Succeeded);
    assert_eq!(house.void_answer(attempt.id, outcome.clone()).await, Applied::Voided { attempt: attempt.id });
    assert_eq!(house.void_answer(attempt.id, outcome).await, Applied::AlreadyApplied);
    let webhook = house.event(&failed(&attempt, "voided")).await;
    assert_eq!(house.settle(webhook).await, Applied::AlreadyApplied);
    let sums = house.sums(attempt.order_id).await;
    assert_eq!((sums.authorized_minor, sums.captured_minor, sums.voided, sums.in_flight), (0, 0, true, false));
    let done = house.attempt(attempt.id).await;
    assert_eq!((done.state, done.voiding), (AttemptState::Voided, false));
    assert_eq!(send_void(&gateway, &done).await, VoidOutcome::NotWanted);
    assert_eq!(house.count("payments.transactions WHERE kind = 'void'").await, 1);
    house.sound().await;
}

#[tokio::test]
async fn a_void_by_webhook_needs_no_answer_and_a_declined_one_leaves_the_money_held() {
    let house = House::new().await;
    let attempt = house.voiding(&house.authorized(usd(1_000)).await).await;
    let webhook = house.event(&failed(&attempt, "voided")).await;
    assert_eq!(house.settle(webhook).await, Applied::Voided { attempt: attempt.id });
    assert_eq!(house.void_answer(attempt.id, VoidOutcome::Succeeded).await, Applied::AlreadyApplied);

    let attempt = house.voiding(&house.authorized(usd(1_000)).await).await;
    let declined = VoidOutcome::Failed { reason: "no".into() };
    let applied = house.void_answer(attempt.id, declined.clone()).await;
    assert_eq!(applied, Applied::VoidFailed { attempt: attempt.id, reason: "no".into() });
    assert_eq!(house.void_answer(attempt.id, declined).await, Applied::AlreadyApplied);
    assert_eq!(house.sums(attempt.order_id).await.authorized_minor, 1_000);
    let attempt = house.capturing(&attempt, 1_000).await;
    let mut conn = house.pool.get().await.unwrap();
    let other = house.authorized_of(attempt.order_id, usd(300)).await;
    let asked = request_void(&mut conn, attempt.order_id, None, noon()).await.unwrap();
    assert_eq!(asked, [other.id], "the capture of the first is under way");
    let gateway = ScriptedGateway::new("mock");
    house.capture_answer(attempt.id, send_capture(&gateway, &attempt).await).await;
    assert!(matches!(house.void_answer(attempt.id, VoidOutcome::Succeeded).await, Applied::Ignored { .. }));
    assert_eq!(house.attempt(attempt.id).await.state, AttemptState::Captured, "what was taken is not let go");
    house.sound().await;
}

#[tokio::test]
async fn a_hold_whose_time_is_over_ends_whatever_was_under_way() {
    let house = House::new().await;
    let gateway = ScriptedGateway::new("mock");
    for under_way in ["nothing", "a capture", "a void"] {
        let mut attempt = house.authorized(usd(1_000)).await;
        match under_way {
            "a capture" => attempt = house.capturing(&attempt, 400).await,
            "a void" => attempt = house.voiding(&attempt).await,
            _ => {}
        }
        let event = house.event(&failed(&attempt, "expired")).await;
        let over = Applied::Failed { attempt: attempt.id, reason: "expired".into() };
        assert_eq!(house.settle(event).await, over, "{under_way}");
        let now = house.attempt(attempt.id).await;
        assert_eq!((now.state, now.capturing_minor, now.voiding), (AttemptState::Expired, 0, false), "{under_way}");
        assert_eq!(send_capture(&gateway, &now).await, CaptureOutcome::NotWanted);
        let sums = house.sums(attempt.order_id).await;
        assert_eq!((sums.authorized_minor, sums.capturing_minor, sums.in_flight), (0, 0, false), "{under_way}");
        let late = house.event(&authorized(&attempt)).await;
        assert_eq!(house.settle(late).await, Applied::AlreadyApplied, "{under_way}");
    }
    house.sound().await;
}

#[tokio::test]
async fn m_08_fifty_parallel_captures_of_one_payment_are_one() {
    let house = House::new().await;
    let attempt = house.authorized(usd(1_000)).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (pool, id, order) = (house.pool.clone(), attempt.id, attempt.order_id);
            tokio::spawn(async move {
                let mut conn = pool.get().await.unwrap();
                let conn: &mut PgConn = &mut conn;
                let asked = conn.transaction(async |conn| request_capture(conn, order, 700, None, noon()).await).await;
                // Whoever was granted it and whoever was not: everybody sends what is under way, and hears the answer.
                let attempt = load_attempt(conn, id).await.unwrap().unwrap();
                let outcome = send_capture(&ScriptedGateway::new("mock"), &attempt).await;
                let applied = conn
                    .transaction(async |conn| crate::capture_answered(conn, id, outcome, noon()).await)
                    .await
                    .unwrap();
                (asked, applied)
            })
        })
        .collect();
    let (mut granted, mut captures) = (0, 0);
    for task in tasks {
        let (asked, applied) = task.await.unwrap();
        match asked {
            Ok(promised) => granted += i32::from(promised == 700),
            Err(PaymentError::CaptureExceedsAuthorized { capturable_minor: 0, .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        match applied {
            Applied::Captured { amount, .. } => captures += i32::from(amount == usd(700)),
            other => assert_eq!(other, Applied::AlreadyApplied),
        }
    }
    assert_eq!((granted, captures), (1, 1));
    assert_eq!(house.sums(attempt.order_id).await.captured_minor, 700);
    assert_eq!(house.count("payments.transactions WHERE kind = 'capture'").await, 1);
    assert_eq!(house.count("jobs.jobs WHERE kind = 'payments.send_capture'").await, 1);
    house.sound().await;
}

#[tokio::test]
async fn the_database_itself_refuses_two_things_at_once() {
    let house = House::new().await;
    let id = house.authorized(usd(1_000)).await.id;
    for bad in [
        "capturing_minor = 1001, capture_id = gen_random_uuid()",
        "capturing_minor = -1, capture_id = gen_random_uuid()",
        "capturing_minor = 5",
        "capturing_minor = 5, capture_id = gen_random_uuid(), voiding = true",
        "capturing_minor = 5, capture_id = gen_random_uuid(), state = 'expired'",
        "voiding = true, state = 'voided'",
        "capture_method = 'whenever'",
    ] {
        let sql = format!("UPDATE payments.attempts SET {bad} WHERE id = '{id}'");
        assert!(house.execute(&sql).await.is_err(), "{bad}");
    }
    house.sound().await;
}
