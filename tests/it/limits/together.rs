//! Limits that several processes count together, through a Redis of the test's own.

use std::{sync::Arc, time::Duration};

use kernel::{Limiter, Quota, SystemClock};
use oms::{config::Secret, redis_link::RedisLink, turnstile::Turnstile};

use crate::support::redis::Redis;

const QUOTA: Quota = Quota::new("test", 10, Duration::from_secs(600));

fn turnstile(redis: &Redis) -> Turnstile {
    Turnstile::new(Arc::new(SystemClock), RedisLink::new(Some(&Secret::new(redis.url()))).unwrap())
}

/// How many pass until somebody is refused, taking turns.
async fn passed(turnstiles: &[&Turnstile], key: &str) -> usize {
    for number in 0..100 {
        if turnstiles[number % turnstiles.len()].take(QUOTA, key).await.is_err() {
            return number;
        }
    }
    100
}

/// Until the connections are there, which nobody waits for.
async fn settled(turnstiles: &[&Turnstile]) {
    for number in 0..100 {
        if passed(turnstiles, &format!("settling-{number}")).await == 10 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("they do not count together");
}

#[tokio::test]
async fn two_processes_count_together_while_redis_is_there_and_alone_while_it_is_not() {
    let mut redis = Redis::start().await;
    let (one, two) = (turnstile(&redis), turnstile(&redis));
    let both = [&one, &two];
    settled(&both).await;
    assert_eq!(passed(&both, "a").await, 10);
    // Given back by one, taken by the other.
    one.give_back(QUOTA, "a").await;
    assert!(two.take(QUOTA, "a").await.is_ok());
    assert!(one.take(QUOTA, "a").await.is_err());

    redis.freeze();
    let began = std::time::Instant::now();
    assert_eq!(passed(&both, "b").await, 20);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    redis.thaw();
    settled(&both).await;

    redis.kill();
    assert_eq!(passed(&both, "c").await, 20);
    redis.restart().await;
    settled(&both).await;

    // What Redis has forgotten, each of them still knows.
    assert_eq!(passed(&both, "d").await, 10);
    redis.flush().await;
    let more = passed(&both, "d").await;
    assert!(more <= 10, "{more}");
}
