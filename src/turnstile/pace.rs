//! The rule (GCRA): whoever takes one at a time, evenly, is never refused; whoever takes many at once is ahead of the even pace,
//! and may be ahead by one window at most.
//!
//! All that is kept of somebody is one moment, the one at which they will be even again. `take.lua` is the same rule.

use std::time::Duration;

use kernel::limit::{Quota, Standing, TooMany};

/// A quota in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The even pace: one in this time.
    pub(super) interval: i64,
    /// How far ahead of it one may be.
    pub(super) window: i64,
}

impl From<Quota> for Pace {
    fn from(quota: Quota) -> Self {
        let burst = i64::from(quota.burst.max(1));
        let interval = (micros(quota.window) / burst).max(1);
        Self { interval, window: interval.saturating_mul(burst) }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

impl Pace {
    /// Somebody who will be even at `even_at` takes one. Answers when they will be even then.
    pub(super) fn take(self, even_at: Option<i64>, now: i64) -> Result<i64, TooMany> {
        // Nobody can be ahead by more than a window; who seems to be met a clock that has been set back.
        let even_at = even_at.unwrap_or(now).clamp(now, now.saturating_add(self.window));
        let next = even_at.saturating_add(self.interval);
        let ahead = next.saturating_sub(now);
        if ahead > self.window { Err(self.refusal(ahead)) } else { Ok(next) }
    }

    /// The refusal of somebody who would be ahead by so much.
    pub(super) fn refusal(self, ahead: i64) -> TooMany {
        TooMany { retry_after: duration(ahead.saturating_sub(self.window)) }
    }

    /// What is left for somebody who is ahead by so much.
    pub(super) fn standing(self, ahead: i64) -> Standing {
        let left = self.window.saturating_sub(ahead) / self.interval;
        Standing { remaining: u32::try_from(left).unwrap_or(0), whole_in: duration(ahead) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn pace() -> Pace {
        Quota::new("test", 5, Duration::from_secs(10)).into()
    }

    #[test]
    fn a_burst_passes_and_then_the_even_pace() {
        let (pace, now) = (pace(), 1_000 * SECOND);
        let mut even_at = None;
        for left in (0..5).rev() {
            let next = pace.take(even_at, now).unwrap();
            assert_eq!(pace.standing(next - now).remaining, left);
            even_at = Some(next);
        }
        assert_eq!(pace.take(even_at, now).unwrap_err().retry_after, Duration::from_secs(2));
        assert!(pace.take(even_at, now + 2 * SECOND - 1).is_err());
        let next = pace.take(even_at, now + 2 * SECOND).unwrap();
        assert!(pace.take(Some(next), now + 2 * SECOND).is_err(), "one interval, one more");
        assert_eq!(pace.standing(even_at.unwrap() - now).whole_in, Duration::from_secs(10));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_a_window() {
        let (pace, later, now) = (pace(), 5_000 * SECOND, 1_000 * SECOND);
        let refused = pace.take(Some(later), now).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(2));
    }
}
