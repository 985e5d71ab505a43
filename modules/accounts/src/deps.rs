//! What the module needs from outside.

use std::sync::Arc;

use kernel::{Pool, SharedClock, SharedLimiter, mail::Mailer};

use crate::{Doors, Hasher, TokenKeys, throttle::Throttle};

/// What the module needs: built once in the composition root, cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) pool: Pool,
    pub(crate) clock: SharedClock,
    pub(crate) keys: Arc<TokenKeys>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) mailer: Arc<dyn Mailer>,
    pub(crate) public_url: Arc<str>,
    pub(crate) hasher: Hasher,
    pub(crate) throttle: Throttle,
}

impl Accounts {
    /// The module over `pool`. `public_url` is where people reach us (`https://shop.example.com`); the links in mails
    /// begin with it.
    pub fn new(
        pool: Pool,
        clock: SharedClock,
        doors: Arc<Doors>,
        mailer: Arc<dyn Mailer>,
        public_url: &str,
        hasher: Hasher,
    ) -> Self {
        let keys = doors.keys().clone();
        let (public_url, throttle) = (public_url.trim_end_matches('/').into(), Throttle::default());
        Self { pool, clock, keys, doors, mailer, public_url, hasher, throttle }
    }

    /// The same, slowing down who guesses: so many wrong passwords for a name from an address pass at once, and everything
    /// else in proportion. 0: nobody is slowed down.
    #[must_use]
    pub fn throttled(mut self, limiter: SharedLimiter, guesses: u32) -> Self {
        self.throttle = Throttle::new(limiter, guesses);
        self
    }
}
