//! Variants that everybody wants at once. Whoever wants something else is not made to wait behind them.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use kernel::VariantId;

use super::Placement;

/// Orders of a batch that want the same variant, at least, before it is a crowd; and half of the batch.
const CROWD: usize = 8;

/// What the last batch was crowded with: usually nothing.
#[derive(Debug, Default)]
pub(super) struct Crowd(RwLock<Vec<VariantId>>);

impl Crowd {
    /// Looks at a batch: what is wanted by half of its orders is what the next ones come for.
    pub(super) fn watch<'a>(&self, batch: impl ExactSizeIterator<Item = &'a Placement>) {
        let orders = batch.len();
        let mut wanted: HashMap<VariantId, usize> = HashMap::new();
        if orders >= CROWD {
            for line in batch.flat_map(|placement| &placement.lines) {
                *wanted.entry(line.variant_id).or_default() += 1;
            }
        }
        wanted.retain(|_, wanting| *wanting >= CROWD.max(orders.div_ceil(2)));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = wanted.into_keys().collect();
    }

    /// Whether there is a crowd and this order has nothing to do with it.
    pub(super) fn is_passed_by(&self, placement: &Placement) -> bool {
        let crowd = self.0.read().unwrap_or_else(PoisonError::into_inner);
        !crowd.is_empty() && !placement.lines.iter().any(|line| crowd.contains(&line.variant_id))
    }
}
