//! Panics outside of jobs: counted wherever they are caught. The panic hook has already written down where it happened.

use std::sync::atomic::{AtomicU64, Ordering};

static CAUGHT: AtomicU64 = AtomicU64::new(0);

/// How many panics of this process were caught: of requests, and of the intake. Anything but 0 is a bug.
pub fn caught() -> u64 {
    CAUGHT.load(Ordering::Relaxed)
}

/// Counts one.
pub fn count() {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}
