//! Everything a process is made of, built from its configuration: pools, clock, and what the modules need.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kernel::{Pool, SharedClock, SystemClock, db, db::PoolSettings, mail::Mailer};
use orders::place::{Intake, IntakeSettings};

use crate::{
    config::{Config, ConfigError, Environment, Needs},
    mail::{MailSettings, SmtpMailer},
};

/// The name of the mock gateway, as in the path of its webhooks.
pub const MOCK: &str = "mock";

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
    /// The modules as requests use them.
    pub api: Modules,
    /// The modules as job handlers use them.
    pub work: Modules,
}

/// The modules over one pool. Cheap to clone.
#[derive(Clone)]
pub struct Modules {
    /// Users, passwords, tokens and roles.
    pub accounts: accounts::Accounts,
    /// Who a token belongs to.
    pub verifier: kernel::SharedVerifier,
    /// What is for sale.
    pub catalog: catalog::Catalog,
    /// Gateways' reports.
    pub payments: payments::Api,
    /// Orders.
    pub orders: orders::Orders,
}

/// What is configured cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The configuration has problems.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The mail settings.
    #[error(transparent)]
    Mail(#[from] crate::mail::MailSettingsError),
    /// A mail template.
    #[error("a mail template is broken")]
    Template(#[from] crate::mail::RenderError),
    /// The key that signs access tokens.
    #[error("SECRET_KEY cannot be used")]
    Key(#[from] accounts::KeyError),
    /// A webhook secret.
    #[error("OMS_WEBHOOK_SECRETS cannot be used")]
    WebhookSecret(#[from] payments::SecretError),
    /// The working directory is gone.
    #[error("OMS_MEDIA_URL is a relative path, and the working directory cannot be found")]
    WorkingDirectory(#[source] std::io::Error),
    /// Where pictures are kept.
    #[error("OMS_MEDIA_URL cannot be used")]
    Media(#[from] catalog::media::OpenStoreError),
    /// The gateway's address.
    #[error("OMS_GATEWAY_URL cannot be used")]
    Gateway(#[from] payments::GatewayError),
}

impl Wiring {
    /// Builds the parts. Nothing connects yet.
    ///
    /// # Errors
    /// What is configured and cannot be built.
    pub fn new(config: Config) -> Result<Self, WiringError> {
        Self::with_clock(config, Arc::new(SystemClock))
    }

    /// Builds the parts around a clock of one's own.
    ///
    /// # Errors
    /// What is configured and cannot be built.
    pub fn with_clock(config: Config, clock: SharedClock) -> Result<Self, WiringError> {
        let url = config.database_url.expose();
        let workers = config.workers_urgent.saturating_add(config.workers_bulk);
        let pool = |settings| db::pool(url, settings);
        let api_pool = pool(PoolSettings {
            max_size: config.db_pool,
            application_name: "oms api",
            ..PoolSettings::default()
        });
        let worker_pool = pool(PoolSettings {
            max_size: workers.clamp(1, 16),
            application_name: "oms worker",
            statement_timeout: Duration::from_secs(60),
            wait: Duration::from_secs(5),
            ..PoolSettings::default()
        });
        let shared = Shared::new(&config, &clock)?;
        Ok(Self {
            api: shared.modules(&config, api_pool.clone())?,
            work: shared.modules(&config, worker_pool.clone())?,
            api_pool,
            worker_pool,
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
        })
    }

    /// Parts that are only good for describing the API: nothing is configured, nothing ever connects.
    ///
    /// # Errors
    /// Never with the built-in defaults; a test reads them all.
    pub fn for_description() -> Result<Self, WiringError> {
        let environment = Environment::empty()
            .with("DATABASE_URL", "postgres://127.0.0.1/none")
            .with("OMS_MEDIA_URL", "memory:///");
        Self::new(Config::read(&environment, Needs::Nothing)?)
    }
}

/// What the modules of requests and those of jobs share.
struct Shared {
    clock: SharedClock,
    mailer: Arc<dyn Mailer>,
    keys: Arc<accounts::TokenKeys>,
    hasher: accounts::Hasher,
    gateways: Arc<BTreeMap<String, payments::SharedGateway>>,
    media: catalog::media::MediaStore,
    workshop: catalog::media::Workshop,
    intake: Intake,
}

impl Shared {
    fn new(config: &Config, clock: &SharedClock) -> Result<Self, WiringError> {
        let mail = &config.mail;
        let password = mail.password.as_ref().map(crate::config::Secret::expose);
        let mail = MailSettings::new(&mail.server, mail.port, mail.username.as_deref(), password, &mail.from)?;
        let gateway = payments::HttpGateway::new(payments::HttpGatewaySettings {
            name: MOCK.to_owned(),
            base_url: config.gateway.url.clone(),
            api_key: config.gateway.api_key.expose().to_owned(),
        })?;
        let gateway: payments::SharedGateway = Arc::new(gateway);
        Ok(Self {
            clock: Arc::clone(clock),
            mailer: Arc::new(SmtpMailer::new(mail, Arc::clone(clock))?),
            keys: Arc::new(accounts::TokenKeys::new(config.secret_key.expose().as_bytes(), Arc::clone(clock))?),
            hasher: accounts::Hasher::default(),
            gateways: Arc::new(BTreeMap::from([(MOCK.to_owned(), gateway)])),
            media: catalog::media::open_store(&media_address(&config.media_url)?, [])?,
            workshop: catalog::media::Workshop::default(),
            intake: Intake::new(IntakeSettings::new(config.database_url.expose())),
        })
    }

    fn modules(&self, config: &Config, pool: Pool) -> Result<Modules, WiringError> {
        let secrets = config
            .webhook_secrets
            .iter()
            .map(|secret| payments::SigningSecret::parse(secret.expose()))
            .collect::<Result<Vec<_>, _>>()?;
        let webhooks = payments::WebhookGateway { name: MOCK.to_owned(), secrets: payments::SigningSecrets::new(secrets) };
        Ok(Modules {
            accounts: accounts::Accounts::new(
                pool.clone(),
                Arc::clone(&self.clock),
                Arc::clone(&self.keys),
                Arc::clone(&self.mailer),
                &config.public_url,
                self.hasher.clone(),
            ),
            verifier: self.keys.clone(),
            catalog: catalog::Catalog {
                pool: pool.clone(),
                clock: Arc::clone(&self.clock),
                media: Arc::clone(&self.media),
                workshop: self.workshop.clone(),
                public_url: config.public_url.clone(),
            },
            payments: payments::Api::new(pool.clone(), Arc::clone(&self.clock), vec![webhooks]),
            orders: orders::Orders {
                pool,
                clock: Arc::clone(&self.clock),
                intake: self.intake.clone(),
                gateways: Arc::clone(&self.gateways),
                mailer: Arc::clone(&self.mailer),
                public_url: config.public_url.clone(),
                expiry: orders::Expiry { after: config.order_expiry, sweep: config.expiry_sweep },
            },
        })
    }
}

/// The address of a place for pictures: a path is a directory.
fn media_address(place: &str) -> Result<String, WiringError> {
    if place.contains("://") {
        return Ok(place.to_owned());
    }
    let directory = std::path::absolute(place).map_err(WiringError::WorkingDirectory)?;
    Ok(format!("file://{}", directory.display()))
}
