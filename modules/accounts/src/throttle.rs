//! Slows down who guesses, without ever shutting out who knows.
//!
//! A wrong password counts against the name together with the address it came from, against the name from wherever, and
//! against the address. The second is wider than the first, so one guesser leaves room for everybody else; and when many
//! guess from many addresses, an address from which the person has logged in lately is still let through, as is, by the mailed
//! token, everybody who can read their mail. Nothing depends on whether there is an account of that name; the user name and the
//! e-mail address of one account are two names.
//!
//! Every attempt is counted before it is looked at, so that attempts at the same time are counted too; what turns out right is
//! given back.

use std::{sync::Arc, time::Duration};

use kernel::{
    UserId,
    limit::{Quota, SharedLimiter, TooMany, Unlimited, neighbourhood},
    request,
};
use sha2::{Digest, Sha256};

use crate::TokenKeys;

/// Slows down who guesses. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Throttle {
    limiter: SharedLimiter,
    guesses: u32,
}

/// Nobody is slowed down.
impl Default for Throttle {
    fn default() -> Self {
        Self { limiter: Arc::new(Unlimited), guesses: 0 }
    }
}

/// An attempt that was counted.
#[must_use]
#[derive(Default)]
pub(crate) struct Attempt(Vec<(Quota, String)>);

const MINUTE: Duration = Duration::from_secs(60);

/// What can be guessed at without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// A token from a mail.
    MailedToken,
    /// A refresh token.
    Refresh,
    /// Asking for a mail; that is no guess, but it writes to people.
    Mail,
    /// Registering, which writes to people and makes us hash.
    Register,
}

impl Throttle {
    /// Lets `guesses` pass at once for a name from an address, and everything else in proportion; 0: nobody is slowed down.
    pub(crate) fn new(limiter: SharedLimiter, guesses: u32) -> Self {
        Self { limiter, guesses }
    }

    fn quota(&self, name: &'static str, guesses_times: (u32, u32), each: Duration) -> Quota {
        let (times, divisor) = guesses_times;
        let burst = self.guesses.saturating_mul(times).div_ceil(divisor);
        Quota::new(name, burst, each.saturating_mul(burst))
    }

    /// One name from one address: 5 guesses, and one every two minutes.
    fn pair(&self) -> Quota {
        self.quota("login", (1, 1), MINUTE * 2)
    }

    /// One name from wherever: 6 guesses, and one each minute.
    fn name(&self) -> Quota {
        self.quota("login-name", (6, 5), MINUTE)
    }

    /// One person from an address they have been at.
    fn known(&self) -> Quota {
        self.quota("login-known", (1, 1), MINUTE * 2)
    }

    /// All names from one address: 50, and one every six seconds.
    fn address(&self) -> Quota {
        self.quota("login-address", (10, 1), Duration::from_secs(6))
    }

    /// The caller's present password: whoever has somebody's access token does not know it yet.
    fn present_password(&self) -> Quota {
        self.quota("password", (1, 1), MINUTE * 2)
    }

    async fn take(&self, attempt: &mut Attempt, quota: Quota, key: String) -> Result<(), TooMany> {
        self.limiter.take(quota, &key).await?;
        attempt.0.push((quota, key));
        Ok(())
    }

    /// Counts an attempt to log in by `name`. `known` is asked, when too many have tried that name, for the person if they have
    /// logged in from here lately.
    pub(crate) async fn log_in<E: From<TooMany>>(
        &self,
        name: &str,
        known: impl Future<Output = Result<Option<UserId>, E>>,
    ) -> Result<Attempt, E> {
        let mut attempt = Attempt::default();
        if self.guesses == 0 {
            return Ok(attempt);
        }
        match self.count(&mut attempt, name, known).await {
            Ok(()) => Ok(attempt),
            // Nobody looks at it, so it was no guess.
            Err(refused) => {
                self.forgive(attempt).await;
                Err(refused)
            }
        }
    }

    async fn count<E: From<TooMany>>(
        &self,
        attempt: &mut Attempt,
        name: &str,
        known: impl Future<Output = Result<Option<UserId>, E>>,
    ) -> Result<(), E> {
        let (name, address) = (digest(&name.to_lowercase()), here());
        self.take(attempt, self.address(), address.clone()).await?;
        self.take(attempt, self.pair(), format!("{name}:{address}")).await?;
        if let Err(too_many) = self.take(attempt, self.name(), name).await {
            let Some(person) = known.await? else { return Err(too_many.into()) };
            self.take(attempt, self.known(), format!("{person}:{address}")).await?;
        }
        Ok(())
    }

    /// Counts an attempt to show one's present password.
    pub(crate) async fn show_password(&self, person: UserId) -> Result<Attempt, TooMany> {
        let mut attempt = Attempt::default();
        if self.guesses > 0 {
            self.take(&mut attempt, self.present_password(), person.to_string()).await?;
        }
        Ok(attempt)
    }

    /// Counts an attempt at a door that asks for no name, by address.
    pub(crate) async fn knock(&self, door: Door) -> Result<Attempt, TooMany> {
        let mut attempt = Attempt::default();
        if self.guesses == 0 {
            return Ok(attempt);
        }
        let quota = match door {
            // 25, and one every 15 seconds.
            Door::MailedToken => self.quota("mailed-token", (5, 1), Duration::from_secs(15)),
            // 50, and one every 6 seconds: many people may be behind one address.
            Door::Refresh => self.quota("refresh", (10, 1), Duration::from_secs(6)),
            Door::Register => self.quota("register", (10, 1), Duration::from_secs(6)),
            // 20, and one a minute.
            Door::Mail => self.quota("mail", (4, 1), MINUTE),
        };
        self.take(&mut attempt, quota, here()).await?;
        Ok(attempt)
    }

    /// Counts somebody asking for a mail to `address`, whether or not anybody is known by it: 10, and one every six minutes.
    pub(crate) async fn ask_for_mail(&self, address: &str) -> Result<(), TooMany> {
        let mut attempt = self.knock(Door::Mail).await?;
        if self.guesses > 0 {
            let quota = self.quota("mail-name", (2, 1), MINUTE * 6);
            self.take(&mut attempt, quota, digest(address)).await?;
        }
        Ok(())
    }

    /// It was no guess.
    pub(crate) async fn forgive(&self, attempt: Attempt) {
        for (quota, key) in attempt.0 {
            self.limiter.give_back(quota, &key).await;
        }
    }
}

/// The address that the request is counted by.
fn here() -> String {
    request::address().map_or_else(|| "nowhere".to_owned(), |address| neighbourhood(address).to_string())
}

/// A name as it may be kept outside of the database.
fn digest(name: &str) -> String {
    hex::encode(Sha256::digest(name))
}

/// What is stored of the place that a session is opened from.
pub(crate) fn origin(keys: &TokenKeys, person: UserId) -> [u8; 32] {
    keys.refresh_mac(&[b"origin", person.as_uuid().as_bytes(), here().as_bytes()])
}
