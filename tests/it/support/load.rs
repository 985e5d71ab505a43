//! Many clients at once, and chance that can be repeated.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use super::client::Client;

/// Works through `work` on so many connections at once, spread evenly over the servers; what comes first is begun first.
pub async fn spread<T, R>(
    work: Vec<T>,
    connections: usize,
    servers: &[SocketAddr],
    each: impl AsyncFn(&mut Client, T) -> R,
) -> Vec<R> {
    let (work, results) = (RefCell::new(work.into_iter()), RefCell::new(Vec::new()));
    join_all((0..connections).map(async |number| {
        let mut client = Client::new(servers, number);
        loop {
            let Some(item) = work.borrow_mut().next() else { break };
            let result = each(&mut client, item).await;
            results.borrow_mut().push(result);
        }
    }))
    .await;
    results.into_inner()
}

/// Chance from a seed (splitmix64): the same throws every time.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// An index below `length`.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.throw(u64::try_from(length).unwrap())).unwrap()
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// So many requests a second for so long, each begun when it is due, whatever becomes of the others. Answers what each said and
/// how long after it was due.
pub async fn steadily<R>(
    per_second: u32,
    duration: Duration,
    servers: &[SocketAddr],
    each: impl AsyncFn(&mut Client, usize) -> R,
) -> Vec<(Duration, R)> {
    const CONNECTIONS: usize = 32;
    let (began, results) = (Instant::now(), RefCell::new(Vec::new()));
    let due = |number: usize| Duration::from_secs(1) * u32::try_from(number).unwrap() / per_second;
    join_all((0..CONNECTIONS).map(async |first| {
        let mut client = Client::new(servers, first);
        for number in (first..).step_by(CONNECTIONS).take_while(|number| due(*number) < duration) {
            let at = began + due(number);
            sleep_until(at).await;
            let result = each(&mut client, number).await;
            results.borrow_mut().push((at.elapsed(), result));
        }
    }))
    .await;
    results.into_inner()
}

/// What so many in a hundred are faster than.
pub fn percentile<R>(results: &[(Duration, R)], percent: usize) -> Duration {
    let mut times: Vec<Duration> = results.iter().map(|(took, _)| *took).collect();
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
