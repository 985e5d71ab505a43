//! Whether the catalog has changed, as Redis tells all processes: each change leaves a stamp that nothing else has.

use std::collections::HashMap;

use redis::{ExistenceCheck, SetOptions, aio::MultiplexedConnection};
use uuid::Uuid;

use super::together::Together;
use crate::redis_link::RedisLink;

/// The last change of anything.
const ALL: &str = "oms:catalog:changed";
/// The last change that is not of one product.
const OTHERS: &str = "oms:catalog:changed:others";
/// How long the change of one product is known; longer than any answer is kept (30 s, see the parent), so that what was kept
/// before it has gone.
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

/// The stamps of products, or of the lists.
pub(super) struct Changes {
    redis: RedisLink,
    last: Together<Option<Uuid>, Option<Stamp>>,
}

impl Changes {
    pub(super) fn new(redis: RedisLink) -> Self {
        let asked = redis.clone();
        let last = Together::new(move |products| stamps(asked.clone(), products));
        Self { redis, last }
    }

    /// When this product, or anything, has last changed, asked after the call; `None` without Redis, and when it does not
    /// answer in time.
    pub(super) async fn last(&self, product: Option<Uuid>) -> Option<Stamp> {
        if self.redis.is_configured() { self.last.ask(product).await? } else { None }
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

/// The stamp of each product, or of the lists.
async fn stamps(redis: RedisLink, asked: Vec<Option<Uuid>>) -> Vec<Option<Stamp>> {
    let mut products: Vec<Uuid> = asked.iter().copied().flatten().collect();
    products.sort_unstable();
    products.dedup();
    let stamps = ask(&redis, &products).await;
    let stamp = |product: Option<Uuid>| {
        stamps.as_ref().map(|(all, others, own)| match product {
            Some(product) => (*others, own.get(&product).copied()),
            None => (*all, None),
        })
    };
    asked.into_iter().map(stamp).collect()
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
