//! `oms doctor`: looks at everything `oms` needs and says what to do about what is missing.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use kernel::{
    Clock, SystemClock,
    database::{self, Server},
    db::{self, PoolSettings},
};
use object_store::{ObjectStoreExt, path::Path};

use crate::{
    config::{Config, ConfigError, Needs},
    migrations, redis_link, telemetry, wiring,
};

/// Check configuration, database, migrations, Redis, mail, pictures, gateway and clock
#[derive(Debug, Parser)]
pub struct Args {}

/// How long anything may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clocks that differ more than this are worth a look, in milliseconds.
const SKEW_WARN_MS: i64 = 2_000;
/// Clocks that differ more than this break webhooks and tokens, in milliseconds.
const SKEW_FAIL_MS: i64 = 60_000;
/// Where everything of ours is.
const SCHEMAS: &[&str] = &["accounts", "catalog", "gateway", "jobs", "kernel", "orders", "payments"];
/// The oldest PostgreSQL we run on.
const VERSION_MIN: i32 = 150_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

/// Prints what it is told and remembers whether anything failed.
#[derive(Default)]
struct Report {
    failed: u32,
    warned: u32,
}

impl Report {
    fn say(&mut self, state: State, what: &str, found: &str, remedy: &str) {
        let word = match state {
            State::Ok => "ok",
            State::Warn => {
                self.warned += 1;
                "warn"
            }
            State::Fail => {
                self.failed += 1;
                "FAIL"
            }
        };
        println!("{word:<5} {what:<14} {found}");
        if state != State::Ok && !remedy.is_empty() {
            println!("      {:<14} -> {remedy}", "");
        }
    }

    fn ok(&mut self, what: &str, found: &str) {
        self.say(State::Ok, what, found, "");
    }
}

/// An error and all its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.lines().collect::<Vec<_>>().join(" ")
}

async fn timely<T, E: std::error::Error + 'static>(work: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(outcome) => outcome.map_err(|error| chain(&error)),
        Err(_elapsed) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

/// Looks at everything; exits 1 if something failed.
pub async fn run(_args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init_quiet();
    let mut report = Report::default();
    if let Some(config) = configuration(&mut report) {
        if config.database_url.is_empty() {
            report.say(
                State::Fail,
                "database",
                "DATABASE_URL is not set",
                "set it, or run `oms dev`, which needs none",
            );
        } else {
            look_at_database(&mut report, &config).await;
        }
        look_at_redis(&mut report, &config).await;
        look_at_mail(&mut report, &config).await;
        look_at_media(&mut report, &config).await;
        look_at_gateway(&mut report, &config).await;
    }
    println!("{} failed, {} to look at", report.failed, report.warned);
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The configuration, also an incomplete one: the rest is worth looking at all the same.
fn configuration(report: &mut Report) -> Option<Config> {
    let complain = |report: &mut Report, error: &ConfigError| {
        for problem in &error.problems {
            report.say(State::Fail, "configuration", problem, "`oms config` explains the settings");
        }
    };
    let config = match Config::load(Needs::Everything) {
        Ok(config) => {
            report.ok("configuration", "complete");
            Some(config)
        }
        Err(error) => {
            complain(report, &error);
            Config::load(Needs::Nothing).ok()
        }
    };
    for name in config.iter().flat_map(|config| &config.unknown) {
        report.say(State::Warn, "configuration", &format!("{name} means nothing to oms"), "is it misspelt?");
    }
    config
}

async fn look_at_database(report: &mut Report, config: &Config) {
    let url = config.database_url.expose();
    let settings = PoolSettings { application_name: "oms doctor", ..PoolSettings::default() };
    let asked = async {
        let mut conn = db::connect(url, &settings).await.map_err(|error| chain(&error))?;
        database::server(&mut conn, SCHEMAS).await.map_err(|error| chain(&error))
    };
    let clock = SystemClock;
    let before = clock.now();
    let server = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => {
            return report.say(State::Fail, "database", &error, "is PostgreSQL running, and is DATABASE_URL right?");
        }
        Err(_elapsed) => {
            let found = format!("no answer within {PATIENCE:?}");
            return report.say(
                State::Fail,
                "database",
                &found,
                "is the host of DATABASE_URL right, and does a firewall let us through?",
            );
        }
    };
    let after = clock.now();
    look_at_server(report, config, &server);
    let middle = before + (after - before) / 2;
    let skew = (server.now - middle).num_milliseconds().abs();
    let found = format!("{skew} ms from the database's");
    let remedy = "let both machines set their clocks by NTP; tokens and webhooks depend on it";
    let state = match skew {
        skew if skew > SKEW_FAIL_MS => State::Fail,
        skew if skew > SKEW_WARN_MS => State::Warn,
        _ => State::Ok,
    };
    report.say(state, "clock", &found, remedy);
    match timely(migrations::status(url)).await {
        Ok(state) => match state.refusal() {
            Some(refusal) => report.say(State::Fail, "migrations", &refusal, ""),
            None => report.ok("migrations", &format!("{} applied, none pending", state.applied.len())),
        },
        Err(error) => report.say(State::Fail, "migrations", &error, "may this user read the database?"),
    }
}

