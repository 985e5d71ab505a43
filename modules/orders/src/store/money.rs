//! What a change asks of the payments.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use kernel::{OrderId, PgConn};
use payments::RefundId;

use crate::{api::dto::money, change::MoneyMove, error::OrderError, metrics, order::Order, status::Sums};

/// Asks the payments; answers the refunds that came of it. Joins the caller's transaction.
pub async fn carry_out(
    conn: &mut PgConn,
    order: &Order,
    wish: &MoneyMove,
    at: DateTime<Utc>,
) -> Result<Vec<RefundId>, OrderError> {
    match wish {
        MoneyMove::Refund { amount_minor, payment, reason } => {
            return Ok(payments::request_refund(conn, order.id, *amount_minor, *payment, reason, at).await?);
        }
        MoneyMove::Capture { amount_minor, payment } => {
            payments::request_capture(conn, order.id, *amount_minor, *payment, at).await?;
        }
        MoneyMove::Void { payment } => {
            payments::request_void(conn, order.id, *payment, at).await?;
        }
        MoneyMove::Offline { amount_minor, method, reference } => {
            let amount = money(*amount_minor, &order.currency);
            payments::record_offline(conn, order.id, amount, method.as_str(), reference.as_deref(), at).await?;
            metrics::taken_by_hand(amount);
        }
    }
    Ok(vec![])
}

/// What the order's payments add up to. Joins the caller's transaction.
pub async fn sums(conn: &mut PgConn, order: OrderId) -> QueryResult<Sums> {
    let sums = payments::sums(conn, order).await?;
    Ok(Sums {
        authorized: sums.authorized_minor,
        capturing: sums.capturing_minor,
        captured: sums.captured_minor,
        refunding: sums.refunding_minor,
        refunded: sums.refunded_minor,
        voided: sums.voided,
    })
}
