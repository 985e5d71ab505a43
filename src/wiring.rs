//! Everything a process is made of, built from its configuration: pools, clock, and what the modules need.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use accounts::{Accounts, Doors, Hasher, KeyError, TokenKeys};
use catalog::{
    Catalog,
    media::{MediaStore, OpenStoreError, Workshop, open_store},
};
use kernel::{Pool, SharedClock, SharedVerifier, SystemClock, db, db::PoolSettings, mail::Mailer};
use orders::{
    Expiry, Files, Orders,
    place::{Intake, IntakeSettings},
};
use payments::{
    Gateway, GatewayError, HttpGateway, HttpGatewaySettings, OfflineGateway, SecretError, SigningSecret,
    SigningSecrets, WebhookGateway,
};
use reqwest::Url;

use crate::{
    config::{Config, ConfigError, Environment, Needs, Secret},
    mail::{MailSettings, MailSettingsError, RenderError, SmtpMailer},
    redis_link::RedisLink,
    turnstile::Turnstile,
};

/// Why the parts of a process cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The configuration is not complete.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A webhook secret that nothing can be signed with.
    #[error("OMS_WEBHOOK_SECRETS cannot be used")]
    WebhookSecret(#[source] SecretError),
    /// A key that tokens cannot be signed with.
    #[error("SECRET_KEY cannot be used")]
    SecretKey(#[source] KeyError),
    /// Mail cannot be sent like that.
    #[error(transparent)]
    Mail(#[from] MailSettingsError),
    /// The mail templates are broken.
    #[error("the mail templates cannot be used")]
    Templates(#[source] RenderError),
    /// The gateway cannot be reached like that.
    #[error("OMS_GATEWAY_URL cannot be used")]
    Gateway(#[source] GatewayError),
    /// Redis cannot be reached like that.
    #[error("REDIS_URL cannot be used")]
    Redis(#[source] redis::RedisError),
    /// Pictures cannot be kept there.
    #[error("OMS_MEDIA_URL cannot be used")]
    Media(#[source] OpenStoreError),
    /// The directory for pictures has no full path.
    #[error("the directory of OMS_MEDIA_URL cannot be found")]
    MediaDirectory(#[source] io::Error),
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
    /// Knows who is let in.
    pub doors: Arc<Doors>,
    /// Carries mail.
    pub mailer: Arc<dyn Mailer>,
    /// The payment gateways by name.
    pub gateways: Arc<BTreeMap<String, Arc<dyn Gateway>>>,
    /// What their webhooks are verified with; the first one signs at the mock gateway.
    pub webhook_secrets: SigningSecrets,
    /// Where pictures are kept.
    pub media: MediaStore,
    /// Redis, which helps when it is there.
    pub redis: RedisLink,
    /// Counts what may not be done too often.
    pub turnstile: Arc<Turnstile>,
    intake: Intake,
    hasher: Hasher,
    workshop: Workshop,
}

impl Wiring {
    /// Builds the parts. Nothing connects yet.
    ///
    /// # Errors
    /// When a part refuses what it is configured with.
    pub fn new(config: Config) -> Result<Self, WiringError> {
        let media = media_store(&config)?;
        Self::with(config, Arc::new(SystemClock), media)
    }

    /// Builds the parts around a clock and a store of one's own.
    ///
    /// # Errors
    /// When a part refuses what it is configured with.
    pub fn with(config: Config, clock: SharedClock, media: MediaStore) -> Result<Self, WiringError> {
        let url = config.database_url.expose();
        let pools = Pools::new(&config);
        let secrets = config.webhook_secrets.iter().map(|secret| SigningSecret::parse(secret.expose()));
        let secrets = secrets.collect::<Result<_, _>>().map_err(WiringError::WebhookSecret)?;
        let keys = TokenKeys::new(config.secret_key.expose().as_bytes(), clock.clone());
        let gateway = HttpGateway::new(HttpGatewaySettings {
            name: GATEWAY.to_owned(),
            base_url: config.gateway.url.clone(),
            api_key: config.gateway.api_key.expose().to_owned(),
        });
        let redis = RedisLink::new(config.redis_url.as_ref()).map_err(WiringError::Redis)?;
        let turnstile = Arc::new(Turnstile::new(clock.clone(), redis.clone()));
        let gateway: Arc<dyn Gateway> = Arc::new(gateway.map_err(WiringError::Gateway)?);
        Ok(Self {
            api_pool: pools.api,
            worker_pool: pools.worker,
            machinery_pool: pools.machinery,
            health_pool: pools.health,
            doors: Arc::new(Doors::new(pools.doors, clock.clone(), Arc::new(keys.map_err(WiringError::SecretKey)?))),
            mailer: Arc::new(mailer(&config, clock.clone())?),
            gateways: Arc::new(BTreeMap::from([(GATEWAY.to_owned(), gateway)])),
            webhook_secrets: SigningSecrets::new(secrets),
            media,
            redis,
            turnstile,
            intake: Intake::new(IntakeSettings::new(url)),
            hasher: Hasher::default(),
            workshop: Workshop::default(),
            clock,
            config: Arc::new(config),
        })
    }

    /// Tells who a token belongs to.
    pub fn verifier(&self) -> SharedVerifier {
        self.doors.clone()
    }

    /// Accounts, over one of the pools.
    pub fn accounts(&self, pool: &Pool) -> Accounts {
        let (doors, mailer, url) = (self.doors.clone(), self.mailer.clone(), self.config.public_url.as_str());
        let accounts = Accounts::new(pool.clone(), self.clock.clone(), doors, mailer, url, self.hasher.clone());
        accounts.throttled(self.turnstile.clone(), self.config.login_guesses)
    }

    /// The catalog, over one of the pools.
    pub fn catalog(&self, pool: &Pool) -> Catalog {
        Catalog {
            pool: pool.clone(),
            clock: self.clock.clone(),
            media: self.media.clone(),
            workshop: self.workshop.clone(),
            public_url: self.config.public_url.clone(),
            has_account: |conn, id| Box::pin(async move { Ok(accounts::contact(conn, id).await?.is_some()) }),
        }
    }

    /// The gateways, and the hands of staff. These have no book to audit and send no webhooks.
    fn gateways_and_hands(&self) -> Arc<BTreeMap<String, Arc<dyn Gateway>>> {
        let mut all = self.gateways.as_ref().clone();
        let hands: Arc<dyn Gateway> = Arc::new(OfflineGateway);
        all.insert(hands.name().to_owned(), hands);
        Arc::new(all)
    }

    /// Orders, over one of the pools.
    pub fn orders(&self, pool: &Pool) -> Orders {
        Orders {
            pool: pool.clone(),
            clock: self.clock.clone(),
            intake: self.intake.clone(),
            gateways: self.gateways_and_hands(),
            mailer: self.mailer.clone(),
            public_url: self.config.public_url.clone(),
            webhook_url: self.config.webhook_url.clone(),
            expiry: Expiry { after: self.config.order_expiry, sweep: self.config.expiry_sweep },
            reconcile: self.config.reconcile,
            files: Files::new(self.media.clone(), self.config.secret_key.expose().as_bytes()),
        }
    }

    /// The door for new orders.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
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
        let media = open_store("memory:///", []).map_err(WiringError::Media)?;
        Self::with(Config::read(&environment, Needs::Nothing)?, Arc::new(SystemClock), media)
    }
}

/// Connections for what job handlers do: one for each worker, and not more than 16.
pub fn worker_connections(config: &Config) -> u32 {
    config.workers_urgent.saturating_add(config.workers_bulk).clamp(1, 16)
}

struct Pools {
    api: Pool,
    worker: Pool,
    machinery: Pool,
    health: Pool,
    doors: Pool,
}

impl Pools {
    fn new(config: &Config) -> Self {
        let pool = |settings| db::pool(config.database_url.expose(), settings);
        let patient = Duration::from_secs(5);
        Self {
            api: pool(PoolSettings {
                max_size: config.db_pool,
                application_name: "oms api",
                ..PoolSettings::default()
            }),
            worker: pool(PoolSettings {
                max_size: worker_connections(config),
                wait: patient,
                application_name: "oms worker",
                statement_timeout: Duration::from_secs(60),
                ..PoolSettings::default()
            }),
            machinery: pool(jobs::pool_settings()),
            health: pool(PoolSettings {
                max_size: 1,
                application_name: "oms health",
                statement_timeout: Duration::from_secs(1),
                ..PoolSettings::default()
            }),
            doors: pool(PoolSettings {
                max_size: 1,
                application_name: "oms doors",
                statement_timeout: Duration::from_secs(1),
                ..PoolSettings::default()
            }),
        }
    }
}

/// Who carries our mail.
///
/// # Errors
/// When the mail settings do not hold.
pub fn mailer(config: &Config, clock: SharedClock) -> Result<SmtpMailer, WiringError> {
    let mail = &config.mail;
    let password = mail.password.as_ref().map(Secret::expose);
    let settings = MailSettings::new(&mail.server, mail.port, mail.username.as_deref(), password, &mail.from)?;
    SmtpMailer::new(settings, clock).map_err(WiringError::Templates)
}

/// Where pictures are kept; a directory is made if need be.
///
/// # Errors
/// When the address is none, or the directory cannot be made.
pub fn media_store(config: &Config) -> Result<MediaStore, WiringError> {
    let url = &config.media_url;
    let address = if url.contains("://") {
        url.clone()
    } else {
        let directory = std::path::absolute(url).map_err(WiringError::MediaDirectory)?;
        Url::from_file_path(directory).map_or_else(|()| url.clone(), Into::into)
    };
    let options = config.media_options.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    open_store(&address, options).map_err(WiringError::Media)
}
