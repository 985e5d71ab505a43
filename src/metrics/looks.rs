//! What has to be asked for: whether the database and Redis answer, and what waits in the database.

use std::time::Duration;

use ::jobs::admin;
use kernel::{
    Queue,
    metrics::{self, KeyValue},
    migration,
};
use opentelemetry::metrics::Gauge;

use super::Health;
use crate::{http::Shutdown, wiring::Wiring};

/// How often everything is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the link to Redis may take to be opened behind our back.
const OPENING: Duration = Duration::from_millis(300);

struct Instruments {
    database_up: Gauge<u64>,
    redis_up: Gauge<u64>,
    ready: Gauge<u64>,
    dead: Gauge<u64>,
    oldest: Gauge<f64>,
    unsettled: Gauge<f64>,
}

/// Looks around until shutdown.
pub(super) async fn look_around(wiring: Wiring, health: Health, mut shutdown: Shutdown) {
    let meter = metrics::meter();
    let number = |name: &'static str, about: &'static str| meter.u64_gauge(name).with_description(about).build();
    let age =
        |name: &'static str, about: &'static str| meter.f64_gauge(name).with_unit("s").with_description(about).build();
    let instruments = Instruments {
        database_up: number("oms_database_up", "Whether the database answers this process."),
        redis_up: number("oms_redis_up", "Whether Redis answers this process; not there when none is configured."),
        ready: number("oms_jobs_ready", "Jobs that could run now."),
        dead: number("oms_jobs_dead", "Jobs that are out of attempts; `oms jobs list --state failed` shows them."),
        oldest: age("oms_jobs_oldest_ready_age", "How long the oldest job that could run has been waiting."),
        unsettled: age(
            "oms_payments_unsettled_oldest_age",
            "How long the oldest payment, capture, release or refund has been waiting for the gateway's word; 0 when none is.",
        ),
    };
    loop {
        tokio::join!(instruments.look_at_database(&wiring, &health), instruments.look_at_redis(&wiring));
        tokio::select! {
            () = shutdown.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

impl Instruments {
    async fn look_at_database(&self, wiring: &Wiring, health: &Health) {
        let look = async {
            if health.has_workers() {
                self.look_at_queues(wiring).await
            } else {
                let mut conn = wiring.health_pool.get().await.ok()?;
                migration::ping(&mut conn).await.ok()
            }
        };
        let answer = tokio::time::timeout(PATIENCE, look).await.ok().flatten();
        self.database_up.record(u64::from(answer.is_some()), &[]);
    }

    async fn look_at_queues(&self, wiring: &Wiring) -> Option<()> {
        let mut conn = wiring.machinery_pool.get().await.ok()?;
        let backlog = admin::backlog(&mut conn).await.ok()?;
        for queue in [Queue::Urgent, Queue::Bulk] {
            let label = [KeyValue::new("queue", queue.name())];
            let here = backlog.iter().find(|line| line.queue == queue.name());
            let count = |value: i64| u64::try_from(value).unwrap_or(0);
            let oldest = Duration::from_millis(here.map_or(0, |line| count(line.oldest_ready_ms)));
            self.ready.record(here.map_or(0, |line| count(line.ready)), &label);
            self.dead.record(here.map_or(0, |line| count(line.dead)), &label);
            self.oldest.record(oldest.as_secs_f64(), &label);
        }
        let waiting = payments::longest_wait(&mut conn, wiring.clock.now()).await.ok()?;
        self.unsettled.record(waiting.as_secs_f64(), &[]);
        Some(())
    }

    async fn look_at_redis(&self, wiring: &Wiring) {
        if !wiring.redis.is_configured() {
            return;
        }
        let mut is_up = wiring.redis.answers().await;
        if !is_up {
            tokio::time::sleep(OPENING).await;
            is_up = wiring.redis.answers().await;
        }
        self.redis_up.record(u64::from(is_up), &[]);
    }
}
