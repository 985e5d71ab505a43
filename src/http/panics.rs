//! Panics: counted, and answered like any other failure on our side.

use std::sync::atomic::{AtomicU64, Ordering};

static CAUGHT: AtomicU64 = AtomicU64::new(0);

/// How many requests of this process have ended in a panic. Anything but 0 is a bug.
pub fn caught() -> u64 {
    CAUGHT.load(Ordering::Relaxed)
}

/// Counts one. The panic hook has already written down where it happened.
pub(super) fn count() {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}
