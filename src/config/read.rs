//! From names and values to a [`Config`]: every value is checked, and all that is wrong is said at once.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use ipnet::IpNet;

use super::{Config, DEV_SECRET_KEY, Environment, GatewayConfig, LogFormat, MailConfig, Secret, settings};

/// What a command cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Everything that is marked as required: `oms serve`, `oms worker`.
    Everything,
    /// The database: `oms migrate`, `oms audit`.
    Database,
    /// The database; keys may be the built-in ones: `oms dev`.
    Development,
    /// Nothing: `oms openapi`.
    Nothing,
}

/// What is missing or wrong in the configuration.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// One sentence for each.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.problems.len() == 1 { "problem" } else { "problems" };
        writeln!(f, "{} {what} in the configuration:", self.problems.len())?;
        for problem in &self.problems {
            writeln!(f, "  * {problem}")?;
        }
        f.write_str("Settings are environment variables or lines in .env; 'oms config --markdown' explains them. For a try without any, run 'oms dev'.")
    }
}

struct Reader<'a> {
    environment: &'a Environment,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, name: &str) -> Option<&str> {
        self.environment.get(name)
    }

    fn text(&self, name: &str) -> String {
        let default = settings::find(name).and_then(|setting| setting.default).unwrap_or_default();
        self.environment.get(name).unwrap_or(default).to_owned()
    }

    fn wrong(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{name} {what}"));
    }

    /// A value of type `T`, or `fallback` together with an entry in the list of problems.
    fn parsed<T: FromStr>(&mut self, name: &str, fallback: T, what: &str) -> T {
        self.text(name).parse().unwrap_or_else(|_| {
            self.wrong(name, what);
            fallback
        })
    }

    fn number(&mut self, name: &str, min: u32, max: u32) -> u32 {
        let what = format!("must be a number from {min} to {max}");
        let number = self.parsed(name, min, &what);
        if !(min..=max).contains(&number) {
            self.wrong(name, &what);
        }
        number
    }

    fn seconds(&mut self, name: &str, min: u32, max: u32) -> Duration {
        Duration::from_secs(self.number(name, min, max).into())
    }

    fn url(&mut self, name: &str) -> String {
        let url = self.text(name);
        if !is_http_url(&url) {
            self.wrong(name, "must be a URL that begins with http:// or https://");
        }
        url.trim_end_matches('/').to_owned()
    }

    /// Where something is that we speak to without TLS.
    fn plain_url(&mut self, name: &str, needed: bool) -> String {
        let url = self.url(name);
        if needed && url.starts_with("https://") {
            self.wrong(
                name,
                "begins with https://, and this build speaks no TLS to the gateway: let a proxy on this machine do that, and \
                 give its address, which begins with http:// (docs/operations.md, 'TLS to the gateway and to Redis')",
            );
        }
        url
    }

    fn secret(
        &mut self,
        name: &str,
        required: bool,
        dev: &str,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Secret {
        match self.optional(name) {
            Some(value) => {
                let value = value.to_owned();
                if let Err(what) = check(&value) {
                    self.wrong(name, what);
                }
                Secret::new(value)
            }
            None if required => {
                let about = settings::find(name).map(|setting| setting.about).unwrap_or_default();
                self.wrong(name, &format!("is not set. {about}"));
                Secret::default()
            }
            None => Secret::new(dev),
        }
    }
}

fn is_http_url(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains([' ', '?', '#', '@']) && rest.is_ascii()
    })
}

fn is_origin(origin: &str) -> bool {
    is_http_url(origin) && origin.matches('/').count() == 2
}

fn database_url(url: &str) -> Result<(), &'static str> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(())
    } else {
        Err("must look like postgres://user:password@host:5432/database")
    }
}

fn check_redis_url(url: &str) -> Result<(), &'static str> {
    if url.starts_with("redis://") {
        Ok(())
    } else if url.starts_with("rediss://") {
        Err(
            "begins with rediss://, and this build speaks no TLS to Redis: let a proxy on this machine do that, and give its \
             address, which begins with redis:// (docs/operations.md, 'TLS to the gateway and to Redis')",
        )
    } else {
        Err("must look like redis://host:6379")
    }
}

