//! Never more goes back than came in.

use diesel_async::AsyncConnection;
use kernel::{OrderId, PgConn};

use super::support::{House, noon, refund_news, usd};
use crate::{
    Applied, PaymentError, RefundOutcome, RefundState, load_refund, query, request_refund, send_refund,
    testing::{Asked, Reaction, ScriptedGateway},
};

#[tokio::test]
async fn m_08_fifty_parallel_half_refunds_are_at_most_two() {
    let house = House::new().await;
    let attempt = house.captured(usd(1_000)).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (pool, order) = (house.pool.clone(), attempt.order_id);
            tokio::spawn(async move {
                let mut conn = pool.get().await.unwrap();
                let conn: &mut PgConn = &mut conn;
                conn.transaction(async |conn| request_refund(conn, order, 500, None, "half", noon()).await).await
            })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(ids) => granted += ids.len(),
            Err(PaymentError::RefundExceedsCaptured { refundable_minor: 0, .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(granted, 2);
    assert_eq!(house.sums(attempt.order_id).await.refunding_minor, 1_000);
    assert_eq!(house.count("jobs.jobs WHERE kind = 'payments.send_refund'").await, 2);
    house.sound().await;
}

#[tokio::test]
async fn refunds_go_to_the_newest_payment_first() {
    let house = House::new().await;
    let order = OrderId::new();
    let old = house.captured_of(order, usd(300), noon()).await;
    let new = house.captured_of(order, usd(200), noon()).await;
    let mut conn = house.pool.get().await.unwrap();
    let ids = request_refund(&mut conn, order, 250, None, "test", noon()).await.unwrap();
    let refunds = query::list_refunds(&mut conn, order).await.unwrap();
    let shares: Vec<_> = refunds.iter().map(|refund| (refund.attempt_id, refund.amount.minor)).collect();
    assert_eq!(shares, [(new.id, 200), (old.id, 50)]);
    assert_eq!(ids, refunds.iter().map(|refund| refund.id).collect::<Vec<_>>());
    let more = request_refund(&mut conn, order, 251, None, "test", noon()).await;
    assert!(matches!(more, Err(PaymentError::RefundExceedsCaptured { asked_minor: 251, refundable_minor: 250 })));
    for nothing in [0, -1] {
        let refused = request_refund(&mut conn, order, nothing, None, "test", noon()).await;
        assert!(matches!(refused, Err(PaymentError::AmountNotPositive)));
    }
    house.sound().await;
}

#[tokio::test]
async fn a_refund_is_sent_with_its_id_and_settled_by_the_answer() {
    let house = House::new().await;
    let attempt = house.captured(usd(1_000)).await;
    let gateway = ScriptedGateway::new("mock");
    gateway.then(Reaction::StaySilent);
    let id = request_refund(&mut house.pool.get().await.unwrap(), attempt.order_id, 400, None, "test", noon())
        .await
        .unwrap()[0];
    let load = async || load_refund(&mut house.pool.get().await.unwrap(), id).await.unwrap().unwrap();

    let refund = load().await;
    let silence = send_refund(&gateway, &refund).await;
    assert!(matches!(silence, RefundOutcome::NoAnswer { .. }));
    assert!(matches!(house.answer(id, silence).await, Applied::Ignored { .. }));
    assert_eq!(load().await.state, RefundState::Unknown);
    assert_eq!(house.sums(attempt.order_id).await.refunding_minor, 400);

    let outcome = send_refund(&gateway, &load().await).await;
    assert_eq!(house.answer(id, outcome.clone()).await, Applied::Refunded { refund: id, amount: usd(400) });
    assert_eq!(house.answer(id, outcome).await, Applied::AlreadyApplied);
    let sums = house.sums(attempt.order_id).await;
    assert_eq!((sums.refunded_minor, sums.refunding_minor), (400, 0));
    assert!(load().await.is_final());

    let asked = gateway.log();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1], "asked again with the same key");
    assert!(
        matches!(&asked[0], Asked::Refund(it) if it.refund_id == id && Some(&it.payment_reference) == attempt.reference.as_ref())
    );
    house.sound().await;
}

#[tokio::test]
async fn a_declined_refund_gives_its_promise_back() {
    let house = House::new().await;
    let attempt = house.captured(usd(1_000)).await;
    let gateway = ScriptedGateway::new("mock");
    gateway.then(Reaction::Refuse("not today".into()));
    let mut conn = house.pool.get().await.unwrap();
    let id = request_refund(&mut conn, attempt.order_id, 1_000, None, "test", noon()).await.unwrap()[0];
    let refund = load_refund(&mut conn, id).await.unwrap().unwrap();
    let outcome = send_refund(&gateway, &refund).await;
    assert_eq!(house.answer(id, outcome.clone()).await, Applied::RefundFailed { refund: id });
    assert_eq!(house.answer(id, outcome).await, Applied::AlreadyApplied);
    assert_eq!(house.sums(attempt.order_id).await.refunding_minor, 0);
    // Another refund took the money: the declined one cannot come back to life.
    request_refund(&mut conn, attempt.order_id, 1_000, None, "again", noon()).await.unwrap();
    let late = house.event(&refund_news("refund.succeeded", &attempt, id, usd(1_000))).await;
    assert!(matches!(house.settle(late).await, Applied::Ignored { .. }));
    house.sound().await;
}

#[tokio::test]
async fn news_of_another_amount_does_not_settle_a_refund() {
    let house = House::new().await;
    let attempt = house.captured(usd(1_000)).await;
    let mut conn = house.pool.get().await.unwrap();
    let id = request_refund(&mut conn, attempt.order_id, 400, None, "test", noon()).await.unwrap()[0];
    let event = house.event(&refund_news("refund.succeeded", &attempt, id, usd(300))).await;
    assert!(matches!(house.settle(event).await, Applied::Mismatch { .. }));
    assert_eq!(house.sums(attempt.order_id).await.refunding_minor, 400);
    house.sound().await;
}

#[tokio::test]
async fn the_database_itself_refuses_what_must_not_be() {
    let house = House::new().await;
    let attempt = house.captured(usd(1_000)).await;
    let id = attempt.id;
    for bad in [
        format!("UPDATE payments.attempts SET refunded_minor = 1001 WHERE id = '{id}'"),
        format!("UPDATE payments.attempts SET refunding_minor = -1 WHERE id = '{id}'"),
        format!("UPDATE payments.attempts SET state = 'daydreaming' WHERE id = '{id}'"),
        format!("UPDATE payments.attempts SET state = 'failed' WHERE id = '{id}'"),
        "UPDATE payments.transactions SET amount_minor = 1".to_owned(),
        "DELETE FROM payments.transactions".to_owned(),
        "TRUNCATE payments.transactions".to_owned(),
        "INSERT INTO payments.transactions SELECT gen_random_uuid(), attempt_id, refund_id, kind, amount_minor, currency, \
         reference, event_id, detail, recorded_at FROM payments.transactions WHERE kind = 'capture'"
            .to_owned(),
    ] {
        assert!(house.execute(&bad).await.is_err(), "{bad}");
    }
    house.sound().await;
}
