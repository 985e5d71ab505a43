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
use crate::wiring::Wiring;

/// How often everything is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// After this the link to Redis tries again, if it had given it up.
const AGAIN: Duration = Duration::from_millis(700);

struct Instruments {
    database_up: Gauge<u64>,
    redis_up: Gauge<u64>,
    ready: Gauge<u64>,
    dead: Gauge<u64>,
    oldest: Gauge<f64>,
    unsettled: Gauge<f64>,
}

/// Looks around until it is dropped.
pub(super) async fn look_around(wiring: Wiring, health: Health) {
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
    let mut counting = Outage::default();
    loop {
        let looks = tokio::join!(
            instruments.look_at_database(&wiring),
            instruments.look_at_queues(&wiring, health.has_workers()),
            instruments.look_at_redis(&wiring)
        );
        // Why, is told by those who need the database for more than counting.
        counting.tell(looks.1);
        tokio::time::sleep(EVERY).await;
    }
}

/// Says once that what waits in the database cannot be counted, and once that it can again.
#[derive(Default)]
struct Outage {
    is_told: bool,
}

impl Outage {
    fn tell(&mut self, is_counted: bool) {
        if is_counted == self.is_told {
            self.is_told = !is_counted;
            if is_counted {
                tracing::info!("what waits in the database is counted again");
            } else {
                tracing::warn!(
                    "what waits in the database cannot be counted; oms_jobs_ready and the like stay as they are"
                );
            }
        }
    }
}

impl Instruments {
    async fn look_at_database(&self, wiring: &Wiring) {
        let look = async {
            let mut conn = wiring.health_pool.get().await.ok()?;
            migration::ping(&mut conn).await.ok()
        };
        let answer = tokio::time::timeout(PATIENCE, look).await.ok().flatten();
        self.database_up.record(u64::from(answer.is_some()), &[]);
    }

    /// Whether everything was counted; a process without workers counts nothing.
    async fn look_at_queues(&self, wiring: &Wiring, has_workers: bool) -> bool {
        !has_workers || tokio::time::timeout(PATIENCE, self.count(wiring)).await.ok().flatten().is_some()
    }

    async fn count(&self, wiring: &Wiring) -> Option<()> {
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
            tokio::time::sleep(AGAIN).await;
            is_up = wiring.redis.answers().await;
        }
        self.redis_up.record(u64::from(is_up), &[]);
    }
}
