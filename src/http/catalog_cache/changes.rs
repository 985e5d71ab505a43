//! How often the catalog has changed, counted in Redis for all processes.

use std::sync::OnceLock;

use redis::{ExistenceCheck, SetOptions, aio::MultiplexedConnection};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::redis_link::RedisLink;

/// Every change.
const ALL: &str = "oms:catalog:changes";
/// Changes that are not of one product.
const OTHERS: &str = "oms:catalog:changes:others";
/// How long the changes of one product are counted after the last; longer than anything is kept, so that no count comes twice
/// within the life of an answer.
const OF_PRODUCT_MS: i64 = 60_000;

fn of_product(product: Uuid) -> String {
    format!("oms:catalog:changes:{product}")
}

/// How often what an answer shows has changed: counts that are compared, and mean nothing else.
pub(super) type Count = (i64, i64);

/// Whoever waits for a count: of one product, or of the whole catalog.
type Asker = (Option<Uuid>, oneshot::Sender<Option<Count>>);

/// The counts, asked for whoever is waiting, once for all of them: what comes while Redis is asked shares the next question.
pub(super) struct Changes {
    redis: RedisLink,
    askers: OnceLock<mpsc::UnboundedSender<Asker>>,
}

impl Changes {
    pub(super) fn new(redis: RedisLink) -> Self {
        Self { redis, askers: OnceLock::new() }
    }

    /// How often this product, or anything, has changed, asked after the call; `None` without Redis, and when it does not
    /// answer in time.
    pub(super) async fn count(&self, product: Option<Uuid>) -> Option<Count> {
        if !self.redis.is_configured() {
            return None;
        }
        let askers = self.askers.get_or_init(|| {
            let (askers, waiting) = mpsc::unbounded_channel();
            tokio::spawn(answer(self.redis.clone(), waiting));
            askers
        });
        let (asker, count) = oneshot::channel();
        askers.send((product, asker)).ok()?;
        count.await.ok()?
    }

    /// Counts a change, of one product if it is known of which.
    pub(super) async fn one_more(&self, product: Option<Uuid>) {
        let one_more = async |mut conn: MultiplexedConnection| {
            let mut all = redis::pipe();
            all.atomic().incr(ALL, 1).ignore();
            match product.map(of_product) {
                Some(own) => all.incr(&own, 1).ignore().pexpire(&own, OF_PRODUCT_MS).ignore(),
                None => all.incr(OTHERS, 1).ignore(),
            };
            all.exec_async(&mut conn).await
        };
        let _told = self.redis.ask(one_more).await;
    }
}

async fn answer(redis: RedisLink, mut waiting: mpsc::UnboundedReceiver<Asker>) {
    let mut askers = Vec::new();
    while waiting.recv_many(&mut askers, usize::MAX).await > 0 {
        let products: Vec<Uuid> = askers.iter().filter_map(|(product, _)| *product).collect();
        let counts = ask(&redis, &products).await;
        let (all, others) = counts.as_ref().map(|(all, others, _)| (*all, *others)).unzip();
        let mut own = counts.into_iter().flat_map(|(.., own)| own);
        for (product, asker) in askers.drain(..) {
            let count = match product {
                Some(_) => others.zip(own.next()),
                None => all.map(|all| (all, 0)),
            };
            // Whoever has gone does not want to know.
            let _gone = asker.send(count);
        }
    }
}

/// All changes, those that are not of one product, and those of each of these.
async fn ask(redis: &RedisLink, products: &[Uuid]) -> Option<(i64, i64, Vec<i64>)> {
    for is_first in [true, false] {
        let counts = redis
            .ask(async |mut conn| {
                let mut get = redis::cmd("MGET");
                get.arg(ALL).arg(OTHERS);
                products.iter().for_each(|product| {
                    get.arg(of_product(*product));
                });
                get.query_async::<Vec<Option<i64>>>(&mut conn).await
            })
            .await?;
        let mut counts = counts.into_iter();
        if let (Some(Some(all)), Some(Some(others))) = (counts.next(), counts.next()) {
            return Some((all, others, counts.map(Option::unwrap_or_default).collect()));
        }
        // A Redis that has forgotten everything begins somewhere else, so that no count comes twice.
        if is_first {
            begin(redis).await?;
        }
    }
    None
}

async fn begin(redis: &RedisLink) -> Option<()> {
    redis
        .ask(async |mut conn| {
            let mut both = redis::pipe();
            for name in [ALL, OTHERS] {
                let options = SetOptions::default().conditional_set(ExistenceCheck::NX);
                both.set_options(name, i64::from(rand::random::<u32>()) << 20, options).ignore();
            }
            both.exec_async(&mut conn).await
        })
        .await
}