fn look_at_server(report: &mut Report, config: &Config, server: &Server) {
    let found = format!("PostgreSQL {}", server.version_text);
    if server.version < VERSION_MIN {
        report.say(State::Fail, "database", &found, "oms needs PostgreSQL 15 or newer");
    } else {
        report.ok("database", &found);
    }
    if !server.unsafe_settings.is_empty() {
        let found = format!("{} is off", server.unsafe_settings.join(", "));
        report.say(State::Fail, "durability", &found, "turn it on: what was answered as done is lost with a power cut");
    }
    if server.is_read_only {
        let remedy = "point DATABASE_URL at the primary, or see default_transaction_read_only: nothing can be ordered";
        report.say(State::Fail, "writing", "the database is read-only", remedy);
    }
    if server.encoding != "UTF8" {
        let found = format!("texts are stored as {}", server.encoding);
        report.say(State::Fail, "encoding", &found, "make a database with ENCODING 'UTF8' and move there");
    }
    if !is_english(&server.messages) {
        let remedy =
            "ALTER ROLE … SET lc_messages = 'C' (by a superuser): lost races are told by their English messages";
        report.say(State::Fail, "messages", &format!("they are in {}", server.messages), remedy);
    }
    for index in &server.invalid_indexes {
        let remedy = "`oms migrate` if migrations are missing; otherwise REINDEX INDEX CONCURRENTLY, or drop one that ends in _ccnew or _ccold";
        report.say(State::Warn, "indexes", &format!("{index} was never finished and is not used"), remedy);
    }
    for trigger in &server.triggers_off {
        let remedy = "ALTER TABLE … ENABLE TRIGGER, and then `oms audit`: what it guards may be broken";
        report.say(State::Fail, "guards", &format!("the trigger {trigger} is off"), remedy);
    }
    for constraint in &server.unchecked_constraints {
        let found = format!("the constraint {constraint} was never checked against older rows");
        report.say(State::Warn, "guards", &found, "ALTER TABLE … VALIDATE CONSTRAINT, and then `oms audit`");
    }
    // Pools of the API, the workers (16 at most), the queue, health; and the doors, two of the intake, heartbeat and signals.
    let workers = config.workers_urgent.saturating_add(config.workers_bulk).min(16);
    let wanted = i64::from(config.db_pool) + i64::from(workers) + 4 + 1 + 5;
    let free = i64::from(server.max_connections) - server.open_connections;
    let found = format!("{free} of {} free; one process with workers takes up to {wanted}", server.max_connections);
    let state = if free < wanted { State::Warn } else { State::Ok };
    report.say(state, "connections", &found, "raise max_connections, lower OMS_DB_POOL, or put a pooler between");
}

/// Whether messages in this locale are English; an empty name says that the server's environment decides.
fn is_english(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    ["", "c", "posix"].contains(&locale.as_str()) || ["c.", "en"].iter().any(|name| locale.starts_with(name))
}

