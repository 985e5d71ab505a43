//! Goods that a buyer sends back to one seller, and the one table a return's state moves through.

use chrono::{DateTime, Utc};
use kernel::{BusinessId, UserId};

use crate::status::words;

kernel::typed_id!(
    /// A return.
    ReturnId
);

words! {
    /// Where a return stands
    pub enum ReturnState {
        /// Announced
        Requested = "requested",
        /// The goods may be sent
        Approved = "approved",
        /// The goods are to be kept
        Rejected = "rejected",
        /// Goods are back
        Received = "received",
        /// Nothing more is expected
        Closed = "closed",
        /// The buyer keeps the goods after all
        Cancelled = "cancelled",
    }
}

words! {
    /// What moves a return
    pub enum ReturnEvent {
        /// It is agreed to
        Approve = "approve",
        /// It is not agreed to
        Reject = "reject",
        /// Goods arrive
        Receive = "receive",
        /// Nothing more is expected
        Close = "close",
        /// It is called off
        Cancel = "cancel",
    }
}

/// The return cannot do that from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a return that is {from} cannot {event}")]
pub struct InvalidReturnMove {
    /// Where it stands.
    pub from: ReturnState,
    /// What was asked of it.
    pub event: ReturnEvent,
}

impl ReturnState {
    /// The one transition table of returns (`orders.guard_return` in the database says the same).
    ///
    /// # Errors
    /// The move is not in the table.
    pub const fn after(self, event: ReturnEvent) -> Result<Self, InvalidReturnMove> {
        use ReturnEvent as E;
        match (self, event) {
            (Self::Requested, E::Approve) => Ok(Self::Approved),
            (Self::Requested, E::Reject) => Ok(Self::Rejected),
            (Self::Approved | Self::Received, E::Receive) => Ok(Self::Received),
            (Self::Approved | Self::Received, E::Close) => Ok(Self::Closed),
            (Self::Requested | Self::Approved, E::Cancel) => Ok(Self::Cancelled),
            (from, event) => Err(InvalidReturnMove { from, event }),
        }
    }
}

/// A return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// Its identifier.
    pub id: ReturnId,
    /// The seller whose goods they are.
    pub business_id: BusinessId,
    /// Where it stands.
    pub state: ReturnState,
    /// Why the goods come back.
    pub reason: String,
    /// What the buyer was told when it was approved, rejected or closed.
    pub decision: Option<String>,
    /// Who asked for it.
    pub requested_by: Option<UserId>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// What comes back, by position.
    pub lines: Vec<ReturnLine>,
}

/// So many units of a line on their way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnLine {
    /// The line's place in its order.
    pub position: i16,
    /// How many are to come back.
    pub quantity: i32,
    /// How many came back and can be sold again.
    pub resellable_quantity: i32,
    /// How many came back and cannot.
    pub damaged_quantity: i32,
}

impl ReturnLine {
    /// How many have not come back.
    pub const fn missing_quantity(&self) -> i32 {
        self.quantity - self.resellable_quantity - self.damaged_quantity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_state_and_event_is_decided() {
        use ReturnEvent as E;
        use ReturnState as S;
        let allowed = [
            (S::Requested, E::Approve, S::Approved),
            (S::Requested, E::Reject, S::Rejected),
            (S::Approved, E::Receive, S::Received),
            (S::Received, E::Receive, S::Received),
            (S::Approved, E::Close, S::Closed),
            (S::Received, E::Close, S::Closed),
            (S::Requested, E::Cancel, S::Cancelled),
            (S::Approved, E::Cancel, S::Cancelled),
        ];
        for &from in S::ALL {
            for &event in E::ALL {
                let expected = allowed.iter().find(|(s, e, _)| (*s, *e) == (from, event)).map(|(_, _, to)| *to);
                assert_eq!(from.after(event), expected.ok_or(InvalidReturnMove { from, event }));
            }
        }
    }
}
