//! Webhooks become ledger lines: once, in any order, as what they are.

use kernel::{Currency, Money, OrderId};

use super::support::{House, answer, captured, captured_as, failed, noon, permutations, refund_news, settle, usd};
use crate::{
    Applied, AttemptState, CaptureMethod, EventId, PaymentError, RefundOutcome, opened, order_of_event, query, refused,
    request_refund, start, unanswered,
};

#[tokio::test]
async fn a_capture_makes_the_attempt_captured_and_names_its_order() {
    let house = House::new().await;
    let attempt = house.pending(usd(1_000)).await;
    let event = house.event(&captured(&attempt)).await;
    let order = order_of_event(&mut house.pool.get().await.unwrap(), event).await.unwrap();
    assert_eq!(order, Some(attempt.order_id));
    assert_eq!(house.settle(event).await, Applied::Captured { attempt: attempt.id, amount: usd(1_000) });
    let sums = house.sums(attempt.order_id).await;
    assert_eq!((sums.captured_minor, sums.in_flight, sums.currency_mismatch), (1_000, false, false));
    assert_eq!(house.settle(event).await, Applied::AlreadyApplied);
    house.sound().await;
}

#[tokio::test]
async fn fifty_parallel_duplicates_of_a_capture_are_one_capture() {
    let house = House::new().await;
    let attempt = house.pending(usd(1_000)).await;
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let event = house.event(&captured(&attempt)).await;
        let pool = house.pool.clone();
        tasks.push(tokio::spawn(async move {
            let mut conn = pool.get().await.unwrap();
            settle(&mut conn, event, noon()).await.unwrap()
        }));
    }
    let mut captures = 0;
    for task in tasks {
        match task.await.unwrap() {
            Applied::Captured { .. } => captures += 1,
            other => assert_eq!(other, Applied::AlreadyApplied),
        }
    }
    assert_eq!(captures, 1);
    assert_eq!(house.count("payments.transactions WHERE kind = 'capture'").await, 1);
    house.sound().await;
}

#[tokio::test]
async fn the_same_event_settled_by_fifty_workers_is_settled_once() {
    let house = House::new().await;
    let attempt = house.pending(usd(1_000)).await;
    let event = house.event(&captured(&attempt)).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let pool = house.pool.clone();
            tokio::spawn(async move { settle(&mut pool.get().await.unwrap(), event, noon()).await.unwrap() })
        })
        .collect();
    let mut captures = 0;
    for task in tasks {
        captures += usize::from(task.await.unwrap() != Applied::AlreadyApplied);
    }
    assert_eq!(captures, 1);
    house.sound().await;
}

/// A payment's life: our own call's answer, the capture, the same capture under another webhook id, a late "failed" and a
/// late "expired".
#[tokio::test]
async fn every_order_of_a_payments_life_ends_the_same() {
    let house = House::new().await;
    let mut ends = Vec::new();
    for order in permutations(5) {
        let mut conn = house.pool.get().await.unwrap();
        let attempt =
            start(&mut conn, OrderId::new(), "mock", usd(1_000), CaptureMethod::Automatic, noon()).await.unwrap();
        unanswered(&mut conn, attempt.id, noon()).await.unwrap();
        drop(conn);
        let bodies = [captured(&attempt), captured(&attempt), failed(&attempt, "failed"), failed(&attempt, "expired")];
        for step in order {
            match bodies.get(step) {
                Some(body) => {
                    let event = house.event(body).await;
                    house.settle(event).await;
                }
                None => {
                    let mut conn = house.pool.get().await.unwrap();
                    opened(&mut conn, attempt.id, &answer(attempt.id), noon()).await.unwrap();
                }
            }
        }
        let attempt = house.attempt(attempt.id).await;
        assert_eq!(
            house
                .count(&format!("payments.transactions WHERE kind = 'capture' AND attempt_id = '{}'", attempt.id))
                .await,
            1
        );
        ends.push((
            attempt.state,
            attempt.captured_minor,
            attempt.reference == Some(answer(attempt.id).reference),
            attempt.pay_url.is_some(),
        ));
    }
    assert_eq!(ends.len(), 120);
    assert!(ends.iter().all(|end| *end == (AttemptState::Captured, 1_000, true, true)), "{ends:?}");
    house.sound().await;
}

