//! How often something may be done, and by whom it is counted.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

/// So many at once; as many again when the window has passed since, and in between in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What it is for; keys of different quotas have nothing to do with each other.
    pub name: &'static str,
    /// How many at once.
    pub burst: u32,
    /// How long it takes until a used-up quota is whole again.
    pub window: Duration,
}

impl Quota {
    /// Declares a quota.
    pub const fn new(name: &'static str, burst: u32, window: Duration) -> Self {
        Self { name, burst, window }
    }
}

/// What is left of a quota after something was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many may follow at once.
    pub remaining: u32,
    /// When all of it will be there again.
    pub whole_in: Duration,
}

/// Nothing is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many at once; the next may come in {} s", seconds(*.retry_after))]
pub struct TooMany {
    /// When the next one may come.
    pub retry_after: Duration,
}

impl TooMany {
    /// The wait in whole seconds, at least one.
    pub fn seconds(&self) -> u64 {
        seconds(self.retry_after)
    }
}

/// Whole seconds, rounded up, at least one: what `Retry-After` says.
pub fn seconds(wait: Duration) -> u64 {
    let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    whole.max(1)
}

/// What is counted as one client: an IPv4 address, or the /64 network that an IPv6 customer has to themselves.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Counts what is done, for everybody by a key of their own. Answers at once, whatever helps it to count.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Takes one of what `key` has of `quota`.
    ///
    /// # Errors
    /// When nothing is left; then nothing was taken.
    async fn take(&self, quota: Quota, key: &str) -> Result<Standing, TooMany>;

    /// Gives one back that was taken, because it turned out not to count.
    async fn give_back(&self, quota: Quota, key: &str);
}

/// A limiter that can be handed to every module.
pub type SharedLimiter = Arc<dyn Limiter>;

/// Counts nothing and refuses nobody: for tests, and for those who have their limits elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

#[async_trait]
impl Limiter for Unlimited {
    async fn take(&self, quota: Quota, _key: &str) -> Result<Standing, TooMany> {
        Ok(Standing { remaining: quota.burst, whole_in: Duration::ZERO })
    }

    async fn give_back(&self, _quota: Quota, _key: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_network_of_their_own_are_one_client() {
        let of = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:aaaa:bbbb:cccc:dddd"), "2001:db8:1:2::");
        assert_eq!(of("1.2.3.4"), "1.2.3.4");
        assert_eq!(of("::ffff:1.2.3.4"), "1.2.3.4");
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        for (millis, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }
}
