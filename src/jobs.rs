//! The registry of jobs: every name that may stand in the queue, and who handles it.

use kernel::job::Registry;

use crate::wiring::Wiring;

/// All jobs and schedules. A name is never reused; a retired one stays until its rows are gone.
pub fn registry(wiring: &Wiring) -> Registry {
    let pool = &wiring.worker_pool;
    let registry = Registry::new();
    let registry = accounts::register(registry, &wiring.accounts(pool));
    let registry = catalog::register(registry, &wiring.catalog(pool));
    // Orders also handle what payments enqueue: only they know what money means for an order.
    orders::register(registry, &wiring.orders(pool))
}
