//! Configuration: environment variables and `.env`, read once, checked completely, with every problem reported at once.
//!
//! The table in [`settings`] is the only definition of a setting's name, default and meaning; `.env.example` and
//! `docs/configuration.md` are printed from it. Nothing else in the program reads the environment.

mod environment;
mod read;
mod render;
mod secret;
pub mod settings;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

pub use environment::Environment;
pub use read::{ConfigError, Needs};
pub use render::{env_example, markdown};
pub use secret::Secret;

/// How `oms dev` signs its tokens when nobody said otherwise. Refused everywhere else.
pub const DEV_SECRET_KEY: &str = "oms-dev-secret-key-which-is-refused-in-production";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The mail server and who we are to it.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// Host name.
    pub server: String,
    /// Port.
    pub port: u16,
    /// User name, when the server wants one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The address that mails come from.
    pub from: String,
}

/// The payment gateway: where it is for us, where it is for buyers, and the mock one's own listener.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where `oms` reaches the gateway's API.
    pub url: String,
    /// Where `oms gateway` listens.
    pub listen: SocketAddr,
    /// Where buyers reach the gateway's pay page.
    pub public_url: String,
    /// What `oms` shows to the gateway.
    pub api_key: Secret,
}

/// Everything that can be configured, parsed.
#[derive(Debug, Clone)]
pub struct Config {
    /// PostgreSQL. Empty only when it was not needed.
    pub database_url: Secret,
    /// Redis, if there is one.
    pub redis_url: Option<Secret>,
    /// Signs access tokens.
    pub secret_key: Secret,
    /// The mail server.
    pub mail: MailConfig,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where clients reach the API; links in mails begin with it. Without a slash at the end.
    pub public_url: String,
    /// Where payment gateways reach the API. Without a slash at the end.
    pub webhook_url: String,
    /// Where pictures are kept: `file:///…` or `s3://…`.
    pub media_url: String,
    /// What an S3-compatible store wants to know: `aws_region` and the like.
    pub media_options: Vec<(String, Secret)>,
    /// The payment gateway.
    pub gateway: GatewayConfig,
    /// What webhooks are signed with; the first signs, all verify.
    pub webhook_secrets: Vec<Secret>,
    /// How long an unpaid order keeps its stock.
    pub order_expiry: Duration,
    /// How often unpaid orders are looked for.
    pub expiry_sweep: Duration,
    /// How often gateways are asked about payments that are not settled.
    pub reconcile: Duration,
    /// Connections of the API pool.
    pub db_pool: u32,
    /// Workers for money and stock.
    pub workers_urgent: u32,
    /// Workers for everything that can wait.
    pub workers_bulk: u32,
    /// How long a worker process may be silent before its jobs are given to others.
    pub job_lease: Duration,
    /// Origins whose pages may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Requests to the API that are worked on at once.
    pub max_in_flight: usize,
    /// Proxies whose word on a client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests that a caller may make in a minute; 0: as many as they like.
    pub rate_limit_caller: u32,
    /// Requests that may come from an address in a minute without anybody being logged in; 0: as many as they like.
    pub rate_limit_address: u32,
    /// Wrong passwords for one name from one address before the next has to wait; 0: as many as they like.
    pub login_guesses: u32,
    /// How long after SIGTERM the server still accepts, so that load balancers notice.
    pub drain_delay: Duration,
    /// Which log lines are written.
    pub log: String,
    /// How they look.
    pub log_format: LogFormat,
    /// Where the numbers of the process are to be had, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Who collects traces, if anybody: the address of a collector that speaks OTLP over HTTP.
    pub otlp_endpoint: Option<String>,
    /// Where the PostgreSQL programs are, for `oms dev`.
    pub pg_bin: Option<PathBuf>,
    /// Where `oms dev` keeps its data.
    pub data_dir: Option<PathBuf>,
    /// Variables that begin with `OMS_` and mean nothing to us; probably misspelt.
    pub unknown: Vec<String>,
}

impl Config {
    /// Reads the process's environment and `.env`.
    ///
    /// # Errors
    /// Everything that is missing or wrong, at once.
    pub fn load(needs: Needs) -> Result<Self, ConfigError> {
        Self::read(&Environment::load()?, needs)
    }

    /// Reads a given environment.
    ///
    /// # Errors
    /// Everything that is missing or wrong, at once.
    pub fn read(environment: &Environment, needs: Needs) -> Result<Self, ConfigError> {
        read::read(environment, needs)
    }
}
