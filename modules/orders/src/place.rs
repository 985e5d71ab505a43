//! Placing an order: one path for one order and for a thousand (design.md §4.4).
//!
//! A handler hands its [`Placement`] to the [`Intake`], which commits whatever is waiting as one batch and answers each
//! caller after COMMIT. What is accepted is decided by a pure function over the locked stock ([`decide`]).

mod batcher;
mod crowd;
pub mod decide;
mod intake;
mod replies;
mod statements;
mod transact;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::{Money, OrderId, UserId, VariantId, idempotency::Ticket, request};

pub use intake::{Intake, IntakeSettings};
pub(crate) use statements::insert_events as append_events;

use crate::address::Address;

/// Units of one variant in one order, at most.
pub const MAX_QUANTITY: i32 = 10_000;

/// An order as it was asked for: valid in itself, not yet decided.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The identifier the order will have.
    pub order_id: OrderId,
    /// Who buys.
    pub customer: UserId,
    /// What and how many; each variant once.
    pub lines: Vec<Wanted>,
    /// Where it goes.
    pub ship_to: Address,
    /// A word from the buyer.
    pub note: Option<String>,
    /// Refuse if the total is another one.
    pub expected_total: Option<Money>,
    /// The idempotency key and the fingerprint of the request; a dry run has none.
    pub ticket: Option<Ticket>,
    /// Price it and say whether it would be accepted; change nothing.
    pub dry_run: bool,
    /// When it was asked for.
    pub placed_at: DateTime<Utc>,
    /// When it expires unless it is paid.
    pub expires_at: DateTime<Utc>,
    /// The request, for events and jobs.
    pub request: request::Context,
}

/// One wanted line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which variant.
    pub variant_id: VariantId,
    /// How many.
    pub quantity: i32,
    /// Index of the (first) line of the request that asked for it.
    pub line: usize,
}

/// Sums the quantities of lines that ask for the same variant; keeps the order of first appearance.
///
/// # Errors
/// Index of the first line that asks for a variant of which more than [`MAX_QUANTITY`] are wanted.
pub fn sum_duplicates(lines: impl IntoIterator<Item = (VariantId, i32)>) -> Result<Vec<Wanted>, usize> {
    let mut summed: Vec<Wanted> = Vec::new();
    let mut places: BTreeMap<VariantId, usize> = BTreeMap::new();
    for (line, (variant_id, quantity)) in lines.into_iter().enumerate() {
        match places.get(&variant_id).and_then(|&place| summed.get_mut(place)) {
            Some(known) => known.quantity = known.quantity.saturating_add(quantity),
            None => {
                places.insert(variant_id, summed.len());
                summed.push(Wanted { variant_id, quantity, line });
            }
        }
    }
    match summed.iter().find(|line| line.quantity > MAX_QUANTITY) {
        Some(wanted) => Err(wanted.line),
        None => Ok(summed),
    }
}
