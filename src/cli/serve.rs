//! `oms serve`: the API, with the job workers in the same process.

use std::process::ExitCode;

use clap::Parser;

use super::worker;
use crate::{
    config::{Config, Needs},
    http::{self, shutdown::Shutdown},
    metrics::{self, Health},
    migrations, telemetry,
    wiring::Wiring,
};

/// Serve the API and work the job queues
#[derive(Debug, Parser)]
pub struct Args {
    /// Leave the job workers to `oms worker`
    #[arg(long, conflicts_with = "worker")]
    no_worker: bool,
    /// Only the job workers, no API: the same as `oms worker`
    #[arg(long)]
    worker: bool,
    /// Apply pending migrations first
    #[arg(long)]
    migrate: bool,
}

/// Serves until SIGTERM or SIGINT.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(Needs::Everything)?;
    let _traces = telemetry::init(&config);
    if args.migrate {
        for name in migrations::apply(config.database_url.expose()).await? {
            tracing::info!(migration = %name, "applied");
        }
    }
    require_current_schema(&config).await?;
    if args.worker {
        return worker::work(config).await;
    }
    raise_file_limit();
    let numbers = metrics::begin(config.metrics_listen)?;
    let wiring = Wiring::new(config)?;
    let shutdown = Shutdown::on_signal(wiring.config.drain_delay)?;
    let server = http::bind(&wiring, shutdown.clone())?;
    let health = Health::new(!args.no_worker);
    let workers = async {
        if args.no_worker {
            crate::worker::only_tell_others(&wiring, shutdown.clone()).await;
            Ok(())
        } else {
            crate::worker::run(&wiring, &health, shutdown.clone()).await
        }
    };
    let watching = numbers.serve(&wiring, &health, None)?;
    // Workers that cannot start end the process; otherwise both end when they are asked to.
    let serving = async {
        server.run().await;
        Ok(())
    };
    tokio::try_join!(serving, workers)?;
    drop(watching);
    Ok(ExitCode::SUCCESS)
}

/// Refuses a database whose schema does not fit this binary, in one line with the remedy.
pub(super) async fn require_current_schema(config: &Config) -> anyhow::Result<()> {
    match migrations::status(config.database_url.expose()).await?.refusal() {
        Some(refusal) => anyhow::bail!(refusal),
        None => Ok(()),
    }
}

/// Every connection is an open file, and what a process may open is often 1,024 until it asks for what it may ask for.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}
