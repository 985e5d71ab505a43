//! Variants that everybody wants at once. Whoever wants something else is not made to wait behind them.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use kernel::VariantId;

use super::Placement;

/// Orders of a batch that want the same variant, at least, before it is a crowd; and half of the batch.
const CROWD: usize = 8;
/// How long a crowd is remembered that is not seen again; longer than a batch may take.
const OVER: Duration = Duration::from_secs(10);

/// What the last batch was crowded with that was large enough to tell: usually nothing.
#[derive(Debug, Default)]
pub(super) struct Crowd(RwLock<Option<(Instant, Vec<VariantId>)>>);

impl Crowd {
    /// Looks at a batch: what is wanted by half of its orders is what the next ones come for. A batch that is too small for a
    /// crowd says nothing: among the batches of a crowd there are some, and whoever passes by must not fall in between.
    pub(super) fn watch<'a>(&self, batch: impl ExactSizeIterator<Item = &'a Placement>, now: Instant) {
        let orders = batch.len();
        if orders < CROWD {
            return;
        }
        let mut wanted: HashMap<VariantId, usize> = HashMap::new();
        for line in batch.flat_map(|placement| &placement.lines) {
            *wanted.entry(line.variant_id).or_default() += 1;
        }
        wanted.retain(|_, wanting| *wanting >= CROWD.max(orders.div_ceil(2)));
        let crowd = (!wanted.is_empty()).then(|| (now, wanted.into_keys().collect()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = crowd;
    }

    /// Whether there is a crowd and this order has nothing to do with it.
    pub(super) fn is_passed_by(&self, placement: &Placement, now: Instant) -> bool {
        let crowd = self.0.read().unwrap_or_else(PoisonError::into_inner);
        crowd.as_ref().is_some_and(|(since, variants)| {
            now < *since + OVER && !placement.lines.iter().any(|line| variants.contains(&line.variant_id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::intake::tests::placement_of, *};

    /// A batch with so many orders of the one and of the other.
    fn batch(orders: [(VariantId, usize); 2]) -> Vec<Placement> {
        orders.into_iter().flat_map(|(variant, count)| (0..count).map(move |_| placement_of(variant, ""))).collect()
    }

    #[test]
    fn what_half_of_a_batch_wants_is_a_crowd_until_a_large_batch_does_not_or_for_ten_seconds() {
        let (crowd, now) = (Crowd::default(), Instant::now());
        let [hot, cold] = [VariantId::new(), VariantId::new()];
        let [wants_hot, wants_cold] = [hot, cold].map(|variant| placement_of(variant, ""));
        let mut wants_both = wants_hot.clone();
        wants_both.lines.extend(&wants_cold.lines);
        for (hot_ones, cold_ones, is_hot, is_cold) in [
            (7, 0, false, false),
            (8, 0, true, false),
            (8, 7, true, false),
            (8, 8, true, true),
            (8, 9, false, true),
            (1, 0, false, true),
            (7, 0, false, true),
        ] {
            crowd.watch(batch([(hot, hot_ones), (cold, cold_ones)]).iter(), now);
            let passes = [&wants_hot, &wants_cold, &wants_both].map(|placement| crowd.is_passed_by(placement, now));
            assert_eq!(passes, [is_cold && !is_hot, is_hot && !is_cold, false], "{hot_ones} and {cold_ones}");
        }
        crowd.watch((0..CROWD).map(|_| placement_of(VariantId::new(), "")).collect::<Vec<_>>().iter(), now);
        assert!(
            !crowd.is_passed_by(&wants_hot, now) && !crowd.is_passed_by(&wants_cold, now),
            "all want something else"
        );
        crowd.watch(batch([(hot, 9), (cold, 1)]).iter(), now);
        assert!(crowd.is_passed_by(&wants_cold, now + OVER / 2));
        assert!(!crowd.is_passed_by(&wants_cold, now + OVER));
    }
}
