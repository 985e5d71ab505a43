//! What can be read off the parts of a process whenever somebody asks: pools of connections, the intake's queue.

use kernel::{
    Pool,
    metrics::{self, KeyValue},
};

use crate::wiring::Wiring;

/// Has the pools and the intake watched. A process without workers uses none of their pools.
pub(super) fn watch(wiring: &Wiring) {
    let pools: Vec<(&'static str, Pool)> = vec![
        ("api", wiring.api_pool.clone()),
        ("worker", wiring.worker_pool.clone()),
        ("queue", wiring.machinery_pool.clone()),
    ];
    let meter = metrics::meter();
    let watched = pools.clone();
    meter
        .u64_observable_gauge("oms_db_pool_connections")
        .with_description("Connections to the database, in use or idle.")
        .with_callback(move |observer| {
            for (name, pool) in &watched {
                let state = pool.state();
                let used = state.connections.saturating_sub(state.idle_connections);
                for (word, count) in [("used", used), ("idle", state.idle_connections)] {
                    observer.observe(count.into(), &[KeyValue::new("pool", *name), KeyValue::new("state", word)]);
                }
            }
        })
        .build();
    let limits = [
        ("api", wiring.config.db_pool),
        ("worker", crate::wiring::worker_connections(&wiring.config)),
        ("queue", jobs::pool_settings().max_size),
    ];
    meter
        .u64_observable_gauge("oms_db_pool_connections_limit")
        .with_description("How many connections there may be.")
        .with_callback(move |observer| {
            for (name, limit) in limits {
                observer.observe(limit.into(), &[KeyValue::new("pool", name)]);
            }
        })
        .build();
    let watched = pools.clone();
    meter
        .u64_observable_counter("oms_db_pool_gets")
        .with_description("Askings for a connection: had at once (direct), after a wait (waited), or not (timed_out).")
        .with_callback(move |observer| {
            for (name, pool) in &watched {
                let gets = pool.state().statistics;
                let outcomes =
                    [("direct", gets.get_direct), ("waited", gets.get_waited), ("timed_out", gets.get_timed_out)];
                for (word, count) in outcomes {
                    observer.observe(count, &[KeyValue::new("pool", *name), KeyValue::new("outcome", word)]);
                }
            }
        })
        .build();
    meter
        .f64_observable_counter("oms_db_pool_wait")
        .with_unit("s")
        .with_description("Time spent waiting for connections.")
        .with_callback(move |observer| {
            for (name, pool) in &pools {
                let waited = pool.state().statistics.get_wait_time;
                observer.observe(waited.as_secs_f64(), &[KeyValue::new("pool", *name)]);
            }
        })
        .build();
    let intake = wiring.intake();
    meter
        .u64_observable_gauge("oms_intake_waiting")
        .with_description("Placements that wait for their batch.")
        .with_callback(move |observer| observer.observe(u64::try_from(intake.waiting()).unwrap_or(u64::MAX), &[]))
        .build();
}
