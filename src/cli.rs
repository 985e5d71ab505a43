//! The command line: one file per command. Errors end here, as text for people.

mod audit;
mod config;
mod dev;
mod doctor;
mod gateway;
mod healthcheck;
mod jobs;
mod mailcatcher;
mod migrate;
mod openapi;
mod reconcile;
mod seed;
mod serve;
mod user;
mod worker;

use std::{process::ExitCode, sync::LazyLock};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{REVISION, VERSION};

/// Version and, when it is known, what it was built from.
static RELEASE: LazyLock<String> = LazyLock::new(|| match REVISION {
    "unknown" => VERSION.to_owned(),
    revision => format!("{VERSION} ({revision})"),
});

/// Order management on PostgreSQL: accounts, catalog, orders and payments in one program.
#[derive(Debug, Parser)]
#[command(
    name = "oms",
    version = RELEASE.as_str(),
    after_help = "New here? `oms dev` starts everything with a database of its own and nothing to configure."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Args),
    Gateway(gateway::Args),
    Seed(seed::Args),
    Doctor(doctor::Args),
    Healthcheck(healthcheck::Args),
    Jobs(jobs::Args),
    User(user::Args),
    Serve(serve::Args),
    Worker(worker::Args),
    Mailcatcher(mailcatcher::Args),
    Migrate(migrate::Args),
    Audit(audit::Args),
    Reconcile(reconcile::Args),
    Openapi(openapi::Args),
    Config(config::Args),
}

impl Command {
    /// Whether orders come in through this process.
    const fn takes_orders(&self) -> bool {
        matches!(self, Self::Dev(_) | Self::Seed(_) | Self::Serve(_))
    }

    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Dev(args) => dev::run(args).await,
            Self::Gateway(args) => gateway::run(args).await,
            Self::Seed(args) => seed::run(args).await,
            Self::Doctor(args) => doctor::run(args).await,
            Self::Healthcheck(args) => healthcheck::run(args).await,
            Self::Jobs(args) => jobs::run(args).await,
            Self::User(args) => user::run(args).await,
            Self::Mailcatcher(args) => mailcatcher::run(args).await,
            Self::Serve(args) => serve::run(args).await,
            Self::Worker(args) => worker::run(args).await,
            Self::Migrate(args) => migrate::run(args).await,
            Self::Audit(args) => audit::run(args).await,
            Self::Reconcile(args) => reconcile::run(args).await,
            Self::Openapi(args) => openapi::run(&args),
            Self::Config(args) => Ok(config::run(&args)),
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let Some(command) = Cli::parse().command else {
        // Without a command there is nothing to do but to say what there is.
        return if Cli::command().print_help().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let (Ok(cores), true) = (std::thread::available_parallelism(), command.takes_orders()) {
        // The intake has a thread of its own.
        runtime.worker_threads((cores.get() - 1).max(1));
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(command.run());
    // What is still running after a graceful stop (a stalled connection) must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
