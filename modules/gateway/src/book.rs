//! The book, page by page: every payment with its refunds, for whoever wants to compare.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use kernel::{Cursor, PgConn};
use serde::Serialize;

use crate::{
    payment::{Payment, PaymentId, PaymentStatus, RefundId, RefundStatus},
    store,
};

/// A page of the book.
#[derive(Debug, Serialize)]
pub(crate) struct BookPage {
    pub data: Vec<BookEntry>,
    pub next_cursor: Option<String>,
}

/// A payment as the book shows it.
#[derive(Debug, Serialize)]
pub(crate) struct BookEntry {
    pub id: PaymentId,
    pub reference: String,
    pub status: PaymentStatus,
    pub amount: i64,
    pub currency: &'static str,
    pub captured: i64,
    pub refunded: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub refunds: Vec<BookRefund>,
}

/// A refund as the book shows it.
#[derive(Debug, Serialize)]
pub(crate) struct BookRefund {
    pub id: RefundId,
    pub reference: String,
    pub amount: i64,
    pub status: RefundStatus,
}

/// The page after `after`, of at most `limit` payments, as it is at `now`.
pub(crate) async fn page(
    conn: &mut PgConn,
    after: Option<PaymentId>,
    limit: u32,
    now: DateTime<Utc>,
) -> QueryResult<BookPage> {
    let mut payments = store::payments_after(conn, after, i64::from(limit) + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = payments.len() > limit;
    payments.truncate(limit);
    let next_cursor = payments.last().filter(|_| more).map(|last| Cursor::encode(&last.id));
    Ok(BookPage { data: entries(conn, payments, now).await?, next_cursor })
}

/// These payments as the book shows them at `now`.
pub(crate) async fn entries(
    conn: &mut PgConn,
    payments: Vec<Payment>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<BookEntry>> {
    let refunded: Vec<PaymentId> =
        payments.iter().filter(|it| it.status == PaymentStatus::Captured).map(|it| it.id).collect();
    let mut refunds: HashMap<PaymentId, Vec<BookRefund>> = HashMap::new();
    if !refunded.is_empty() {
        for refund in store::refunds_of(conn, &refunded).await? {
            refunds.entry(refund.payment_id).or_default().push(BookRefund {
                id: refund.id,
                reference: refund.reference,
                amount: refund.amount_minor,
                status: refund.status,
            });
        }
    }
    Ok(payments
        .into_iter()
        .map(|payment| {
            let status = payment.status_at(now);
            // Its time may have been over before anybody wrote that down.
            let is_over = status != payment.status;
            BookEntry {
                refunds: refunds.remove(&payment.id).unwrap_or_default(),
                currency: payment.charged_in().code(),
                id: payment.id,
                reference: payment.reference,
                status,
                amount: payment.amount_minor,
                captured: payment.captured_minor,
                refunded: payment.refunded_minor,
                created_at: payment.created_at,
                updated_at: if is_over { payment.expires_at } else { payment.updated_at },
            }
        })
        .collect())
}
