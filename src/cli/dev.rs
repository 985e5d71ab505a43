//! `oms dev`: everything at once, with nothing to configure and nothing left behind.

mod banner;
mod database;
mod home;
mod ports;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Parser;
use devdb::Cluster;
use kernel::SystemClock;
use tokio::net::TcpListener;

use self::{
    home::{Claim, Home, Instance},
    ports::Door,
};
use crate::{
    config::{Config, Environment, Needs},
    gateway,
    http::{self, Shutdown},
    mailcatcher::{KEEP_DEFAULT, MailCatcher},
    metrics::{self, Health, Numbers},
    seed, telemetry,
    wiring::Wiring,
    worker,
};

/// Start everything with a database of its own: API, workers, mock gateway and mail catcher; for development
#[derive(Debug, Parser)]
pub struct Args {
    /// Where the database, the pictures and the keys are kept [default: /var/lib/oms-dev for root, ~/.local/share/oms otherwise]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Throw the data away and start afresh
    #[arg(long)]
    reset: bool,
    /// Start with an empty shop instead of the demo data
    #[arg(long, conflicts_with = "size")]
    empty: bool,
    /// How much demo data there is to be, when the shop is filled [default: s]
    #[arg(long, value_enum)]
    size: Option<seed::Size>,
}

/// Where things are looked for first.
const API_PORT: u16 = 8000;
const GATEWAY_PORT: u16 = 8001;
const MAIL_PAGE_PORT: u16 = 8025;
const SMTP_PORT: u16 = 1025;
const METRICS_PORT: u16 = 9464;

