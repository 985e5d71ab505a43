//! The database refuses the moves that are in no table to whoever comes past the code.

use diesel_async::SimpleAsyncConnection;

use super::support::{House, noon, usd};
use crate::{AttemptState, RefundState, attempt_moves, request_refund};

/// What the database says when a row of `table` that is `from` becomes `to`, which is not kept: the name of the rule that it
/// breaks, or nothing. `beside` sets what else the state wants.
async fn moved(house: &House, table: &str, (from, to): (&str, &str), beside: &str) -> Option<String> {
    let mut conn = house.pool.get().await.unwrap();
    let before = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; UPDATE {table} SET state = '{from}'{beside}; \
         SET LOCAL session_replication_role = origin"
    );
    conn.batch_execute(&before).await.unwrap();
    let outcome = conn.batch_execute(&format!("UPDATE {table} SET state = '{to}'")).await;
    conn.batch_execute("ROLLBACK").await.unwrap();
    match outcome {
        Ok(()) => None,
        Err(diesel::result::Error::DatabaseError(_, info)) => info.constraint_name().map(str::to_owned),
        Err(error) => panic!("{from} to {to}: {error}"),
    }
}

#[tokio::test]
async fn m_07_the_database_refuses_what_no_table_of_payments_says() {
    let house = House::new().await;
    house.pending(usd(1_000)).await;
    let moves = attempt_moves();
    for from in AttemptState::ALL.iter().map(|state| state.as_str()) {
        let money = if from == "captured" { "1, captured_currency = 'USD'" } else { "0, captured_currency = NULL" };
        for to in AttemptState::ALL.iter().map(|state| state.as_str()).filter(|to| *to != from) {
            let broken = moved(&house, "payments.attempts", (from, to), &format!(", captured_minor = {money}")).await;
            let is_in_the_table = moves.iter().any(|(before, _, after)| (*before, *after) == (from, to));
            // What a move wants beside the state is for other rules to say.
            let is_refused = broken.as_deref() == Some("attempts_state_move");
            assert_eq!(is_refused, !is_in_the_table, "from {from} to {to}: {broken:?}");
        }
    }
}

#[tokio::test]
async fn m_07_the_database_refuses_what_no_table_of_refunds_says() {
    let house = House::new().await;
    let attempt = house.captured(usd(1_000)).await;
    let mut conn = house.pool.get().await.unwrap();
    request_refund(&mut conn, attempt.order_id, 400, None, "test", noon()).await.unwrap();
    drop(conn);
    let allowed = |from| match from {
        RefundState::Pending => &["succeeded", "failed", "unknown"][..],
        RefundState::Unknown => &["succeeded", "failed"],
        // The gateway declined, and then did it after all.
        RefundState::Failed => &["succeeded"],
        RefundState::Succeeded => &[],
    };
    for &from in RefundState::ALL {
        for &to in RefundState::ALL.iter().filter(|to| **to != from) {
            let broken = moved(&house, "payments.refunds", (from.as_str(), to.as_str()), "").await;
            let expected = (!allowed(from).contains(&to.as_str())).then(|| "refunds_state_move".to_owned());
            assert_eq!(broken, expected, "from {from} to {to}");
        }
    }
}
