//! `oms jobs`: what stands in the queue, and what to do about it.

use std::process::ExitCode;

use ::jobs::{
    JobsError, State,
    admin::{self, Filter, JobView},
};
use anyhow::Context;
use clap::{Parser, Subcommand};
use kernel::{
    PgConn, Queue,
    db::{self, PoolSettings},
};

use super::serve::require_current_schema;
use crate::{
    config::{Config, Needs},
    telemetry,
};

/// List, show, retry and cancel jobs
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How many jobs there are, and the newest of them
    List {
        /// Only in this state: new, in_progress, retried, finished, failed, cancelled
        #[arg(long)]
        state: Option<State>,
        /// Only in this queue: urgent, bulk, gateway
        #[arg(long, value_parser = known_queue)]
        queue: Option<Queue>,
        /// Only of this kind, for example orders.send_mail
        #[arg(long)]
        kind: Option<String>,
        /// Only jobs with a smaller number: the next page
        #[arg(long)]
        before: Option<i64>,
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Everything about one job, as JSON
    Show {
        /// Its number
        id: i64,
    },
    /// Let a failed, cancelled or waiting job run now
    Retry {
        /// Its number
        id: i64,
    },
    /// Let every failed job run now; those that cannot are named, with the reason
    RetryFailed {
        /// Only of this kind
        #[arg(long)]
        kind: Option<String>,
    },
    /// Take a waiting job out of the queue
    Cancel {
        /// Its number
        id: i64,
    },
}

/// A queue by its name: with one that is misspelt, nothing would be found and all would look well.
fn known_queue(name: &str) -> Result<Queue, String> {
    let found = Queue::ALL.into_iter().find(|queue| queue.name() == name);
    found.ok_or_else(|| format!("there is no such queue; the queues are {}", Queue::ALL.map(Queue::name).join(", ")))
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init_quiet();
    let config = Config::load(Needs::Database)?;
    require_current_schema(&config).await?;
    let settings = PoolSettings { application_name: "oms jobs", ..PoolSettings::default() };
    let mut conn =
        db::connect(config.database_url.expose(), &settings).await.context("the database does not answer")?;
    match args.action {
        Action::List { state, queue, kind, before, limit, json } => {
            let queue = queue.map(|queue| queue.name().to_owned());
            let jobs = admin::list(&mut conn, &Filter { state, queue, kind, before, limit }).await?;
            if json {
                for job in &jobs {
                    println!("{}", serde_json::to_string(job)?);
                }
            } else {
                print_counts(&mut conn).await?;
                print_jobs(&jobs);
            }
        }
        Action::Show { id } => println!("{}", serde_json::to_string_pretty(&admin::get(&mut conn, id).await?)?),
        Action::Retry { id } => {
            let job = admin::retry(&mut conn, id).await?;
            admin::notify(&mut conn).await?;
            println!("job {} ({}) runs as soon as a worker is free", job.id, job.kind);
        }
        Action::RetryFailed { kind } => retry_failed(&mut conn, kind).await?,
        Action::Cancel { id } => {
            let job = admin::cancel(&mut conn, id).await?;
            println!("job {} ({}) will not run", job.id, job.kind);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As many dead jobs are looked at in one go.
const PAGE: u32 = 1_000;

/// What came of retrying everything that is dead.
#[derive(Default)]
struct Tally {
    again: u32,
    left: u32,
}

/// Lets everything that is dead run again, and says what came of it.
async fn retry_failed(conn: &mut PgConn, kind: Option<String>) -> anyhow::Result<()> {
    let filter = Filter { state: Some(State::Failed), kind, limit: PAGE, ..Filter::default() };
    let mut tally = Tally::default();
    let outcome = retry_each(conn, filter.clone(), &mut tally).await;
    // Workers hear of what runs again also when the rest could not be seen to.
    let told = admin::notify(conn).await;
    let Tally { again, left } = tally;
    outcome.with_context(|| {
        format!("{again} failed jobs run again, the others were not come to; run this again when the cause is gone")
    })?;
    told.context("the workers could not be told; they find the jobs by themselves within moments")?;
    match (filter.kind, again + left) {
        (Some(kind), 0) => println!("no dead job of kind {kind}"),
        (None, 0) => println!("no dead job"),
        _ => println!("{again} failed jobs run as soon as workers are free"),
    }
    if left > 0 {
        println!("{left} were left as they are, for the reasons above");
    }
    Ok(())
}

/// Goes through what passes the filter from the newest on. A job that dies again meanwhile is not met twice, and one that
/// cannot be retried keeps nobody from the others.
async fn retry_each(conn: &mut PgConn, mut filter: Filter, tally: &mut Tally) -> anyhow::Result<()> {
    loop {
        let page = admin::list(conn, &filter).await?;
        let Some(oldest) = page.last().map(|job| job.id) else { return Ok(()) };
        for job in &page {
            match admin::retry(conn, job.id).await {
                Ok(_) => tally.again += 1,
                Err(why @ (JobsError::AlreadyQueued(_) | JobsError::NotRetriable { .. } | JobsError::NotFound(_))) => {
                    println!("{why}");
                    tally.left += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        filter.before = Some(oldest);
    }
}

async fn print_counts(conn: &mut PgConn) -> anyhow::Result<()> {
    println!("{:<10} {:<12} {:>8}  oldest", "queue", "state", "jobs");
    for count in admin::counts(conn).await? {
        let oldest = match count.oldest_ready_ms {
            0 => String::new(),
            waiting => format!("ready for {} s", waiting / 1_000),
        };
        println!("{:<10} {:<12} {:>8}  {oldest}", count.queue, count.state.as_str(), count.count);
    }
    println!();
    Ok(())
}

fn print_jobs(jobs: &[JobView]) {
    println!(
        "{:>10} {:<10} {:<28} {:<12} {:>8}  {:<20} last error",
        "id", "queue", "kind", "state", "attempt", "created (UTC)"
    );
    for job in jobs {
        let attempt = format!("{}/{}", job.attempt, job.max_attempts);
        let errors = job.errors.as_array().and_then(|errors| errors.last());
        let error = errors.and_then(|last| last.get("error")).and_then(serde_json::Value::as_str).unwrap_or_default();
        let error: String = error.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let created = job.created_at.format("%Y-%m-%d %H:%M:%S");
        println!(
            "{:>10} {:<10} {:<28} {:<12} {attempt:>8}  {created:<20} {error}",
            job.id,
            job.queue,
            job.kind,
            job.state.as_str()
        );
    }
}