fn secret_key(key: &str) -> Result<(), &'static str> {
    let mut seen: Vec<u8> = key.bytes().collect();
    seen.sort_unstable();
    seen.dedup();
    if key.len() < 32 {
        Err("is too short: at least 32 bytes. Make one with 'openssl rand -base64 48'")
    } else if seen.len() < 10 || key == DEV_SECRET_KEY {
        Err("is one that others know or can guess. Make one with 'openssl rand -base64 48'")
    } else {
        Ok(())
    }
}

fn api_key(key: &str) -> Result<(), &'static str> {
    if key.len() < 16 {
        Err("is too short: at least 16 characters")
    } else if key == DEV_API_KEY {
        Err("is the one of 'oms dev', which everybody knows")
    } else {
        Ok(())
    }
}

fn webhook_secret(secret: &str) -> Result<(), &'static str> {
    let body = secret.strip_prefix("whsec_").unwrap_or_default();
    let is_base64 = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    // 24 bytes are 32 characters, 64 bytes are 88.
    if is_base64 && (32..=88).contains(&body.len()) {
        Ok(())
    } else {
        Err("must be 'whsec_' followed by 24 to 64 bytes in base64; several are separated by commas")
    }
}

/// What webhooks are signed with in `oms dev`.
const DEV_WEBHOOK_SECRET: &str = "whsec_b21zLWRldi13ZWJob29rLXNlY3JldC0wMTIzNDU2Nzg5";
/// What the mock gateway expects in `oms dev`.
const DEV_API_KEY: &str = "oms-dev-gateway-key";

/// A network, or an address as a network of one.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

