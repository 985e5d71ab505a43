//! `oms openapi`: the API document.

use std::process::ExitCode;

use clap::Parser;

use crate::{openapi, problems, wiring::Wiring};

/// Print the API document (OpenAPI 3.0.3, JSON)
#[derive(Debug, Parser)]
pub struct Args {
    /// Print the list of problems instead, as the page docs/problems.md
    #[arg(long)]
    problems: bool,
}

/// Prints the document.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.problems {
        print!("{}", problems::markdown());
    } else {
        println!("{}", openapi::document(&Wiring::for_description()?)?.pretty()?);
    }
    Ok(ExitCode::SUCCESS)
}
