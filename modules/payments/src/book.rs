//! A gateway's own book, as it tells us: what came in and what went back, by its count.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// A page of the book.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BookPage {
    /// Payments, oldest first.
    pub data: Vec<BookEntry>,
    /// Where the next page begins; none after the last one.
    pub next_cursor: Option<String>,
}

/// A payment in the book.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BookEntry {
    /// The gateway's name for it.
    pub id: String,
    /// Our attempt, as we told the gateway.
    pub reference: String,
    /// Where it stands there.
    pub status: String,
    /// Its currency.
    pub currency: String,
    /// What came in.
    pub captured: i64,
    /// What went back.
    pub refunded: i64,
    /// When it last changed there.
    pub updated_at: DateTime<Utc>,
    /// Its refunds.
    pub refunds: Vec<BookRefund>,
}

/// A refund in the book.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BookRefund {
    /// The gateway's name for it.
    pub id: String,
    /// Our refund, as we told the gateway.
    pub reference: String,
    /// How much.
    pub amount: i64,
    /// `succeeded` or `failed`.
    pub status: String,
}
