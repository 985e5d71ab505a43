//! Whether this process lives, and whether it can be given work.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use accounts::Doors;
use kernel::{Pool, migration, request};
use poem::{Endpoint, Response, endpoint::make, endpoint::make_sync, http::StatusCode};
use serde_json::json;
use tokio::sync::Mutex;

use super::shutdown::Shutdown;
use crate::{config::Secret, migrations, wiring::Wiring};

/// How long an outcome is good for, so that many askers cost one look.
const FRESH: Duration = Duration::from_millis(500);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_millis(1500);

fn json_response(status: StatusCode, content_type: &str, body: &serde_json::Value) -> Response {
    let mut response =
        Response::builder().status(status).content_type(content_type).header("cache-control", "no-store");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response = response.header("retry-after", "1");
    }
    response.body(body.to_string())
}

/// `GET /healthz`: the process answers. Touches nothing.
pub(super) fn alive() -> impl Endpoint<Output = Response> {
    make_sync(|_request| json_response(StatusCode::OK, "application/json", &json!({ "status": "ok" })))
}

/// What a look has found.
#[derive(Debug, Clone)]
struct Report {
    database: Result<(), &'static str>,
    migrations: Result<(), String>,
    redis: &'static str,
}

struct Readiness {
    pool: Pool,
    doors: Arc<Doors>,
    redis_url: Option<Secret>,
    shutdown: Shutdown,
    last: Mutex<Option<(Instant, Report)>>,
}

/// `GET /readyz`: the database answers and has our schema, and the process is not about to end. Redis is reported and
/// does not count, because `oms` runs without it.
pub(super) fn ready(wiring: &Wiring, shutdown: Shutdown) -> impl Endpoint<Output = Response> + use<> {
    let readiness = Arc::new(Readiness {
        pool: wiring.health_pool.clone(),
        doors: wiring.doors.clone(),
        redis_url: wiring.config.redis_url.clone(),
        shutdown,
        last: Mutex::new(None),
    });
    make(move |_request| {
        let readiness = readiness.clone();
        async move { readiness.answer().await }
    })
}

impl Readiness {
    async fn answer(&self) -> poem::Result<Response> {
        let report = self.report().await;
        let leaving = self.shutdown.is_leaving();
        let problem = match (&report.database, &report.migrations) {
            _ if leaving => Some("the process is shutting down".to_owned()),
            (Err(what), _) => Some((*what).to_owned()),
            (_, Err(what)) => Some(what.clone()),
            (Ok(()), Ok(())) if !self.doors.are_open() => Some("it is not known yet who may come in".to_owned()),
            (Ok(()), Ok(())) => None,
        };
        let word = |ok: bool| if ok { "ok" } else { "failed" };
        let checks = json!({
            "database": word(report.database.is_ok()),
            "migrations": word(report.migrations.is_ok()),
            "redis": report.redis,
        });
        Ok(match problem {
            None => {
                let body = json!({ "status": "ready", "version": crate::VERSION, "checks": checks });
                json_response(StatusCode::OK, "application/json", &body)
            }
            Some(detail) => {
                let body = json!({
                    "type": "/problems/unavailable", "title": "Try again in a moment", "status": 503,
                    "code": "unavailable", "detail": detail, "request_id": request::id(),
                    "version": crate::VERSION, "checks": checks,
                });
                json_response(StatusCode::SERVICE_UNAVAILABLE, "application/problem+json", &body)
            }
        })
    }

    async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((_, report)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return report.clone();
        }
        let (schema, redis) = tokio::join!(self.schema(), self.redis());
        let report = match schema {
            Ok(migrations) => Report { database: Ok(()), migrations, redis },
            Err(what) => Report { database: Err(what), migrations: Err("not known".to_owned()), redis },
        };
        *last = Some((Instant::now(), report.clone()));
        report
    }

    /// Whether the database answers, and if so whether its schema fits.
    async fn schema(&self) -> Result<Result<(), String>, &'static str> {
        // A connection that died while it was idle shows itself when it is used: hence twice.
        for _attempt in 0..2 {
            if let Ok(Ok(outcome)) = tokio::time::timeout(PATIENCE / 2, self.look()).await {
                return Ok(outcome);
            }
        }
        Err("the database does not answer")
    }

    async fn look(&self) -> Result<Result<(), String>, migrations::MigrateError> {
        let mut conn = self.pool.get().await.map_err(kernel::DbError::from)?;
        migration::ping(&mut conn).await.map_err(kernel::DbError::from)?;
        let state = migrations::state(&mut conn).await?;
        Ok(state.refusal().map_or(Ok(()), Err))
    }

    async fn redis(&self) -> &'static str {
        let Some(url) = &self.redis_url else { return "not configured" };
        let ping = async {
            let client = redis::Client::open(url.expose())?;
            let mut conn = client.get_multiplexed_async_connection().await?;
            redis::cmd("PING").query_async::<String>(&mut conn).await
        };
        match tokio::time::timeout(PATIENCE / 3, ping).await {
            Ok(Ok(_pong)) => "ok",
            _ => "failed",
        }
    }
}
