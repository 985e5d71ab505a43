//! Numbers about what a process does, for whoever watches it (`docs/metrics.md` lists them all).
//!
//! An instrument is a static of the module that counts with it. Before the composition root has installed a meter provider,
//! and when nobody is to watch, everything here does nothing. Labels are words from a short list, never ids.

use std::cell::RefCell;

use opentelemetry::global;

pub use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};

/// Where all instruments come from.
pub fn meter() -> Meter {
    global::meter("oms")
}

/// Something that only grows. In Prometheus its name ends in `_total`.
pub fn counter(name: &'static str, about: &'static str) -> Counter<u64> {
    meter().u64_counter(name).with_description(about).build()
}

/// How long something takes, in seconds. In Prometheus its name has `_seconds` in it.
pub fn seconds(name: &'static str, about: &'static str, boundaries: &[f64]) -> Histogram<f64> {
    meter().f64_histogram(name).with_unit("s").with_description(about).with_boundaries(boundaries.to_vec()).build()
}

type Count = Box<dyn FnOnce() + Send>;

tokio::task_local! {
    static TALLY: RefCell<Vec<Count>>;
}

/// Counts something when what is being done is committed, and not when it is rolled back or lost a race. Outside of
/// [`when_committed`] it is counted at once.
pub fn on_commit(count: impl FnOnce() + Send + 'static) {
    let mut count: Option<Count> = Some(Box::new(count));
    let _outside = TALLY.try_with(|tally| tally.borrow_mut().extend(count.take()));
    if let Some(count) = count {
        count();
    }
}

/// Nothing of what is being done is kept after all (a dry run): nothing is counted.
pub fn nothing_was_kept() {
    let _outside = TALLY.try_with(|tally| tally.borrow_mut().clear());
}

/// Runs `work`, which is or ends with a transaction, and counts what it wanted counted if it went well.
///
/// # Errors
/// What the work said.
pub async fn when_committed<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let (outcome, counts) = TALLY
        .scope(RefCell::default(), async {
            let outcome = work.await;
            (outcome, TALLY.with(RefCell::take))
        })
        .await;
    if outcome.is_ok() {
        counts.into_iter().for_each(|count| count());
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn only_what_is_committed_is_counted() {
        let counted = Arc::new(AtomicU32::new(0));
        let count = || {
            let counted = counted.clone();
            on_commit(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            });
        };
        let now = || counted.load(Ordering::Relaxed);
        count();
        assert_eq!(now(), 1, "there is nothing to wait for");
        let kept = when_committed(async {
            count();
            assert_eq!(now(), 1, "not yet");
            Ok::<_, ()>(())
        });
        kept.await.unwrap();
        assert_eq!(now(), 2);
        let lost = when_committed(async {
            count();
            Err::<(), _>(())
        });
        lost.await.unwrap_err();
        let tried = when_committed(async {
            count();
            nothing_was_kept();
            Ok::<_, ()>(())
        });
        tried.await.unwrap();
        assert_eq!(now(), 2);
    }
}
