//! The table of settings: the one place that says what they are called, what they mean and what they default to.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What it is when nobody says; `None`: nothing.
    pub default: Option<&'static str>,
    /// A value as it may look, for settings without a default.
    pub example: &'static str,
    /// Whether `oms serve` and `oms worker` cannot start without it.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// Settings that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The settings.
    pub settings: &'static [Setting],
}

const fn required(name: &'static str, example: &'static str, about: &'static str) -> Setting {
    Setting { name, default: None, example, required: true, about }
}

const fn optional(name: &'static str, example: &'static str, about: &'static str) -> Setting {
    Setting { name, default: None, example, required: false, about }
}

const fn with_default(name: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting { name, default: Some(default), example: default, required: false, about }
}

/// All settings, in the order in which they are documented.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Needed",
        settings: &[
            required(
                "DATABASE_URL",
                "postgres://oms:password@127.0.0.1:5432/oms",
                "PostgreSQL 15 or newer. The user must own the database, because `oms migrate` creates schemas in it.",
            ),
            required(
                "SECRET_KEY",
                "",
                "Signs access tokens and the links to exports; at least 32 bytes of randomness, the same for all processes. Make one with `openssl rand -base64 48`. Changing it ends access tokens and those links; who has a refresh token stays logged in.",
            ),
            required(
                "OMS_GATEWAY_API_KEY",
                "",
                "What `oms` shows to the payment gateway, and what `oms gateway` expects. At least 16 characters.",
            ),
            required(
                "OMS_WEBHOOK_SECRETS",
                "",
                "What the gateway signs its webhooks with: one or more `whsec_` secrets (Standard Webhooks), separated by commas. All of them verify; the first one signs at the mock gateway. Make one with `echo whsec_$(openssl rand -base64 32)`.",
            ),
        ],
    },
    Group {
        title: "HTTP",
        settings: &[
            with_default("OMS_LISTEN", "127.0.0.1:8000", "Address and port of the API."),
            with_default(
                "OMS_PUBLIC_URL",
                "http://127.0.0.1:8000",
                "Where clients reach the API. Links in mails begin with it.",
            ),
            optional(
                "OMS_CORS_ORIGINS",
                "https://shop.example.com,https://admin.example.com",
                "Origins whose pages may call the API from a browser, separated by commas. Nobody's when empty.",
            ),
            with_default(
                "OMS_MAX_CONNECTIONS",
                "4096",
                "Connections that may be open at once; further ones wait to be accepted.",
            ),
            optional(
                "OMS_TRUSTED_PROXIES",
                "10.0.0.0/8,192.168.1.7",
                "Networks and addresses of the proxies in front of us, separated by commas. A client's address is then taken from `X-Forwarded-For`, read from its end as far as these proxies wrote it. Nobody is believed when empty: behind a proxy all clients then look like one.",
            ),
            with_default(
                "OMS_RATE_LIMIT_CALLER",
                "600",
                "Requests that somebody who is logged in may make in a minute, all at once if they like; 0 for no limit. Counted by each process, and for all of them together when there is Redis.",
            ),
            with_default(
                "OMS_RATE_LIMIT_ADDRESS",
                "3000",
                "Requests that may come from one address in a minute without anybody being logged in; 0 for no limit.",
            ),
            with_default(
                "OMS_LOGIN_GUESSES",
                "5",
                "Wrong passwords for one name from one address before the next has to wait (two minutes with the default; who gives the right one is not counted). From all addresses together it is a fifth more and one each minute, except for addresses from which the person has logged in lately. Other doors that can be guessed at have limits in proportion. 0 for no limit.",
            ),
            with_default(
                "OMS_MAX_IN_FLIGHT",
                "512",
                "Requests to the API that are worked on at once. As many more wait for a tenth of a second; the others are told 503 and `Retry-After`.",
            ),
            with_default(
                "OMS_DRAIN_DELAY_SECONDS",
                "2",
                "How long after SIGTERM the server still accepts while `/readyz` already answers 503, so that load balancers can turn away. Requests that are running then get up to 20 seconds more.",
            ),
        ],
    },
    Group {
        title: "Storage",
        settings: &[
            with_default(
                "OMS_DB_POOL",
                "8",
                "Connections to PostgreSQL for requests. Workers have pools of their own.",
            ),
            optional(
                "REDIS_URL",
                "redis://127.0.0.1:6379",
                "Redis, for rate limits and caching: `redis://`, because this build speaks no TLS to it. `oms` runs without it.",
            ),
            with_default(
                "OMS_MEDIA_URL",
                "./media",
                "Where pictures and the files of exports are kept, not to be served by anything else: a directory (`./media`, `file:///var/lib/oms/media`), or `s3://bucket/prefix` in a binary that was built with `--features s3`.",
            ),
            optional("AWS_ACCESS_KEY_ID", "", "The key's name at the S3-compatible store."),
            optional("AWS_SECRET_ACCESS_KEY", "", "The key."),
            optional("AWS_REGION", "eu-central-1", "The store's region."),
            optional("AWS_ENDPOINT", "https://s3.example.com", "Where the store is, when it is not Amazon's."),
        ],
    },
    Group {
        title: "Mail",
        settings: &[
            with_default("MAIL_SERVER", "127.0.0.1", "SMTP server."),
            with_default(
                "MAIL_PORT",
                "1025",
                "Its port: 465 speaks TLS from the start, 587 upgrades with STARTTLS, others upgrade when the server offers it.",
            ),
            optional("MAIL_USERNAME", "oms", "User name at the SMTP server, when it wants one."),
            optional("MAIL_PASSWORD", "", "Password at the SMTP server."),
            with_default("MAIL_FROM", "OMS <no-reply@oms.example>", "The sender of our mails."),
        ],
    },
    Group {
        title: "Payments",
        settings: &[
            with_default(
                "OMS_GATEWAY_URL",
                "http://127.0.0.1:8100",
                "Where `oms` reaches the payment gateway's API: `http://`, because this build speaks no TLS to it.",
            ),
            with_default("OMS_GATEWAY_LISTEN", "127.0.0.1:8100", "Where `oms gateway`, the mock gateway, listens."),
            with_default(
                "OMS_GATEWAY_PUBLIC_URL",
                "http://127.0.0.1:8100",
                "Where buyers reach the mock gateway's pay page.",
            ),
            optional(
                "OMS_WEBHOOK_URL",
                "http://web:8000",
                "Where the payment gateway reaches the API with its webhooks, when that is not `OMS_PUBLIC_URL`: between containers, say.",
            ),
            with_default(
                "OMS_RECONCILE_SECONDS",
                "30",
                "How often the gateway is asked about payments, captures and refunds that are not settled and of which nobody heard anything for this long.",
            ),
        ],
    },
    Group {
        title: "Orders",
        settings: &[
            with_default("OMS_ORDER_EXPIRY_SECONDS", "1800", "How long an unpaid order keeps its stock."),
            with_default(
                "OMS_EXPIRY_SWEEP_SECONDS",
                "10",
                "How often unpaid orders that have run out of time are looked for.",
            ),
        ],
    },
    Group {
        title: "Workers",
        settings: &[
            with_default("OMS_WORKERS_URGENT", "4", "Workers for money and stock: settling, refunds, expiry."),
            with_default("OMS_WORKERS_BULK", "4", "Workers for everything that can wait a moment: mail, pruning."),
            with_default(
                "OMS_JOB_LEASE_SECONDS",
                "30",
                "How long a worker process may be silent before its jobs are given to others. Shorter: the work of a process that died goes on sooner; a process that is merely slow may lose its work.",
            ),
        ],
    },
    Group {
        title: "Watching",
        settings: &[
            optional(
                "OMS_METRICS_LISTEN",
                "127.0.0.1:9464",
                "Address and port where `oms serve` and `oms worker` tell Prometheus their numbers (`/metrics`) and whether they are well (`/healthz`). Not for the public. Each process of a machine needs its own. Nothing is counted when empty.",
            ),
            optional(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "http://127.0.0.1:4318",
                "A collector of traces that speaks OTLP over HTTP, without TLS. Requests, jobs, mails and calls to the gateway are then sent to it as spans. The same for all processes: what one without it begins, another takes for not to be sent. None are sent when empty; trace ids are in the log either way.",
            ),
            with_default(
                "OMS_LOG",
                "info",
                "Which log lines are written: a level, or a filter such as `info,oms::http=debug`.",
            ),
            with_default(
                "OMS_LOG_FORMAT",
                "auto",
                "`json`, `pretty`, or `auto`: pretty on a terminal, otherwise JSON.",
            ),
        ],
    },
    Group {
        title: "Development",
        settings: &[
            optional(
                "OMS_PG_BIN",
                "/usr/lib/postgresql/15/bin",
                "Where `oms dev` and the tests find `initdb` and `postgres`. Looked for in the usual places when empty.",
            ),
            optional("OMS_DATA_DIR", "/var/lib/oms-dev", "Where `oms dev` keeps its database and pictures."),
        ],
    },
];

/// All settings.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}

/// The setting of that name.
pub fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}
