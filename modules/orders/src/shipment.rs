//! A parcel: some units of one seller's lines on their way to the buyer, and the one table its state moves through.

use chrono::{DateTime, Utc};
use kernel::BusinessId;

use crate::status::words;

kernel::typed_id!(
    /// A parcel.
    ShipmentId
);

words! {
    /// Where a parcel stands
    pub enum ShipmentState {
        /// Packed; its units are still on the shelf's books
        Packed = "packed",
        /// On its way
        Shipped = "shipped",
        /// It arrived
        Delivered = "delivered",
        /// Unpacked before it left
        Cancelled = "cancelled",
        /// It left and will not arrive
        Lost = "lost",
    }
}

words! {
    /// What moves a parcel
    pub enum ShipmentEvent {
        /// It leaves
        Ship = "ship",
        /// It arrives
        Deliver = "deliver",
        /// It is unpacked again
        Cancel = "cancel",
        /// It is given up
        Lose = "lose",
    }
}

/// The parcel cannot do that from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shipment that is {from} cannot {event}")]
pub struct InvalidShipmentMove {
    /// Where it stands.
    pub from: ShipmentState,
    /// What was asked of it.
    pub event: ShipmentEvent,
}

impl ShipmentState {
    /// The one transition table of parcels (`orders.guard_shipment` in the database says the same).
    ///
    /// # Errors
    /// The move is not in the table.
    pub const fn after(self, event: ShipmentEvent) -> Result<Self, InvalidShipmentMove> {
        use ShipmentEvent as E;
        match (self, event) {
            (Self::Packed, E::Ship) => Ok(Self::Shipped),
            (Self::Packed, E::Cancel) => Ok(Self::Cancelled),
            (Self::Shipped, E::Deliver) => Ok(Self::Delivered),
            (Self::Shipped, E::Lose) => Ok(Self::Lost),
            (from, event) => Err(InvalidShipmentMove { from, event }),
        }
    }
}

/// A parcel of one seller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// Its identifier.
    pub id: ShipmentId,
    /// The seller whose lines are in it.
    pub business_id: BusinessId,
    /// Where it stands.
    pub state: ShipmentState,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's name for it.
    pub tracking_number: Option<String>,
    /// Where the buyer can follow it.
    pub tracking_url: Option<String>,
    /// Why it was cancelled or is lost.
    pub reason: Option<String>,
    /// When it was packed.
    pub packed_at: DateTime<Utc>,
    /// When it left.
    pub shipped_at: Option<DateTime<Utc>>,
    /// When it arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// What is in it, by position.
    pub lines: Vec<Units>,
}

/// So many units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// The line's place in its order.
    pub position: i16,
    /// How many.
    pub quantity: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_state_and_event_is_decided() {
        use ShipmentEvent as E;
        use ShipmentState as S;
        let allowed = [
            (S::Packed, E::Ship, S::Shipped),
            (S::Packed, E::Cancel, S::Cancelled),
            (S::Shipped, E::Deliver, S::Delivered),
            (S::Shipped, E::Lose, S::Lost),
        ];
        for &from in S::ALL {
            for &event in E::ALL {
                let expected = allowed.iter().find(|(s, e, _)| (*s, *e) == (from, event)).map(|(_, _, to)| *to);
                assert_eq!(from.after(event), expected.ok_or(InvalidShipmentMove { from, event }));
            }
        }
    }
}
