//! Everything a process is made of, built from its configuration: pools, clock, and what the modules need.

use std::{sync::Arc, time::Duration};

use kernel::{Pool, SharedClock, SystemClock, db, db::PoolSettings};

use crate::config::{Config, ConfigError, Environment, Needs};

/// The parts of a process. Cheap to clone.
#[derive(Clone)]
pub struct Wiring {
    /// The configuration.
    pub config: Arc<Config>,
    /// The time.
    pub clock: SharedClock,
    /// Connections for requests.
    pub api_pool: Pool,
    /// Connections for what job handlers do; statements may take a minute.
    pub worker_pool: Pool,
    /// Connections for the queue's own bookkeeping, so that it never waits for the work.
    pub machinery_pool: Pool,
    /// One connection for readiness, so that it can be asked while everything else is busy.
    pub health_pool: Pool,
}

impl Wiring {
    /// Builds the parts. Nothing connects yet.
    pub fn new(config: Config) -> Self {
        Self::with_clock(config, Arc::new(SystemClock))
    }

    /// Builds the parts around a clock of one's own.
    pub fn with_clock(config: Config, clock: SharedClock) -> Self {
        let url = config.database_url.expose();
        let workers = config.workers_urgent.saturating_add(config.workers_bulk);
        let pool = |settings| db::pool(url, settings);
        Self {
            api_pool: pool(PoolSettings {
                max_size: config.db_pool,
                application_name: "oms api",
                ..PoolSettings::default()
            }),
            worker_pool: pool(PoolSettings {
                max_size: workers.clamp(1, 16),
                application_name: "oms worker",
                statement_timeout: Duration::from_secs(60),
                wait: Duration::from_secs(5),
                ..PoolSettings::default()
            }),
            machinery_pool: pool(PoolSettings {
                max_size: 4,
                application_name: "oms queue",
                wait: Duration::from_secs(5),
                ..PoolSettings::default()
            }),
            health_pool: pool(PoolSettings {
                max_size: 1,
                application_name: "oms health",
                statement_timeout: Duration::from_secs(1),
                ..PoolSettings::default()
            }),
            clock,
            config: Arc::new(config),
        }
    }

    /// Parts that are only good for describing the API: nothing is configured, nothing ever connects.
    ///
    /// # Errors
    /// Never with the built-in defaults; a test reads them all.
    pub fn for_description() -> Result<Self, ConfigError> {
        let environment = Environment::empty().with("DATABASE_URL", "postgres://127.0.0.1/none");
        Ok(Self::new(Config::read(&environment, Needs::Nothing)?))
    }
}