/// A refund's life: the webhook, its duplicate, a contradicting "failed", our own call's answer, and no answer at all.
#[tokio::test]
async fn every_order_of_a_refunds_life_ends_the_same() {
    let house = House::new().await;
    let mut ends = Vec::new();
    for order in permutations(5) {
        let attempt = house.captured(usd(1_000)).await;
        let mut conn = house.pool.get().await.unwrap();
        let refund = request_refund(&mut conn, attempt.order_id, 400, None, "test", noon()).await.unwrap()[0];
        drop(conn);
        let success = refund_news("refund.succeeded", &attempt, refund, usd(400));
        let decline = refund_news("refund.failed", &attempt, refund, usd(400));
        for step in order {
            match step {
                0 | 1 => drop(house.settle(house.event(&success).await).await),
                2 => drop(house.settle(house.event(&decline).await).await),
                3 => drop(
                    house.answer(refund, RefundOutcome::Succeeded { reference: Some(format!("ref-{refund}")) }).await,
                ),
                _ => drop(house.answer(refund, RefundOutcome::NoAnswer { why: "silence".into() }).await),
            }
        }
        let attempt = house.attempt(attempt.id).await;
        ends.push((
            attempt.refunded_minor,
            attempt.refunding_minor,
            house
                .count(&format!("payments.transactions WHERE kind = 'refund' AND attempt_id = '{}'", attempt.id))
                .await,
        ));
    }
    assert!(ends.iter().all(|end| *end == (400, 0, 1)), "{ends:?}");
    house.sound().await;
}

#[tokio::test]
async fn another_amount_is_recorded_as_what_it_is() {
    let house = House::new().await;
    for (came, captured_minor) in [(usd(999), 999), (usd(1_001), 1_001)] {
        let attempt = house.pending(usd(1_000)).await;
        let event = house.event(&captured_as(&attempt, came)).await;
        assert!(matches!(house.settle(event).await, Applied::Mismatch { attempt: id, .. } if id == attempt.id));
        assert_eq!(house.sums(attempt.order_id).await.captured_minor, captured_minor);
    }
    house.sound().await;
}

#[tokio::test]
async fn another_currency_is_recorded_and_counts_for_nothing_and_can_go_back() {
    let house = House::new().await;
    let attempt = house.pending(usd(1_000)).await;
    let event = house.event(&captured_as(&attempt, Money::new(1_000, Currency::EUR))).await;
    assert!(matches!(house.settle(event).await, Applied::Mismatch { .. }));
    let sums = house.sums(attempt.order_id).await;
    assert_eq!((sums.captured_minor, sums.currency_mismatch), (0, true));
    let mut conn = house.pool.get().await.unwrap();
    let refused = request_refund(&mut conn, attempt.order_id, 1, None, "test", noon()).await;
    assert!(matches!(refused, Err(PaymentError::RefundExceedsCaptured { refundable_minor: 0, .. })));
    let refund =
        crate::request_refund_of(&mut conn, attempt.id, "not what we asked for", noon()).await.unwrap().unwrap();
    let refund = crate::load_refund(&mut conn, refund).await.unwrap().unwrap();
    assert_eq!(refund.amount, Money::new(1_000, Currency::EUR));
    assert_eq!(crate::request_refund_of(&mut conn, attempt.id, "again", noon()).await.unwrap(), None);
    house.sound().await;
}

