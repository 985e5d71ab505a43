//! How much is there, how much of it is promised, and every change of either.
//!
//! A variant has one row of counters and an append-only list of movements; each movement carries the balances after
//! it. The counters move only together with a movement, in one statement ([`append`]), under the row's lock. Locks are
//! taken sorted by variant, so that two orders over the same goods wait for each other instead of deadlocking.

mod count;
mod face;
mod levels;
mod movement;
mod once;
mod receive;

pub use count::{Count, SeenCount, count, count_once};
pub use face::{Offer, OrderMove, append, lock_offers, move_for_order};
pub use levels::{MovementKey, Movements, StockLevels, get_levels, list_movements};
pub use movement::{Balance, Movement, MovementKind};
pub use once::Answered;
pub use receive::{Receipt, receive, receive_once};

/// At most this many units of a variant are there.
pub const UNITS_MAX: i32 = 1_000_000_000;
