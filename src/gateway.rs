//! The mock gateway as a part of a process: its routes on a port of their own, and workers for its deliveries alone.

use std::time::Duration;

use gateway::{Gateway, WebhookSecret};
use kernel::{
    Queue, SharedClock,
    db::{self, PoolSettings},
    job::Registry,
};
use poem::EndpointExt;
use tokio::net::TcpListener;

use crate::{
    config::Config,
    http::{Server, ServerError, Shutdown},
    worker,
};

/// The merchant's name on the pay page.
const MERCHANT: &str = "OMS demo shop";
/// Connections of buyers and of `oms` at once.
const CONNECTIONS: usize = 512;
/// Workers for its deliveries.
const WORKERS: u32 = 4;

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is nothing to sign webhooks with.
    #[error("OMS_WEBHOOK_SECRETS is empty: the gateway signs its webhooks with the first one")]
    NoSecret,
    /// It cannot be used.
    #[error("the first of OMS_WEBHOOK_SECRETS cannot be used")]
    Secret(#[source] gateway::SecretError),
    /// No HTTP client for the webhooks.
    #[error("webhooks cannot be sent")]
    Client(#[source] reqwest::Error),
    /// No workers.
    #[error("the workers of the gateway cannot start")]
    Workers(#[source] ::jobs::JobsError),
    /// Its port does not work.
    #[error("the gateway's port cannot be used")]
    Server(#[from] ServerError),
}

/// A gateway that has everything it needs.
pub struct Running {
    server: Server,
    workers: ::jobs::Engine,
    shutdown: Shutdown,
}

/// Starts the gateway's workers and puts its routes behind `listener`, unattended until [`Running::run`].
///
/// # Errors
/// It cannot start.
pub async fn start(
    config: &Config,
    clock: SharedClock,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<Running, GatewayError> {
    let url = config.database_url.expose();
    let pool = |max_size, application_name| {
        let wait = Duration::from_secs(5);
        db::pool(url, PoolSettings { max_size, application_name, wait, ..PoolSettings::default() })
    };
    let secret = config.webhook_secrets.first().ok_or(GatewayError::NoSecret)?;
    let gateway = Gateway {
        pool: pool(4, "oms gateway"),
        clock,
        api_key: config.gateway.api_key.expose().to_owned(),
        webhook_secret: WebhookSecret::parse(secret.expose()).map_err(GatewayError::Secret)?,
        public_url: config.gateway.public_url.clone(),
        merchant: MERCHANT.to_owned(),
    };
    let registry = gateway::register(Registry::new(), &gateway).map_err(GatewayError::Client)?;
    let server = Server::on(listener, CONNECTIONS, gateway::routes(gateway).boxed(), shutdown.clone())?;
    let settings = ::jobs::Settings { queues: vec![(Queue::Gateway, WORKERS)], ..worker::with_lease(config.job_lease) };
    let workers =
        ::jobs::start(url, pool(2, "oms gateway queue"), registry, settings).await.map_err(GatewayError::Workers)?;
    Ok(Running { server, workers, shutdown })
}

impl Running {
    /// Serves until shutdown.
    pub async fn run(self) {
        let Self { server, workers, mut shutdown } = self;
        let stop_workers = async {
            shutdown.started().await;
            workers.stop().await;
        };
        tokio::join!(server.run(), stop_workers);
    }
}