/// Everything that runs.
struct Running {
    // In the order in which they are dropped.
    wiring: Wiring,
    server: http::Server,
    numbers: Numbers,
    metrics: TcpListener,
    catcher: MailCatcher,
    gateway: gateway::Running,
    is_new: bool,
    cluster: Cluster,
    instance: Instance,
    home: Home,
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let environment = Environment::load()?;
    let mut shutdown = Shutdown::on_signal(Duration::ZERO)?;
    let directory = match args.data_dir.or_else(|| environment.get("OMS_DATA_DIR").map(PathBuf::from)) {
        Some(directory) => directory,
        None => default_directory(&environment),
    };
    let home = match Home::claim(&directory)? {
        Claim::Ours(home) => home,
        Claim::Theirs(instance) => {
            eprintln!("{}", banner::already_running(&directory, instance.as_ref()));
            return Ok(ExitCode::FAILURE);
        }
    };
    let running = tokio::select! {
        running = start(home, environment, args.reset, shutdown.clone()) => running?,
        () = shutdown.started() => {
            println!("\nstopped before it was ready");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if !running.is_new && (args.empty || args.size.is_some()) {
        println!("the shop is there already; --reset fills it anew");
    }
    let demo = (!args.empty).then(|| args.size.unwrap_or(seed::Size::S));
    serve(running, demo, began, shutdown).await
}

/// Where the data is kept when nobody says.
fn default_directory(environment: &Environment) -> PathBuf {
    let path = |name| environment.get(name).map(Path::new);
    let cluster = devdb::default_data_dir(devdb::is_root(), path("XDG_DATA_HOME"), path("HOME"));
    cluster.parent().map(Path::to_owned).unwrap_or(cluster)
}

async fn start(home: Home, environment: Environment, reset: bool, shutdown: Shutdown) -> anyhow::Result<Running> {
    if reset {
        home.reset()?;
        println!("the old data is gone");
    }
    let keys = home.keys()?;
    let cluster = start_cluster(&home, environment.get("OMS_PG_BIN").map(PathBuf::from)).await?;
    println!(
        "database   {} ({})",
        if cluster.reused() { "was running" } else { "started" },
        banner::seconds(cluster.took())
    );

    let door = async |port| Door::open(port).await.context("there is no free port on 127.0.0.1");
    let (api, gateway) = (door(API_PORT).await?, door(GATEWAY_PORT).await?);
    let (mail_page, smtp) = (door(MAIL_PAGE_PORT).await?, door(SMTP_PORT).await?);
    let metrics = door(METRICS_PORT).await?;
    let doors =
        [("API", &api), ("gateway", &gateway), ("mail page", &mail_page), ("SMTP", &smtp), ("metrics", &metrics)];
    for (what, door) in doors {
        if let Some(wanted) = door.instead_of {
            println!("port {wanted} is taken: the {what} is on {}", door.port);
        }
    }
    let instance = Instance {
        pid: std::process::id(),
        api: api.url(),
        mail: mail_page.url(),
        gateway: gateway.url(),
        database: cluster.url(database::NAME.as_str()),
    };
    // What a `.env` says about the outside world is for other commands: nothing here leaves this machine.
    let environment = environment
        .with("SECRET_KEY", keys.secret_key)
        .with("OMS_WEBHOOK_SECRETS", keys.webhook_secret)
        .with("OMS_GATEWAY_API_KEY", keys.gateway_api_key)
        .with("OMS_LISTEN", format!("127.0.0.1:{}", api.port))
        .with("OMS_PUBLIC_URL", api.url())
        .with("OMS_WEBHOOK_URL", "")
        .with("OMS_GATEWAY_LISTEN", format!("127.0.0.1:{}", gateway.port))
        .with("OMS_GATEWAY_URL", gateway.url())
        .with("OMS_GATEWAY_PUBLIC_URL", gateway.url())
        .with("OMS_MEDIA_URL", home.media().display().to_string())
        .with("MAIL_SERVER", "127.0.0.1")
        .with("MAIL_PORT", smtp.port.to_string())
        .with("MAIL_USERNAME", "")
        .with("MAIL_PASSWORD", "")
        .with("OMS_METRICS_LISTEN", format!("127.0.0.1:{}", metrics.port))
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "")
        .with_default("OMS_LOG", "warn")
        .with_default("OMS_LOG_FORMAT", "pretty");
    let config = |database: &str| Config::read(&environment.clone().with("DATABASE_URL", database), Needs::Development);
    telemetry::init(&config(&instance.database)?);

    let prepared = database::prepare(&cluster).await?;
    match prepared.applied {
        0 => println!("schema     is current"),
        applied => println!("schema     {applied} migrations applied"),
    }
    let catcher = MailCatcher::new(smtp.listener, mail_page.listener, KEEP_DEFAULT, Arc::new(SystemClock));
    let numbers = metrics::begin(config(&instance.database)?.metrics_listen)?;
    let wiring = Wiring::new(config(&instance.database)?)?;
    let gateway = gateway::start(&wiring.config, wiring.clock.clone(), gateway.listener, shutdown.clone()).await?;
    let server = http::serve_on(api.listener, &wiring, shutdown)?;
    Ok(Running {
        wiring,
        server,
        numbers,
        metrics: metrics.listener,
        catcher,
        gateway,
        cluster,
        instance,
        home,
        is_new: prepared.is_new,
    })
}

async fn start_cluster(home: &Home, pg_bin: Option<PathBuf>) -> anyhow::Result<Cluster> {
    let settings = devdb::Settings::new(home.cluster());
    let start = move || Cluster::start(&devdb::find_binaries(pg_bin.as_deref())?, &settings);
    Ok(tokio::task::spawn_blocking(start).await??)
}

async fn serve(
    running: Running,
    demo: Option<seed::Size>,
    began: Instant,
    mut shutdown: Shutdown,
) -> anyhow::Result<ExitCode> {
    let Running { wiring, server, numbers, metrics, catcher, gateway, cluster, instance, home, is_new } = running;
    let demo = demo.filter(|_| is_new);
    home.announce(&instance)?;
    let told = |mut shutdown: Shutdown| async move { shutdown.stopping().await };
    let (workers_shutdown, mail_shutdown) = (shutdown.clone(), told(shutdown.clone()));
    let health = Health::new(true);
    let watching = numbers.serve(&wiring, &health, Some(metrics))?;
    let opening = async {
        tokio::select! {
            outcome = open(&wiring, &cluster, &instance, &home, demo, began) => outcome,
            () = shutdown.started() => Ok(()),
        }
    };
    let ((), (), caught, worked, opened) = tokio::join!(
        server.run(),
        gateway.run(),
        catcher.run(mail_shutdown),
        worker::run(&wiring, &health, workers_shutdown),
        async { opening.await.inspect_err(|error| eprintln!("error: {error:#}\nCtrl-C stops what is running")) },
    );
    drop((wiring, watching));
    tokio::task::spawn_blocking(move || cluster.stop()).await?;
    drop(home);
    println!("\nstopped; the data stays for the next time");
    caught?;
    worked?;
    Ok(if opened.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fills an empty shop and says where everything is.
async fn open(
    wiring: &Wiring,
    cluster: &Cluster,
    instance: &Instance,
    home: &Home,
    demo: Option<seed::Size>,
    began: Instant,
) -> anyhow::Result<()> {
    banner::wait_until_ready(&instance.api).await?;
    if let Some(size) = demo {
        let filling = Instant::now();
        let seeder = seed::Seeder::new(wiring);
        let filled = seed::fill(&seeder, size, |_| {}).await.context("the demo data cannot be made")?;
        println!(
            "demo shop  {} people, {} products, {} orders ({})",
            filled.users,
            filled.products,
            filled.orders,
            banner::seconds(filling.elapsed())
        );
    }
    database::finish(cluster).await?;
    let took = began.elapsed();
    println!("{}", banner::ready(instance, wiring.config.metrics_listen, home.path(), took).await);
    Ok(())
}
