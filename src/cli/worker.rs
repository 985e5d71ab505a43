//! `oms worker`: only the job workers.

use std::process::ExitCode;

use clap::Parser;

use super::serve::require_current_schema;
use crate::{
    config::{Config, Needs},
    http::shutdown::Shutdown,
    metrics::{self, Health},
    telemetry,
    wiring::Wiring,
};

/// Work the job queues, without the API
#[derive(Debug, Parser)]
pub struct Args {}

/// Works until SIGTERM or SIGINT.
pub async fn run(_args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(Needs::Everything)?;
    let _traces = telemetry::init(&config);
    require_current_schema(&config).await?;
    work(config).await
}

/// Works with a configuration that has been read.
pub(super) async fn work(config: Config) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signal(std::time::Duration::ZERO)?;
    let numbers = metrics::begin(config.metrics_listen)?;
    let (wiring, health) = (Wiring::new(config)?, Health::new(true));
    let watching = numbers.serve(&wiring, &health, None)?;
    crate::worker::run(&wiring, &health, shutdown).await?;
    drop(watching);
    Ok(ExitCode::SUCCESS)
}
