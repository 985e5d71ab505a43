//! One change of a variant's stock, and what it leaves behind. No I/O.

use chrono::{DateTime, Utc};
use kernel::{OrderId, UserId, VariantId};

use super::UNITS_MAX;

/// Why stock changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MovementKind {
    /// Goods came in.
    Receive,
    /// Somebody counted and the book was wrong.
    Adjust,
    /// An order was placed.
    Reserve,
    /// An order was cancelled or expired.
    Release,
    /// A shipment left.
    Ship,
    /// A buyer sent something back that can be sold again.
    Return,
}

impl MovementKind {
    /// The kind as the database writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Adjust => "adjust",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Ship => "ship",
            Self::Return => "return",
        }
    }

    /// What so many units of it do to what is there and to what is promised. (A count may also take away.)
    pub const fn deltas(self, quantity: i32) -> (i32, i32) {
        match self {
            Self::Receive | Self::Adjust | Self::Return => (quantity, 0),
            Self::Reserve => (0, quantity),
            Self::Release => (0, -quantity),
            Self::Ship => (-quantity, -quantity),
        }
    }

    /// The kind that the database writes like this.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "receive" => Self::Receive,
            "adjust" => Self::Adjust,
            "reserve" => Self::Reserve,
            "release" => Self::Release,
            "ship" => Self::Ship,
            "return" => Self::Return,
            _ => return None,
        })
    }
}

/// One change of a variant's stock: the differences, and the balances after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// What changed.
    pub variant_id: VariantId,
    /// Why.
    pub kind: MovementKind,
    /// Difference of what is there.
    pub on_hand_delta: i32,
    /// Difference of what is promised.
    pub reserved_delta: i32,
    /// What is there now.
    pub on_hand_after: i32,
    /// What is promised now.
    pub reserved_after: i32,
    /// The number of this change among the variant's: one more than the version before.
    pub version_after: i64,
    /// The order it was for.
    pub order_id: Option<OrderId>,
    /// Why, in the words of who did it.
    pub reason: Option<String>,
    /// Who did it; nobody when the system did.
    pub actor: Option<UserId>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The counters of one variant, as read under its row lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Whose.
    pub variant_id: VariantId,
    /// What is there.
    pub on_hand: i32,
    /// What is promised.
    pub reserved: i32,
    /// How much may be promised beyond what is there.
    pub backorder_limit: i32,
    /// How often it changed.
    pub version: i64,
}

impl Balance {
    /// What can still be promised.
    pub fn sellable(&self) -> i64 {
        i64::from(self.on_hand) + i64::from(self.backorder_limit) - i64::from(self.reserved)
    }

    /// Moves the counters and writes it down; `None` when they would leave what the database allows.
    pub fn step(
        &mut self,
        kind: MovementKind,
        on_hand_delta: i32,
        reserved_delta: i32,
        at: DateTime<Utc>,
    ) -> Option<Movement> {
        let on_hand = self.on_hand.checked_add(on_hand_delta).filter(|on_hand| (0..=UNITS_MAX).contains(on_hand))?;
        let reserved = self.reserved.checked_add(reserved_delta).filter(|reserved| *reserved >= 0)?;
        if i64::from(reserved) > i64::from(on_hand) + i64::from(self.backorder_limit) {
            return None;
        }
        *self = Self { on_hand, reserved, version: self.version.checked_add(1)?, ..*self };
        Some(Movement {
            variant_id: self.variant_id,
            kind,
            on_hand_delta,
            reserved_delta,
            on_hand_after: on_hand,
            reserved_after: reserved,
            version_after: self.version,
            order_id: None,
            reason: None,
            actor: None,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance() -> Balance {
        Balance { variant_id: VariantId::new(), on_hand: 5, reserved: 3, backorder_limit: 1, version: 7 }
    }

    #[test]
    fn a_step_carries_the_balances_after_it() {
        let mut balance = balance();
        let movement = balance.step(MovementKind::Reserve, 0, 3, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((movement.on_hand_after, movement.reserved_after, movement.version_after), (5, 6, 8));
        assert_eq!((balance.reserved, balance.sellable()), (6, 0));
    }

    #[test]
    fn a_step_out_of_bounds_changes_nothing() {
        for (on_hand, reserved) in [(0, 4), (0, -4), (-6, 0), (-4, 0), (i32::MAX, 0), (0, i32::MAX)] {
            let mut changed = balance();
            let before = changed;
            assert_eq!(changed.step(MovementKind::Adjust, on_hand, reserved, DateTime::UNIX_EPOCH), None);
            assert_eq!(changed, before, "{on_hand} {reserved}");
        }
    }

    #[test]
    fn every_kind_is_read_back() {
        use MovementKind::{Adjust, Receive, Release, Reserve, Return, Ship};
        for kind in [Receive, Adjust, Reserve, Release, Ship, Return] {
            assert_eq!(MovementKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(MovementKind::parse("steal"), None);
    }
}
