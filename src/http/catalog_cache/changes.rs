//! Whether the catalog has changed, as Redis tells all processes: each change leaves a stamp that nothing else has.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use redis::{ExistenceCheck, SetOptions, aio::MultiplexedConnection};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::redis_link::RedisLink;

/// The last change of anything.
const ALL: &str = "oms:catalog:changed";
/// The last change that is not of one product.
const OTHERS: &str = "oms:catalog:changed:others";
/// How long the change of one product is known; longer than anything is kept, so that what was kept before it has gone.
const OF_PRODUCT_MS: i64 = 60_000;

fn of_product(product: Uuid) -> String {
    format!("oms:catalog:changed:{product}")
}

/// Random, so that it never comes twice, also when Redis was emptied or went back to what it knew earlier.
fn new_stamp() -> i64 {
    rand::random()
}

/// The last changes of what an answer shows: two of them are the same or not, and mean nothing else.
pub(super) type Stamp = (i64, Option<i64>);

/// What a change changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// A product and the lists.
    Product(Uuid),
    /// The lists only: something is new.
    Lists,
    /// Perhaps everything.
    Anything,
}

/// Whoever waits for a stamp: of one product, or of the lists.
type Asker = (Option<Uuid>, oneshot::Sender<Option<Stamp>>);

/// The stamps, asked for whoever is waiting, once for all of them: what comes while Redis is asked shares the next question.
pub(super) struct Changes {
    redis: RedisLink,
    askers: Mutex<Option<mpsc::UnboundedSender<Asker>>>,
}

impl Changes {
    pub(super) fn new(redis: RedisLink) -> Self {
        Self { redis, askers: Mutex::default() }
    }

    /// When this product, or anything, has last changed, asked after the call; `None` without Redis, and when it does not
    /// answer in time.
    pub(super) async fn last(&self, product: Option<Uuid>) -> Option<Stamp> {
        if !self.redis.is_configured() {
            return None;
        }
        let (asker, stamp) = oneshot::channel();
        self.askers().send((product, asker)).ok()?;
        stamp.await.ok()?
    }

    /// The way to the task that asks, which is begun anew should it have ended.
    fn askers(&self) -> mpsc::UnboundedSender<Asker> {
        let mut askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
        match askers.as_ref().filter(|askers| !askers.is_closed()) {
            Some(askers) => askers.clone(),
            None => {
                let (new, waiting) = mpsc::unbounded_channel();
                tokio::spawn(answer(self.redis.clone(), waiting));
                askers.insert(new).clone()
            }
        }
    }

    /// Leaves the stamp of a change.
    pub(super) async fn stamp(&self, changed: Changed) {
        let stamp = async |mut conn: MultiplexedConnection| {
            let mut all = redis::pipe();
            all.atomic().set(ALL, new_stamp()).ignore();
            match changed {
                Changed::Product(product) => {
                    all.cmd("SET").arg(of_product(product)).arg(new_stamp()).arg("PX").arg(OF_PRODUCT_MS).ignore();
                }
                Changed::Lists => {}
                Changed::Anything => {
                    all.set(OTHERS, new_stamp()).ignore();
                }
            }
            all.exec_async(&mut conn).await
        };
        let _told = self.redis.ask(stamp).await;
    }
}

async fn answer(redis: RedisLink, mut waiting: mpsc::UnboundedReceiver<Asker>) {
    let mut askers = Vec::new();
    while waiting.recv_many(&mut askers, usize::MAX).await > 0 {
        let mut products: Vec<Uuid> = askers.iter().filter_map(|(product, _)| *product).collect();
        products.sort_unstable();
        products.dedup();
        let stamps = ask(&redis, &products).await;
        for (product, asker) in askers.drain(..) {
            let stamp = stamps.as_ref().map(|(all, others, own)| match product {
                Some(product) => (*others, own.get(&product).copied()),
                None => (*all, None),
            });
            // Whoever has gone does not want to know.
            let _gone = asker.send(stamp);
        }
    }
}

/// The last change of anything, the last that is not of one product, and the last of each of these, if it was lately.
async fn ask(redis: &RedisLink, products: &[Uuid]) -> Option<(i64, i64, HashMap<Uuid, i64>)> {
    for is_first in [true, false] {
        let stamps = redis
            .ask(async |mut conn| {
                let mut get = redis::cmd("MGET");
                get.arg(ALL).arg(OTHERS);
                products.iter().for_each(|product| {
                    get.arg(of_product(*product));
                });
                get.query_async::<Vec<Option<i64>>>(&mut conn).await
            })
            .await?;
        let mut stamps = stamps.into_iter();
        if let (Some(Some(all)), Some(Some(others))) = (stamps.next(), stamps.next()) {
            let own = products.iter().zip(stamps).filter_map(|(product, stamp)| Some((*product, stamp?)));
            return Some((all, others, own.collect()));
        }
        if is_first {
            begin(redis).await?;
        }
    }
    None
}

/// Leaves stamps where there are none.
async fn begin(redis: &RedisLink) -> Option<()> {
    redis
        .ask(async |mut conn| {
            let mut both = redis::pipe();
            for name in [ALL, OTHERS] {
                let options = SetOptions::default().conditional_set(ExistenceCheck::NX);
                both.set_options(name, new_stamp(), options).ignore();
            }
            both.exec_async(&mut conn).await
        })
        .await
}
