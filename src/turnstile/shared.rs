//! What all processes have counted together, in Redis.

use kernel::limit::{Quota, Standing, TooMany};
use redis::Script;

use super::pace::Pace;
use crate::redis_link::RedisLink;

pub(super) struct Shared {
    redis: RedisLink,
    take: Script,
    give_back: Script,
}

fn key_of(quota: Quota, key: &str) -> String {
    format!("oms:limit:{}:{key}", quota.name)
}

impl Shared {
    pub(super) fn new(redis: RedisLink) -> Self {
        Self {
            redis,
            take: Script::new(include_str!("take.lua")),
            give_back: Script::new(include_str!("give_back.lua")),
        }
    }

    /// `None` when Redis is not there to be asked.
    pub(super) async fn take(&self, quota: Quota, key: &str) -> Option<Result<Standing, TooMany>> {
        let pace = Pace::from(quota);
        let mut call = self.take.prepare_invoke();
        call.key(key_of(quota, key)).arg(pace.interval).arg(pace.window);
        let answer = self.redis.ask(async |mut conn| call.invoke_async::<(bool, i64)>(&mut conn).await);
        let (taken, ahead) = answer.await?;
        Some(if taken { Ok(pace.standing(ahead)) } else { Err(pace.refusal(ahead)) })
    }

    pub(super) async fn give_back(&self, quota: Quota, key: &str) {
        let pace = Pace::from(quota);
        let mut call = self.give_back.prepare_invoke();
        call.key(key_of(quota, key)).arg(pace.interval);
        // Lost with Redis: then it is forgotten there sooner or later anyway.
        let _answer = self.redis.ask(async |mut conn| call.invoke_async::<bool>(&mut conn).await).await;
    }
}