pub(super) fn read(environment: &Environment, needs: Needs) -> Result<Config, ConfigError> {
    let everything = needs == Needs::Everything;
    let lenient = !everything;
    let mut reader = Reader { environment, problems: Vec::new() };
    let loopback = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let address = "must be an address and a port, like 127.0.0.1:8000";

    let database_url = reader.secret("DATABASE_URL", needs != Needs::Nothing, "", database_url);
    let secret_key =
        reader.secret("SECRET_KEY", everything, DEV_SECRET_KEY, |key| if lenient { Ok(()) } else { secret_key(key) });
    let gateway_api_key = reader
        .secret("OMS_GATEWAY_API_KEY", everything, DEV_API_KEY, |key| if lenient { Ok(()) } else { api_key(key) });
    let webhook_secrets = reader.secret("OMS_WEBHOOK_SECRETS", everything, DEV_WEBHOOK_SECRET, |secrets| {
        if everything && secrets.contains(DEV_WEBHOOK_SECRET) {
            return Err("holds the one of 'oms dev', which everybody knows");
        }
        list(secrets).iter().try_for_each(|secret| webhook_secret(secret))
    });
    let redis_url = reader.optional("REDIS_URL").map(Secret::new);
    if let Some(Err(what)) = redis_url.as_ref().map(|url| check_redis_url(url.expose())) {
        reader.wrong("REDIS_URL", what);
    }

    let cors_origins = list(&reader.text("OMS_CORS_ORIGINS"));
    for origin in &cors_origins {
        if !is_origin(origin) {
            reader.wrong("OMS_CORS_ORIGINS", "must be origins like https://shop.example.com, separated by commas");
        }
    }

    let trusted_proxies = reader.text("OMS_TRUSTED_PROXIES");
    let trusted_proxies: Vec<_> = list(&trusted_proxies).iter().map(|text| network(text)).collect();
    if trusted_proxies.contains(&None) {
        reader.wrong("OMS_TRUSTED_PROXIES", "must be addresses or networks like 10.0.0.0/8, separated by commas");
    }

    let mail = MailConfig {
        server: reader.text("MAIL_SERVER"),
        port: reader.parsed("MAIL_PORT", 1025, "must be a port number"),
        username: reader.optional("MAIL_USERNAME").map(str::to_owned),
        password: reader.optional("MAIL_PASSWORD").map(Secret::new),
        from: reader.text("MAIL_FROM"),
    };
    if !mail.from.contains('@') || mail.from.contains(['\r', '\n']) {
        reader.wrong("MAIL_FROM", "must be an address like 'Shop <no-reply@shop.example>'");
    }

    let log_format = match reader.text("OMS_LOG_FORMAT").as_str() {
        "auto" => LogFormat::Auto,
        "json" => LogFormat::Json,
        "pretty" => LogFormat::Pretty,
        _ => {
            reader.wrong("OMS_LOG_FORMAT", "must be auto, json or pretty");
            LogFormat::Auto
        }
    };
    let log = reader.text("OMS_LOG");
    if log.parse::<tracing_subscriber::EnvFilter>().is_err() {
        reader.wrong(
            "OMS_LOG",
            "must be a level (error, warn, info, debug, trace) or a filter like 'info,oms::http=debug'",
        );
    }

    let metrics_listen = reader.optional("OMS_METRICS_LISTEN").map(str::parse);
    if matches!(metrics_listen, Some(Err(_))) {
        reader.wrong("OMS_METRICS_LISTEN", address);
    }
    let otlp_endpoint = reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT").map(str::to_owned);
    if otlp_endpoint.as_ref().is_some_and(|url| !url.starts_with("http://") || !is_http_url(url)) {
        reader.wrong(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "must be a URL that begins with http://; this build sends without TLS",
        );
    }

    let media_url = reader.text("OMS_MEDIA_URL");
    if media_url.contains("://") && !["file://", "s3://"].iter().any(|scheme| media_url.starts_with(scheme)) {
        reader.wrong("OMS_MEDIA_URL", "must be a directory, file:///… or s3://bucket/prefix");
    }

    let config = Config {
        database_url,
        redis_url,
        secret_key,
        mail,
        listen: reader.parsed("OMS_LISTEN", loopback(8000), address),
        webhook_url: match reader.optional("OMS_WEBHOOK_URL") {
            Some(_) => reader.url("OMS_WEBHOOK_URL"),
            None => reader.text("OMS_PUBLIC_URL").trim_end_matches('/').to_owned(),
        },
        public_url: reader.url("OMS_PUBLIC_URL"),
        media_url,
        media_options: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT"]
            .into_iter()
            .filter_map(|name| Some((name.to_lowercase(), Secret::new(environment.get(name)?))))
            .collect(),
        gateway: GatewayConfig {
            url: reader.plain_url("OMS_GATEWAY_URL", everything),
            listen: reader.parsed("OMS_GATEWAY_LISTEN", loopback(8100), address),
            public_url: reader.url("OMS_GATEWAY_PUBLIC_URL"),
            api_key: gateway_api_key,
        },
        webhook_secrets: list(webhook_secrets.expose()).into_iter().map(Secret::new).collect(),
        order_expiry: reader.seconds("OMS_ORDER_EXPIRY_SECONDS", 1, 31_536_000),
        expiry_sweep: reader.seconds("OMS_EXPIRY_SWEEP_SECONDS", 1, 3_600),
        reconcile: reader.seconds("OMS_RECONCILE_SECONDS", 1, 3_600),
        db_pool: reader.number("OMS_DB_POOL", 1, 1_000),
        workers_urgent: reader.number("OMS_WORKERS_URGENT", 1, 256),
        workers_bulk: reader.number("OMS_WORKERS_BULK", 1, 256),
        job_lease: reader.seconds("OMS_JOB_LEASE_SECONDS", 3, 3_600),
        cors_origins,
        max_connections: usize::try_from(reader.number("OMS_MAX_CONNECTIONS", 1, 1_000_000)).unwrap_or(usize::MAX),
        max_in_flight: usize::try_from(reader.number("OMS_MAX_IN_FLIGHT", 1, 1_000_000)).unwrap_or(usize::MAX),
        trusted_proxies: trusted_proxies.into_iter().flatten().collect(),
        rate_limit_caller: reader.number("OMS_RATE_LIMIT_CALLER", 0, 1_000_000),
        rate_limit_address: reader.number("OMS_RATE_LIMIT_ADDRESS", 0, 1_000_000),
        login_guesses: reader.number("OMS_LOGIN_GUESSES", 0, 1_000),
        drain_delay: reader.seconds("OMS_DRAIN_DELAY_SECONDS", 0, 10),
        log,
        log_format,
        metrics_listen: metrics_listen.and_then(Result::ok),
        otlp_endpoint,
        pg_bin: reader.optional("OMS_PG_BIN").map(Into::into),
        data_dir: reader.optional("OMS_DATA_DIR").map(Into::into),
        unknown: environment.unknown(),
    };
    if reader.problems.is_empty() { Ok(config) } else { Err(ConfigError { problems: reader.problems }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

    fn complete() -> Environment {
        Environment::empty()
            .with("DATABASE_URL", "postgres://oms@127.0.0.1/oms")
            .with("SECRET_KEY", "0123456789abcdefghijklmnopqrstuvwxyz")
            .with("OMS_GATEWAY_API_KEY", "0123456789abcdef")
            .with("OMS_WEBHOOK_SECRETS", WEBHOOK_SECRET)
    }

    #[test]
    fn four_settings_are_enough() {
        let config = Config::read(&complete(), Needs::Everything).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.order_expiry, Duration::from_secs(1800));
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let environment = Environment::empty()
            .with("SECRET_KEY", "short")
            .with("OMS_LISTEN", "everywhere")
            .with("OMS_DB_POOL", "0")
            .with("OMS_TRUSTED_PROXIES", "10.0.0.0/8, my-proxy")
            .with("REDIS_URL", "http://x");
        let error = Config::read(&environment, Needs::Everything).unwrap_err().to_string();
        for name in [
            "DATABASE_URL",
            "SECRET_KEY",
            "OMS_LISTEN",
            "OMS_DB_POOL",
            "REDIS_URL",
            "OMS_TRUSTED_PROXIES",
            "OMS_WEBHOOK_SECRETS",
            "OMS_GATEWAY_API_KEY",
        ] {
            assert!(error.contains(name), "{name} is missing in: {error}");
        }
    }

    #[test]
    fn what_would_need_tls_is_refused_before_anything_starts() {
        for (name, url) in [("OMS_GATEWAY_URL", "https://pay.example"), ("REDIS_URL", "rediss://:canary@redis.example")]
        {
            let error = Config::read(&complete().with(name, url), Needs::Everything).unwrap_err();
            assert!(matches!(error.problems.as_slice(), [problem] if problem.starts_with(name)), "{error}");
            assert!(error.to_string().contains("speaks no TLS") && !error.to_string().contains("canary"), "{error}");
        }
        let plain =
            complete().with("OMS_GATEWAY_URL", "http://127.0.0.1:8443").with("REDIS_URL", "redis://127.0.0.1:6380");
        assert!(Config::read(&plain, Needs::Everything).is_ok());
        // Buyers' browsers speak TLS, whatever we do.
        let public = complete().with("OMS_GATEWAY_PUBLIC_URL", "https://pay.example");
        assert!(Config::read(&public, Needs::Everything).is_ok());
    }

    #[test]
    fn guessable_keys_are_refused_outside_dev() {
        for key in [DEV_SECRET_KEY, "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(Config::read(&complete().with("SECRET_KEY", key), Needs::Everything).is_err(), "{key}");
            assert!(Config::read(&complete().with("SECRET_KEY", key), Needs::Development).is_ok(), "{key}");
        }
    }

    #[test]
    fn i_08_secrets_are_not_in_debug_output_or_errors() {
        let environment = complete().with("MAIL_PASSWORD", "canary-mail").with("REDIS_URL", "redis://:canary@h");
        let shown = format!("{:?}", Config::read(&environment, Needs::Everything).unwrap());
        assert!(!shown.contains("canary") && !shown.contains("whsec_") && !shown.contains("0123456789"), "{shown}");
        let wrong = environment.with("OMS_WEBHOOK_SECRETS", "canary").with("DATABASE_URL", "canary");
        let error = Config::read(&wrong, Needs::Everything).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn several_webhook_secrets_are_separated_by_commas() {
        let environment = complete().with("OMS_WEBHOOK_SECRETS", format!("{WEBHOOK_SECRET}, {WEBHOOK_SECRET}"));
        assert_eq!(Config::read(&environment, Needs::Everything).unwrap().webhook_secrets.len(), 2);
    }

    #[test]
    fn a_misspelt_setting_is_noticed() {
        let config = Config::read(&complete().with("OMS_LISTN", "x"), Needs::Everything).unwrap();
        assert_eq!(config.unknown, ["OMS_LISTN"]);
    }

    #[test]
    fn every_default_is_accepted() {
        let mut environment = Environment::empty();
        for setting in settings::all() {
            if let Some(default) = setting.default {
                environment = environment.with(setting.name, default);
            }
        }
        assert!(Config::read(&environment, Needs::Nothing).is_ok());
    }
}
