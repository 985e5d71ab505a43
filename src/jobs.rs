//! The registry of jobs: every name that may stand in the queue, and who handles it.

use kernel::job::Registry;

use crate::wiring::Wiring;

/// All jobs and schedules of `oms worker`. A name is never reused; a retired one stays until its rows are gone.
pub fn registry(wiring: &Wiring) -> Registry {
    let registry = accounts::register(Registry::new(), &wiring.work.accounts);
    let registry = catalog::register(registry, &wiring.work.catalog);
    orders::register(registry, &wiring.work.orders)
}
