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

/// What the database's own CHECKs would not let happen, were they not taken away first.
#[tokio::test]
async fn planted_corruptions_of_held_money_are_found() {
    let checks = "attempts_capturing_within_amount, DROP CONSTRAINT attempts_capturing_authorized, \
                  DROP CONSTRAINT attempts_capturing_has_id, DROP CONSTRAINT attempts_voiding_authorized";
    for (sql, expected) in [
        ("DELETE FROM payments.transactions WHERE kind = 'authorization'", "payments.authorized_has_transaction"),
        (
            "UPDATE payments.attempts SET state = 'expired', capturing_minor = 5",
            "payments.underway_only_while_authorized",
        ),
        ("UPDATE payments.attempts SET state = 'voided', voiding = true", "payments.underway_only_while_authorized"),
        ("UPDATE payments.attempts SET capturing_minor = 5, voiding = true", "payments.capture_or_void"),
        ("UPDATE payments.attempts SET capturing_minor = 1001", "payments.capturing_within_amount"),
        ("UPDATE payments.attempts SET capturing_minor = 5, capture_id = NULL", "payments.capturing_within_amount"),
    ] {
        let house = House::new().await;
        house.capturing(&house.authorized(usd(1_000)).await, 400).await;
        house.sound().await;
        let mut conn = house.pool.get().await.unwrap();
        diesel_async::SimpleAsyncConnection::batch_execute(
            &mut *conn,
            &format!(
                "ALTER TABLE payments.attempts DROP CONSTRAINT {checks}; \
                 SET session_replication_role = replica; {sql}; SET session_replication_role = DEFAULT"
            ),
        )
        .await
        .unwrap();
        let found: Vec<_> = crate::audit(&mut conn).await.unwrap().iter().map(|difference| difference.check).collect();
        assert!(found.contains(&expected), "{sql}: {found:?}");
    }
}

/// How an attempt ended is in its ledger, and what is over stays over.
#[tokio::test]
async fn planted_ends_of_attempts_are_found() {
    for planted in [
        "UPDATE payments.attempts SET state = 'voided'",
        "UPDATE payments.attempts SET state = 'failed'",
        "UPDATE payments.attempts SET state = 'expired'",
        "INSERT INTO payments.transactions (id, attempt_id, kind, amount_minor, currency, recorded_at) \
         SELECT gen_random_uuid(), id, 'void', amount_minor, currency, now() FROM payments.attempts",
    ] {
        let house = House::new().await;
        house.pending(usd(1_000)).await;
        house.sound().await;
        house.execute(planted).await.unwrap();
        let mut conn = house.pool.get().await.unwrap();
        let found: Vec<_> = crate::audit(&mut conn).await.unwrap().iter().map(|difference| difference.check).collect();
        assert_eq!(found, ["payments.end_equals_transactions"], "{planted}");
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
