//! The read side: what an order's payments add up to.

use std::collections::HashMap;

use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{OrderId, PgConn, cached_sql};

use crate::{Attempt, Refund, store};

/// What an order's payments add up to, in minor units of the order's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Held and free to be captured: no capture and no void of it is under way.
    pub authorized_minor: i64,
    /// Held, and promised to captures without a final answer.
    pub capturing_minor: i64,
    /// Collected.
    pub captured_minor: i64,
    /// Given back.
    pub refunded_minor: i64,
    /// Promised to refunds without a final answer.
    pub refunding_minor: i64,
    /// An attempt may still bring money (created, pending, authorized, or without an answer).
    pub in_flight: bool,
    /// An attempt was taken back before any money moved.
    pub voided: bool,
    /// Money came in in another currency than was asked for; it is in none of the sums.
    pub currency_mismatch: bool,
}

cached_sql! {
    SumsOf(orders: st::Array<st::Uuid> = Vec<OrderId>)
        -> (st::Uuid, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::BigInt, st::Bool, st::Bool, st::Bool),
    // Sums of bigint are numeric; no order's payments come near the end of a bigint.
    "SELECT order_id, \
            coalesce(sum(amount_minor) FILTER (WHERE state = 'authorized' AND capturing_minor = 0 AND NOT voiding), 0)::bigint, \
            coalesce(sum(capturing_minor), 0)::bigint, \
            coalesce(sum(captured_minor) FILTER (WHERE captured_currency = currency), 0)::bigint, \
            coalesce(sum(refunded_minor) FILTER (WHERE captured_currency = currency), 0)::bigint, \
            coalesce(sum(refunding_minor) FILTER (WHERE captured_currency = currency), 0)::bigint, \
            bool_or(state IN ('created', 'pending', 'unknown', 'authorized')), \
            bool_or(state = 'voided'), \
            coalesce(bool_or(captured_currency <> currency), false) \
     FROM payments.attempts WHERE order_id = ANY($1) GROUP BY order_id"
}

/// The sums of many orders; one without payments is not in the answer. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn sums_of(conn: &mut PgConn, orders: &[OrderId]) -> QueryResult<HashMap<OrderId, Sums>> {
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(OrderId, i64, i64, i64, i64, i64, bool, bool, bool)> =
        SumsOf { orders: &orders.to_vec() }.load(conn).await?;
    Ok(rows
        .into_iter()
        .map(
            |(
                order,
                authorized_minor,
                capturing_minor,
                captured_minor,
                refunded_minor,
                refunding_minor,
                in_flight,
                voided,
                mismatch,
            )| {
                let sums = Sums {
                    authorized_minor,
                    capturing_minor,
                    captured_minor,
                    refunded_minor,
                    refunding_minor,
                    in_flight,
                    voided,
                    currency_mismatch: mismatch,
                };
                (order, sums)
            },
        )
        .collect())
}

/// The sums of an order; zeros when nobody tried to pay. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn sums(conn: &mut PgConn, order: OrderId) -> QueryResult<Sums> {
    Ok(sums_of(conn, &[order]).await?.remove(&order).unwrap_or_default())
}

/// The payment attempts of an order, oldest first. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn list(conn: &mut PgConn, order: OrderId) -> QueryResult<Vec<Attempt>> {
    store::attempts_of(conn, order).await
}

/// The refunds of an order, oldest first. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn list_refunds(conn: &mut PgConn, order: OrderId) -> QueryResult<Vec<Refund>> {
    store::refunds_of(conn, order).await
}
