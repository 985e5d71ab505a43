//! `oms seed`: demo data for a database of one's own. `oms dev` fills its own by itself.

use std::{net::Ipv4Addr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use kernel::Queue;
use tokio::net::TcpListener;

use super::serve::require_current_schema;
use crate::{
    config::{Config, Needs},
    gateway,
    http::{self, Shutdown},
    jobs,
    seed::{self, DEMO_PASSWORD, DEMO_USERS, Seeder, Size},
    telemetry,
    wiring::Wiring,
};

/// Fill an empty shop with demo data, the same every time
#[derive(Debug, Parser)]
pub struct Args {
    /// How much: 44, 440 or 4,400 products, with pictures, stock and orders in every state
    #[arg(long, value_enum, default_value = "s")]
    size: Size,
    /// Do it: the accounts it makes have a password that everybody knows, one of them may do everything
    #[arg(long)]
    yes: bool,
}

/// Fills the database of `DATABASE_URL`. For the time it takes, this process is the whole system on ports of its own:
/// orders are paid at a gateway, which reports to an API, whose news are settled by workers. Mail is left to others.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init_quiet();
    let mut config = Config::load(Needs::Everything)?;
    if !args.yes {
        anyhow::bail!(
            "this would write demo data into the configured database, with accounts whose password everybody knows ({DEMO_PASSWORD}); \
             say --yes if that is what you want (`oms dev` has the demo data already)"
        );
    }
    require_current_schema(&config).await?;
    let (api, pay) = (door().await?, door().await?);
    let gateway_url = format!("http://{}", pay.local_addr()?);
    (config.gateway.url, config.gateway.public_url) = (gateway_url.clone(), gateway_url);
    let (trigger, shutdown) = Shutdown::by_hand();
    let wiring = Wiring::new(config)?;
    let mut seeder = Seeder::new(&wiring);
    seeder.orders.public_url = format!("http://{}", api.local_addr()?);
    seeder.orders.webhook_url.clone_from(&seeder.orders.public_url);
    let gateway = gateway::start(&wiring.config, wiring.clock.clone(), pay, shutdown.clone()).await?;
    let server = http::serve_on(api, &wiring, shutdown)?;
    let settings = ::jobs::Settings { queues: vec![(Queue::Urgent, 4)], ..::jobs::Settings::default() };
    let url = wiring.config.database_url.expose();
    let workers = ::jobs::start(url, wiring.machinery_pool.clone(), jobs::registry(&wiring), settings).await?;
    let filling = async {
        let filled = seed::fill(&seeder, args.size, |what| println!("{what}")).await;
        // Deliveries name the ports of this process: whoever is left waiting finds nobody there.
        delivered(&wiring).await;
        workers.stop().await;
        trigger.leave();
        trigger.stop();
        filled
    };
    let ((), (), filled) = tokio::join!(server.run(), gateway.run(), filling);
    let filled = filled.context("the shop was not filled")?;
    println!("{} people, {} products, {} orders", filled.users, filled.products, filled.orders);
    println!("log in as (password of all: {DEMO_PASSWORD})");
    for user in DEMO_USERS {
        println!("  {:<10} {}", user.username, user.about);
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the gateway has delivered what it has to say; ten seconds at most.
async fn delivered(wiring: &Wiring) {
    for _ in 0..100 {
        if let Ok(mut conn) = wiring.machinery_pool.get().await
            && ::jobs::admin::is_pending(&mut conn, &[Queue::Gateway.name()]).await.is_ok_and(|is_pending| !is_pending)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn door() -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("there is no free port on 127.0.0.1")
}
