//! The audit finds what should not be.

use super::support::{House, captured, noon, usd};
use crate::{RefundOutcome, request_refund};

/// Plants `sql` (with triggers and foreign keys out of the way) into a house with one captured attempt of 1,000 and a
/// succeeded refund of 400; answers the checks that noticed.
async fn found(sql: &str) -> Vec<&'static str> {
    let house = House::new().await;
    let attempt = house.captured(usd(1_000)).await;
    let mut conn = house.pool.get().await.unwrap();
    let refund = request_refund(&mut conn, attempt.order_id, 400, None, "test", noon()).await.unwrap()[0];
    house.answer(refund, RefundOutcome::Succeeded { reference: None }).await;
    house.sound().await;
    diesel_async::SimpleAsyncConnection::batch_execute(
        &mut *conn,
        &format!("SET session_replication_role = replica; {sql}; SET session_replication_role = DEFAULT"),
    )
    .await
    .unwrap();
    let mut checks: Vec<_> = crate::audit(&mut conn).await.unwrap().iter().map(|difference| difference.check).collect();
    checks.dedup();
    checks
}

#[tokio::test]
async fn planted_corruptions_are_found() {
    for (sql, expected) in [
        ("UPDATE payments.attempts SET captured_minor = 1001", "payments.captured_equals_transactions"),
        ("UPDATE payments.attempts SET captured_currency = 'EUR'", "payments.captured_currency_equals_transactions"),
        ("DELETE FROM payments.transactions WHERE kind = 'capture'", "payments.state_equals_transactions"),
        ("UPDATE payments.attempts SET refunded_minor = 399", "payments.refunded_equals_transactions"),
        ("UPDATE payments.refunds SET state = 'failed'", "payments.refunded_equals_refunds"),
        ("UPDATE payments.attempts SET refunding_minor = 1", "payments.refunding_equals_refunds"),
        (
            "UPDATE payments.transactions SET amount_minor = 1001 WHERE kind = 'refund'",
            "payments.refunds_within_captured",
        ),
        ("UPDATE payments.refunds SET order_id = gen_random_uuid()", "payments.refund_has_attempt"),
        ("DELETE FROM payments.transactions WHERE kind = 'refund'", "payments.refund_equals_transaction"),
        ("UPDATE payments.refunds SET amount_minor = 399", "payments.refund_equals_transaction"),
        ("DELETE FROM payments.attempts", "payments.transaction_has_attempt"),
        (
            "UPDATE payments.inbox SET processed_at = NULL, outcome = NULL, received_at = now() - interval '11 minutes'",
            "payments.inbox_processed",
        ),
    ] {
        let checks = found(sql).await;
        assert!(checks.contains(&expected), "{sql}: {checks:?}");
    }
}

#[tokio::test]
async fn a_webhook_that_just_came_is_no_difference() {
    let house = House::new().await;
    let attempt = house.pending(usd(500)).await;
    house.event(&captured(&attempt)).await;
    house.execute("UPDATE payments.inbox SET received_at = now() - interval '9 minutes'").await.unwrap();
    house.sound().await;
}
