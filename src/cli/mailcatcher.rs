//! `oms mailcatcher`: an SMTP server that shows the mail it is given instead of delivering it.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Parser;
use kernel::SystemClock;
use tokio::net::TcpListener;

use crate::{
    http::Shutdown,
    mailcatcher::{KEEP_DEFAULT, MailCatcher},
    telemetry,
};

/// Catch mail and show it, on a page and as JSON; for development
#[derive(Debug, Parser)]
pub struct Args {
    /// Where mail is taken (MAIL_SERVER and MAIL_PORT of `oms serve`)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1025")]
    smtp: SocketAddr,
    /// Where it is shown: / is a page, /api/messages?to=… is JSON
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025")]
    http: SocketAddr,
    /// How many mails are kept
    #[arg(long, value_name = "N", default_value_t = KEEP_DEFAULT)]
    keep: usize,
}

/// Catches mail until SIGTERM or SIGINT.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init_quiet();
    let mut shutdown = Shutdown::on_signal(Duration::ZERO)?;
    let open = async |address: SocketAddr, option: &str| {
        let taken = || format!("cannot listen on {address}; choose another address with {option}");
        TcpListener::bind(address).await.with_context(taken)
    };
    let (smtp, http) = (open(args.smtp, "--smtp").await?, open(args.http, "--http").await?);
    let catcher = MailCatcher::new(smtp, http, args.keep, Arc::new(SystemClock));
    println!("mail is taken at {} and shown at http://{}", catcher.smtp_addr()?, catcher.http_addr()?);
    catcher.run(async move { shutdown.stopping().await }).await?;
    Ok(ExitCode::SUCCESS)
}
