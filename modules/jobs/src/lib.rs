//! The queue engine: our table and claims under fang's worker pool.
