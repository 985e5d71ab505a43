//! `oms reconcile`: what do the gateways say about payments that are not settled?

use std::process::ExitCode;

use chrono::TimeDelta;
use clap::Parser;
use orders::{Reconciled, Scope};

use crate::{
    cli::serve::require_current_schema,
    config::{Config, Needs},
    wiring::Wiring,
};

/// Ask the gateways about payments, captures and refunds without an answer, and settle what they say; exits 1 if some
/// could not be asked about
#[derive(Debug, Parser)]
pub struct Args {
    /// Ask about everything that is not settled, not only about what was quiet for OMS_RECONCILE_SECONDS
    #[arg(long)]
    all: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Reconciles and tells.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(Needs::Everything)?;
    require_current_schema(&config).await?;
    let wiring = Wiring::new(config)?;
    let grace = TimeDelta::from_std(wiring.config.reconcile)?;
    let scope = if args.all { Scope::All } else { Scope::Quiet(grace, std::time::Duration::MAX) };
    let done = orders::reconcile(&wiring.orders(&wiring.worker_pool), scope).await?;
    if args.json {
        println!("{}", json(&done));
    } else {
        print!("{}", text(&done));
    }
    Ok(if done.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn json(done: &Reconciled) -> serde_json::Value {
    let settled: Vec<_> = done
        .settled
        .iter()
        .map(|(id, change)| serde_json::json!({ "payment_id": id, "change": change.to_string() }))
        .collect();
    let failed: Vec<_> =
        done.failed.iter().map(|(id, why)| serde_json::json!({ "payment_id": id, "why": why })).collect();
    serde_json::json!({ "asked": done.asked, "settled": settled, "failed": failed })
}

fn text(done: &Reconciled) -> String {
    let mut text = String::new();
    for (_, change) in &done.settled {
        text.push_str(&format!("settled: {change}\n"));
    }
    for (id, why) in &done.failed {
        text.push_str(&format!("not settled: attempt {id}: {why}\n"));
    }
    text.push_str(&format!(
        "asked about {} payments: {} changes, {} not settled\n",
        done.asked,
        done.settled.len(),
        done.failed.len()
    ));
    text
}
