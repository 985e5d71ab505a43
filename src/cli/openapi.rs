//! `oms openapi`: the API document.

use std::process::ExitCode;

use clap::Parser;

use crate::{openapi, order_life, problems, wiring::Wiring};

/// Print the API document (OpenAPI 3.0.3, JSON)
#[derive(Debug, Parser)]
pub struct Args {
    /// Print the list of problems instead, as the page docs/problems.md
    #[arg(long)]
    problems: bool,
    /// Print how orders, parcels, returns and payments move instead, as the page docs/order-life.md
    #[arg(long, conflicts_with = "problems")]
    order_life: bool,
}

/// Prints the document.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.problems {
        print!("{}", problems::markdown());
    } else if args.order_life {
        print!("{}", order_life::markdown());
    } else {
        println!("{}", openapi::document(&Wiring::for_description()?)?.pretty()?);
    }
    Ok(ExitCode::SUCCESS)
}