async fn look_at_redis(report: &mut Report, config: &Config) {
    let Some(url) = &config.redis_url else {
        return report.ok("redis", "not configured; oms runs without it");
    };
    let ping = async {
        let client = redis::Client::open(url.expose())?;
        let mut conn = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<String>(&mut conn).await?;
        let asked = Instant::now();
        let about: String = redis::cmd("INFO").arg("server").query_async(&mut conn).await?;
        let version = about.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("?").to_owned();
        redis::RedisResult::Ok((version, asked.elapsed()))
    };
    match timely(ping).await {
        Ok((version, took)) => {
            let found = format!("Redis {version} answers in {:.1} ms", took.as_secs_f64() * 1000.0);
            let state = if took > redis_link::PATIENCE / 2 { State::Warn } else { State::Ok };
            let remedy = "what takes longer than 20 ms is not waited for: put Redis nearer, or leave REDIS_URL empty";
            report.say(state, "redis", &found, remedy);
        }
        Err(error) => {
            report.say(
                State::Warn,
                "redis",
                &error,
                "is it running, and is REDIS_URL right? oms works without it, with limits for each process",
            );
        }
    }
}

async fn look_at_mail(report: &mut Report, config: &Config) {
    let server = format!("{}:{}", config.mail.server, config.mail.port);
    let remedy = "check MAIL_SERVER, MAIL_PORT, MAIL_USERNAME and MAIL_PASSWORD; for development `oms mailcatcher` is a mail server";
    let checked = match wiring::mailer(config, std::sync::Arc::new(SystemClock)) {
        Ok(mailer) => timely(mailer.check()).await,
        Err(error) => Err(chain(&error)),
    };
    match checked {
        Ok(()) => report.ok("mail", &format!("{server} lets us in")),
        Err(error) => report.say(State::Fail, "mail", &format!("{server}: {error}"), remedy),
    }
}

async fn look_at_media(report: &mut Report, config: &Config) {
    let remedy = "check OMS_MEDIA_URL, and that this user may write there";
    let store = match wiring::media_store(config) {
        Ok(store) => store,
        Err(error) => return report.say(State::Fail, "pictures", &chain(&error), remedy),
    };
    let probe = Path::from("oms-doctor-probe");
    let attempt = async {
        store.put(&probe, Bytes::from_static(b"probe").into()).await?;
        store.get(&probe).await?.bytes().await?;
        store.delete(&probe).await
    };
    match timely(attempt).await {
        Ok(()) => report.ok("pictures", &format!("{} can be written, read and cleaned", config.media_url)),
        Err(error) => report.say(State::Fail, "pictures", &error, remedy),
    }
}

async fn look_at_gateway(report: &mut Report, config: &Config) {
    let url = format!("{}/api/book?limit=1", config.gateway.url);
    let asked = async {
        // Payments go there without a proxy, so only what is reached without one counts.
        let client = reqwest::Client::builder().no_proxy().build()?;
        client.get(url).bearer_auth(config.gateway.api_key.expose()).send().await
    };
    let remedy =
        "is `oms gateway` running, and is OMS_GATEWAY_URL right? Orders are taken without it, payments are not";
    match timely(asked).await {
        Ok(answer) if answer.status().is_success() => report.ok("gateway", &format!("{} knows us", config.gateway.url)),
        Ok(answer) if matches!(answer.status().as_u16(), 401 | 403) => {
            let found = format!("{} does not know us", config.gateway.url);
            report.say(State::Fail, "gateway", &found, "OMS_GATEWAY_API_KEY must be the same here and at the gateway");
        }
        Ok(answer) => {
            report.say(State::Fail, "gateway", &format!("{} answers {}", config.gateway.url, answer.status()), remedy);
        }
        Err(error) => report.say(State::Fail, "gateway", &error, remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_what_lost_races_are_told_in() {
        for (locale, expected) in [
            ("C", true),
            ("C.UTF-8", true),
            ("POSIX", true),
            ("en_GB.UTF-8", true),
            ("English_United States.1252", true),
            ("", true),
            ("de_DE.UTF-8", false),
            ("Czech_Czechia.1250", false),
        ] {
            assert_eq!(is_english(locale), expected, "{locale}");
        }
    }
}
