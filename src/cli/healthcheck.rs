//! `oms healthcheck`: asks a process of `oms` on this machine whether it is well; for containers, which have no curl.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Parser;

use crate::config::{Config, Needs};

/// Ask a running process whether it is well: exit code 0 or 1
#[derive(Debug, Parser)]
pub struct Args {
    /// Ask a worker: `/healthz` at OMS_METRICS_LISTEN, instead of `/readyz` of the API at OMS_LISTEN
    #[arg(long, conflicts_with = "url")]
    worker: bool,
    /// Ask there
    #[arg(long)]
    url: Option<String>,
}

/// Shorter than anybody waits for a health check.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks once.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let url = match args.url {
        Some(url) => url,
        None => {
            let config = Config::load(Needs::Nothing)?;
            if args.worker {
                let listen =
                    config.metrics_listen.context("OMS_METRICS_LISTEN is not set; a worker has no other port")?;
                format!("http://{}/healthz", from_here(listen))
            } else {
                format!("http://{}/readyz", from_here(config.listen))
            }
        }
    };
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let answer = client.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    println!("{url} answers {status}");
    if !status.is_success() {
        println!("{}", answer.text().await.unwrap_or_default());
    }
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a process that listens there is reached from its own machine.
fn from_here(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(address) if address.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        address => address,
    }
}
