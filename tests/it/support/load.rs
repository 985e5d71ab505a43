//! Many clients at once, and chance that can be repeated.

use std::{cell::RefCell, net::SocketAddr};

use futures_util::future::join_all;

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
