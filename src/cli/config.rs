//! `oms config`: what can be configured.

use std::process::ExitCode;

use clap::Parser;

use crate::config;

/// Print the settings there are, with their defaults and meanings
#[derive(Debug, Parser)]
pub struct Args {
    /// As the file .env.example
    #[arg(long, conflicts_with = "markdown")]
    env: bool,
    /// As the page docs/configuration.md (the default)
    #[arg(long)]
    markdown: bool,
}

/// Prints the table of settings.
pub fn run(args: &Args) -> ExitCode {
    print!("{}", if args.env { config::env_example() } else { config::markdown() });
    ExitCode::SUCCESS
}
