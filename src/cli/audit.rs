//! `oms audit`: do the books agree?

use std::process::ExitCode;

use clap::Parser;
use payments::Gateway;

use crate::{
    audit::{self, Report},
    cli::serve::require_current_schema,
    config::{Config, Needs},
    wiring::Wiring,
};

/// Recompute every invariant on the live database and print the differences; exits 1 if there are any
#[derive(Debug, Parser)]
pub struct Args {
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Do not ask the payment gateways for their books
    #[arg(long)]
    no_book: bool,
}

/// Audits and tells.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(if args.no_book { Needs::Database } else { Needs::Everything })?;
    require_current_schema(&config).await?;
    let database_url = config.database_url.clone();
    let wiring = if args.no_book { None } else { Some(Wiring::new(config)?) };
    let gateways: Vec<&dyn Gateway> =
        wiring.iter().flat_map(|wiring| wiring.gateways.values()).map(AsRef::as_ref).collect();
    let report = audit::audit(database_url.expose(), &gateways).await?;
    if args.json {
        println!("{}", json(&report));
    } else {
        print!("{}", text(&report));
    }
    Ok(if report.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn json(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "differences": report.differences,
        "orders": report.orders,
        "movements": report.movements,
        "took_ms": report.took.as_millis(),
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for difference in &report.differences {
        text.push_str(&format!("{}  {}: {}\n", difference.check, difference.subject, difference.detail));
    }
    let found = match report.differences.len() {
        0 => "no differences".to_owned(),
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    };
    text.push_str(&format!(
        "{found} in {} orders and {} movements of stock ({:.1} s)\n",
        report.orders,
        report.movements,
        report.took.as_secs_f32()
    ));
    text
}
