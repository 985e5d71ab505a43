//! `oms migrate`: brings the database's schema to what this binary needs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Needs},
    migrations, telemetry,
};

/// Apply the migrations that the database does not have yet; safe to run concurrently
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which migrations are applied and which are pending; exits 1 when there is something to do
    Status,
    /// Take back the newest migration (data in what it created is lost)
    Revert,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init_quiet();
    let config = Config::load(Needs::Database)?;
    let url = config.database_url.expose();
    match args.action {
        None => {
            let applied = migrations::apply(url).await?;
            for name in &applied {
                println!("applied {name}");
            }
            println!(
                "{}",
                if applied.is_empty() { "nothing to do: the schema is current" } else { "the schema is current" }
            );
        }
        Some(Action::Status) => {
            let state = migrations::status(url).await?;
            for name in &state.applied {
                println!("applied  {name}");
            }
            for name in &state.pending {
                println!("pending  {name}");
            }
            for version in &state.unknown {
                println!("unknown  {version} (applied by a newer oms)");
            }
            if let Some(refusal) = state.refusal() {
                println!("{refusal}");
                return Ok(ExitCode::FAILURE);
            }
        }
        Some(Action::Revert) => match migrations::revert(url).await? {
            Some(version) => println!("reverted {version}"),
            None => println!("nothing to revert: no migration is applied"),
        },
    }
    Ok(ExitCode::SUCCESS)
}
