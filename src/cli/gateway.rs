//! `oms gateway`: the mock payment gateway.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Parser;
use kernel::SystemClock;
use tokio::net::TcpListener;

use super::serve::require_current_schema;
use crate::{
    config::{Config, Needs},
    gateway,
    http::Shutdown,
    telemetry,
};

/// Serve the mock payment gateway: its API, its pay page, and its webhooks
#[derive(Debug, Parser)]
pub struct Args {}

/// Serves until SIGTERM or SIGINT.
pub async fn run(_args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(Needs::Everything)?;
    let _traces = telemetry::init(&config);
    require_current_schema(&config).await?;
    let shutdown = Shutdown::on_signal(Duration::ZERO)?;
    let address = config.gateway.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with OMS_GATEWAY_LISTEN"))?;
    gateway::start(&config, Arc::new(SystemClock), listener, shutdown).await?.run().await;
    Ok(ExitCode::SUCCESS)
}