#[tokio::test]
async fn late_money_is_believed_after_a_decline() {
    let house = House::new().await;
    for status in ["failed", "expired", "voided"] {
        let attempt = house.pending(usd(500)).await;
        let event = house.event(&failed(&attempt, status)).await;
        let expected = match status {
            "voided" => Applied::Voided { attempt: attempt.id },
            _ => Applied::Failed { attempt: attempt.id, reason: status.to_owned() },
        };
        assert_eq!(house.settle(event).await, expected);
        assert_eq!(house.attempt(attempt.id).await.state.as_str(), status);
        assert_eq!(house.sums(attempt.order_id).await.voided, status == "voided");
        let event = house.event(&captured(&attempt)).await;
        assert!(matches!(house.settle(event).await, Applied::Captured { .. }));
    }
    house.sound().await;
}

#[tokio::test]
async fn news_about_strangers_is_ignored_and_kept() {
    let house = House::new().await;
    let (attempt, other) = (house.pending(usd(500)).await, house.pending(usd(500)).await);
    let mut unknown_attempt = captured(&attempt);
    unknown_attempt["data"]["reference"] = crate::AttemptId::new().to_string().into();
    let mut unknown_refund = refund_news("refund.succeeded", &attempt, crate::RefundId::new(), usd(5));
    unknown_refund["data"]["amount"] = 5.into();
    let mut others_payment = captured(&attempt);
    others_payment["data"]["payment_id"] = other.reference.unwrap().into();
    for body in [unknown_attempt, unknown_refund, others_payment, serde_json::json!({"type": "weather.changed"})] {
        let event = house.event(&body).await;
        assert!(matches!(house.settle(event).await, Applied::Ignored { .. }), "{body}");
    }
    assert_eq!(house.count("payments.inbox WHERE outcome LIKE 'ignored:%' AND processed_at IS NOT NULL").await, 4);
    assert_eq!(house.attempt(attempt.id).await.state, AttemptState::Pending);
    let missing = settle(&mut house.pool.get().await.unwrap(), EventId::new(), noon()).await;
    assert!(matches!(missing, Err(PaymentError::UnknownEvent(_))));
}

#[tokio::test]
async fn a_second_capture_under_another_payment_is_ignored() {
    let house = House::new().await;
    let attempt = house.captured(usd(500)).await;
    let mut second = captured(&attempt);
    second["data"]["payment_id"] = "pay-other".into();
    let event = house.event(&second).await;
    assert!(matches!(house.settle(event).await, Applied::Ignored { .. }));
    assert_eq!(house.sums(attempt.order_id).await.captured_minor, 500);
}

#[tokio::test]
async fn asking_twice_to_pay_gives_the_same_attempt() {
    let house = House::new().await;
    let mut conn = house.pool.get().await.unwrap();
    let order = OrderId::new();
    let first = start(&mut conn, order, "mock", usd(500), CaptureMethod::Automatic, noon()).await.unwrap();
    let again = start(&mut conn, order, "mock", usd(500), CaptureMethod::Automatic, noon()).await.unwrap();
    let other_amount = start(&mut conn, order, "mock", usd(600), CaptureMethod::Automatic, noon()).await.unwrap();
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, other_amount.id);
    let lost = unanswered(&mut conn, first.id, noon()).await.unwrap();
    assert_eq!(lost.state, AttemptState::Unknown);
    assert_eq!(start(&mut conn, order, "mock", usd(500), CaptureMethod::Automatic, noon()).await.unwrap().id, first.id);
    assert!(query::sums(&mut conn, order).await.unwrap().in_flight);
    let refused = refused(&mut conn, first.id, "no", noon()).await.unwrap();
    assert_eq!(refused.unwrap().state, AttemptState::Failed);
    assert_ne!(start(&mut conn, order, "mock", usd(500), CaptureMethod::Automatic, noon()).await.unwrap().id, first.id);
    assert!(matches!(
        start(&mut conn, order, "mock", usd(0), CaptureMethod::Automatic, noon()).await,
        Err(PaymentError::AmountNotPositive)
    ));
    house.sound().await;
}
