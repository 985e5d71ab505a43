//! Variants that everybody wants at once. Whoever wants something else is not made to wait behind them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use kernel::VariantId;

use super::Placement;

/// Orders that want the same variant, at least, before it is a crowd; and half of those that wait.
const CROWD: usize = 8;
/// How long a crowd is remembered that is not seen again; longer than a batch may take.
const OVER: Duration = Duration::from_secs(10);
/// How long whoever has passed by is thought of; longer than a buyer takes from one order to the next.
const LATELY: Duration = Duration::from_millis(50);
/// Orders of a crowd in one batch beside somebody who passes by. Both share PostgreSQL, its log and the processors: what is
/// noticed of a crowd is how large its batches are (measured, see `docs/performance.md`).
const FEW: usize = 2;

/// What those who wait were crowded with when there were enough of them to tell, usually nothing; and who passes by.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    wanted: RwLock<Option<(Instant, Vec<VariantId>)>>,
    passers: Mutex<Passers>,
}

#[derive(Debug, Default)]
struct Passers {
    now: usize,
    /// When the last one came.
    last: Option<Instant>,
}

/// Somebody who passes by, until they have their answer.
#[derive(Debug)]
pub(super) struct Passing<'a>(&'a Crowd);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.passers().now -= 1;
    }
}

impl Crowd {
    /// Looks at those who wait: what is wanted by half of them is what the next ones come for. Too few for a crowd say nothing:
    /// now and then a crowd has few who wait, and whoever passes by must not fall in between.
    pub(super) fn watch<'a>(&self, waiting: impl ExactSizeIterator<Item = &'a Placement>, now: Instant) {
        let orders = waiting.len();
        if orders < CROWD {
            return;
        }
        let mut wanted: HashMap<VariantId, usize> = HashMap::new();
        for line in waiting.flat_map(|placement| &placement.lines) {
            *wanted.entry(line.variant_id).or_default() += 1;
        }
        wanted.retain(|_, wanting| *wanting >= CROWD.max(orders.div_ceil(2)));
        let crowd = (!wanted.is_empty()).then(|| (now, wanted.into_keys().collect()));
        *self.wanted.write().unwrap_or_else(PoisonError::into_inner) = crowd;
    }

    /// Passes by if there is a crowd and this order has nothing to do with it.
    pub(super) fn pass_by(&self, placement: &Placement, now: Instant) -> Option<Passing<'_>> {
        let crowd = self.wanted.read().unwrap_or_else(PoisonError::into_inner);
        let (since, variants) = crowd.as_ref()?;
        if now >= *since + OVER || placement.lines.iter().any(|line| variants.contains(&line.variant_id)) {
            return None;
        }
        let mut passers = self.passers();
        passers.now += 1;
        passers.last = Some(now);
        Some(Passing(self))
    }

    /// How many of those who wait make a batch, of so many at most: beside others a crowd takes no more at once than they do,
    /// and a few. Without a crowd there is nobody to spare.
    pub(super) fn share(&self, most: usize, now: Instant) -> usize {
        let crowd = self.wanted.read().unwrap_or_else(PoisonError::into_inner);
        let is_crowd = crowd.as_ref().is_some_and(|(since, _)| now < *since + OVER);
        let passers = self.passers();
        let is_beside = passers.now > 0 || passers.last.is_some_and(|last| now < last + LATELY);
        if is_crowd && is_beside { most.min(passers.now.max(FEW)) } else { most }
    }

    fn passers(&self) -> MutexGuard<'_, Passers> {
        self.passers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::intake::tests::placement_of, *};

    /// So many orders of the one and of the other.
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
            let passes =
                [&wants_hot, &wants_cold, &wants_both].map(|placement| crowd.pass_by(placement, now).is_some());
            assert_eq!(passes, [is_cold && !is_hot, is_hot && !is_cold, false], "{hot_ones} and {cold_ones}");
        }
        crowd.watch((0..CROWD).map(|_| placement_of(VariantId::new(), "")).collect::<Vec<_>>().iter(), now);
        assert!(
            crowd.pass_by(&wants_hot, now).is_none() && crowd.pass_by(&wants_cold, now).is_none(),
            "all want something else"
        );
        crowd.watch(batch([(hot, 9), (cold, 1)]).iter(), now);
        assert!(crowd.pass_by(&wants_cold, now + OVER / 2).is_some());
        assert!(crowd.pass_by(&wants_cold, now + OVER).is_none());
    }

    #[test]
    fn beside_others_a_crowd_takes_as_many_as_they_do_and_a_few_at_least() {
        let (crowd, now) = (Crowd::default(), Instant::now());
        let [hot, cold] = [VariantId::new(), VariantId::new()];
        crowd.watch(batch([(hot, 8), (cold, 0)]).iter(), now);
        assert_eq!(crowd.share(256, now), 256, "nobody else");
        let pass = || crowd.pass_by(&placement_of(cold, ""), now).unwrap();
        let first = pass();
        assert_eq!(crowd.share(256, now), FEW);
        let more: Vec<_> = (0..9).map(|_| pass()).collect();
        assert_eq!(crowd.share(256, now), 10);
        assert_eq!(crowd.share(8, now), 8);
        drop(more);
        drop(first);
        assert_eq!(crowd.share(256, now + LATELY / 2), FEW, "the next one is on its way");
        assert_eq!(crowd.share(256, now + LATELY), 256, "nobody comes any more");

        let _still_there = pass();
        assert_eq!(crowd.share(256, now), FEW);
        assert_eq!(crowd.share(256, now + OVER), 256, "nothing was seen of the crowd for long");
        crowd.watch(batch([(hot, 8), (cold, 9)]).iter(), now);
        assert_eq!(crowd.share(256, now), FEW, "there is another crowd");
        crowd.watch((0..CROWD).map(|_| placement_of(VariantId::new(), "")).collect::<Vec<_>>().iter(), now);
        assert_eq!(crowd.share(256, now), 256, "those who wait are no crowd any more");
    }
}
