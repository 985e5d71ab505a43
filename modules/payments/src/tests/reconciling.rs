//! What the gateway's book says when it is asked, and what is concluded from it.

use chrono::TimeDelta;
use kernel::OrderId;

use super::support::{House, answer, captured, noon, usd};
use crate::{
    Applied, Attempt, AttemptState, BookRefund, CaptureMethod, Due, Standing, opened, reconcile, start, unanswered,
    unsettled,
};

fn standing(attempt: &Attempt, status: &str, taken: i64) -> Standing {
    Standing {
        id: format!("pay-{}", attempt.id),
        status: status.to_owned(),
        amount: attempt.amount.minor,
        currency: "USD".to_owned(),
        captured: taken,
        pay_url: "https://pay.example.com/1".to_owned(),
        refunds: Vec::<BookRefund>::new(),
    }
}

/// Asks about everything, after so many seconds, and applies that answer.
async fn learn(house: &House, found: Option<&Standing>, seconds: i64) -> Vec<Applied> {
    let (mut conn, now) = (house.pool.get().await.unwrap(), noon() + TimeDelta::seconds(seconds));
    let due = Due { gateways: vec!["mock".to_owned()], grace: None, after: None, limit: 10 };
    let mut changes = Vec::new();
    for asked in unsettled(&mut conn, &due, now).await.unwrap() {
        changes.extend(reconcile(&mut conn, &asked, found, now).await.unwrap());
    }
    changes
}

#[tokio::test]
async fn m_10_an_answer_that_comes_after_everybody_gave_up_opens_the_payment() {
    let house = House::new().await;
    let mut conn = house.pool.get().await.unwrap();
    let attempt = start(&mut conn, OrderId::new(), "mock", usd(1_000), CaptureMethod::Automatic, noon()).await.unwrap();
    assert_eq!(learn(&house, None, 14).await, [], "the call may be on its way");
    assert!(matches!(learn(&house, None, 16).await.as_slice(), [Applied::Failed { .. }]));

    // The server was suspended before its call, and goes on now.
    let late = opened(&mut conn, attempt.id, &answer(attempt.id), noon() + TimeDelta::seconds(60)).await.unwrap();
    assert_eq!(late.state, AttemptState::Pending);
    assert_eq!(learn(&house, Some(&standing(&attempt, "pending", 0)), 70).await, []);
    let paid = standing(&attempt, "captured", 1_000);
    let expected = Applied::Captured { attempt: attempt.id, amount: usd(1_000) };
    assert_eq!(learn(&house, Some(&paid), 80).await, [expected], "it is asked about like any other");
    house.sound().await;
}

#[tokio::test]
async fn a_payment_that_was_declined_stays_so_whatever_answer_comes_late() {
    let house = House::new().await;
    let attempt = house.pending(usd(1_000)).await;
    assert!(matches!(learn(&house, Some(&standing(&attempt, "failed", 0)), 60).await[..], [Applied::Failed { .. }]));
    let mut conn = house.pool.get().await.unwrap();
    let late = opened(&mut conn, attempt.id, &answer(attempt.id), noon()).await.unwrap();
    assert_eq!(late.state, AttemptState::Failed);
    house.sound().await;
}

#[tokio::test]
async fn nothing_is_concluded_from_what_is_not_understood() {
    let house = House::new().await;
    let mut conn = house.pool.get().await.unwrap();
    let attempt = start(&mut conn, OrderId::new(), "mock", usd(1_000), CaptureMethod::Automatic, noon()).await.unwrap();
    unanswered(&mut conn, attempt.id, noon()).await.unwrap();
    let foreign = Standing { currency: "dollars".to_owned(), ..standing(&attempt, "captured", 1_000) };
    for nonsense in [standing(&attempt, "processing", 0), standing(&attempt, "captured", 0), foreign] {
        assert_eq!(learn(&house, Some(&nonsense), 60).await, [], "{nonsense:?}");
    }
    assert_eq!(house.attempt(attempt.id).await.state, AttemptState::Unknown, "and it is asked about again");
    let event = house.event(&captured(&attempt)).await;
    assert_eq!(house.settle(event).await, Applied::Captured { attempt: attempt.id, amount: usd(1_000) });
    house.sound().await;
}
