//! Everything a process is made of, built from its configuration: pools, clock, and what the modules need.

use std::{sync::Arc, time::Duration};

use kernel::{Pool, SharedClock, SystemClock, db, db::PoolSettings};
use payments::{SecretError, SigningSecret, SigningSecrets, WebhookGateway};

use crate::config::{Config, ConfigError, Environment, Needs};

/// Why the parts of a process cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The configuration is not complete.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A webhook secret that nothing can be signed with.
    #[error("OMS_WEBHOOK_SECRETS cannot be used")]
    WebhookSecret(#[source] SecretError),
}

/// The name of the mock gateway, as in the path of its webhooks.
pub const GATEWAY: &str = "mock";

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
    /// What the gateway's webhooks are verified with; the first one signs at the mock gateway.
    pub webhook_secrets: SigningSecrets,
}

impl Wiring {
    /// Builds the parts. Nothing connects yet.
    ///
    /// # Errors
    /// When a part refuses what it is configured with.
    pub fn new(config: Config) -> Result<Self, WiringError> {
        Self::with_clock(config, Arc::new(SystemClock))
    }

    /// Builds the parts around a clock of one's own.
    ///
    /// # Errors
    /// When a part refuses what it is configured with.
    pub fn with_clock(config: Config, clock: SharedClock) -> Result<Self, WiringError> {
        let url = config.database_url.expose();
        let workers = config.workers_urgent.saturating_add(config.workers_bulk);
        let pool = |settings| db::pool(url, settings);
        let secrets = config.webhook_secrets.iter().map(|secret| SigningSecret::parse(secret.expose()));
        let webhook_secrets =
            SigningSecrets::new(secrets.collect::<Result<_, _>>().map_err(WiringError::WebhookSecret)?);
        Ok(Self {
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
            webhook_secrets,
            clock,
            config: Arc::new(config),
        })
    }

    /// The routes of payments.
    pub fn payments_api(&self) -> payments::Api {
        let gateway = WebhookGateway { name: GATEWAY.to_owned(), secrets: self.webhook_secrets.clone() };
        payments::Api::new(self.api_pool.clone(), self.clock.clone(), vec![gateway])
    }

    /// Parts that are only good for describing the API: nothing is configured, nothing ever connects.
    ///
    /// # Errors
    /// Never with the built-in defaults; a test reads them all.
    pub fn for_description() -> Result<Self, WiringError> {
        let environment = Environment::empty().with("DATABASE_URL", "postgres://127.0.0.1/none");
        Self::new(Config::read(&environment, Needs::Nothing)?)
    }
}
