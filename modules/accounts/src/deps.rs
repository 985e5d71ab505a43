//! What the module needs from outside.

use std::sync::Arc;

use kernel::{Pool, SharedClock, mail::Mailer};

use crate::{Doors, Hasher, TokenKeys};

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
        Self { pool, clock, keys, doors, mailer, public_url: public_url.trim_end_matches('/').into(), hasher }
    }
}
