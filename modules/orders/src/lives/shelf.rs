//! The shelf as a model: what is there, what is promised, and every move.

use std::collections::BTreeMap;

use catalog::CatalogError;
use kernel::VariantId;

use crate::{change::StockMove, error::OrderError};

/// The counters of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    pub on_hand: i32,
    pub reserved: i32,
    /// What is promised to other orders.
    pub others: i32,
    /// What came in.
    pub received: i32,
}

/// Every variant's counters, and the ledger of moves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    pub counters: BTreeMap<VariantId, Counters>,
    pub moves: Vec<(VariantId, i32, i32)>,
}

impl Shelf {
    /// Moves units, by the rules of the catalog's book.
    pub fn step(&mut self, variant_id: VariantId, what: StockMove, quantity: i32) -> Result<(), OrderError> {
        let (on_hand, reserved) = what.deltas(quantity);
        let counters = self.counters.entry(variant_id).or_default();
        let available = i64::from(counters.on_hand - counters.reserved);
        let after =
            Counters { on_hand: counters.on_hand + on_hand, reserved: counters.reserved + reserved, ..*counters };
        if after.on_hand < 0 || after.reserved < 0 || after.reserved > after.on_hand {
            return Err(OrderError::Catalog(match what {
                StockMove::Reserve => CatalogError::NotEnough { variant_id, available },
                StockMove::Ship => CatalogError::NotEnough { variant_id, available: i64::from(counters.on_hand) },
                StockMove::Release | StockMove::Return => CatalogError::ImpossibleQuantity { variant_id, quantity },
            }));
        }
        *counters = after;
        self.moves.push((variant_id, on_hand, reserved));
        Ok(())
    }

    /// Goods come in, or go to another order.
    pub fn others(&mut self, variant_id: VariantId, received: i32, promised: i32) {
        let counters = self.counters.entry(variant_id).or_default();
        let promised = promised.min(counters.on_hand + received - counters.reserved).max(-counters.others);
        counters.on_hand += received;
        counters.received += received;
        counters.reserved += promised;
        counters.others += promised;
        self.moves.push((variant_id, received, promised));
    }
}
