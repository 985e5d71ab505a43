//! Password hashing: Argon2id, off the async threads, a few at a time.
//!
//! One verification takes a core for some 30 ms on purpose. As many run at once as the machine has cores, a bounded
//! number waits, and whoever comes after that is told to come back; and they give way to whoever wants something quick: a
//! flood of logins cannot starve everything else.

use std::{num::NonZero, sync::Arc, thread::available_parallelism};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc::PasswordHash},
};
use kernel::{Interrupted, politely};
use tokio::sync::Semaphore;

use crate::Password;

// The cost: OWASP's recommendation for Argon2id. A hash made with another one is replaced at the next login.
const _: () = assert!(Params::DEFAULT_M_COST == 19_456 && Params::DEFAULT_T_COST == 2 && Params::DEFAULT_P_COST == 1);

/// Verified in place of a hash when there is no such user, so that both cases take the same time. Nobody's password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdC4uLg$QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY";

/// How many may wait for a core before the next is refused.
const WAITING: usize = 200;

/// A password's hash in PHC format; the only thing that is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(String);

impl HashedPassword {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashedPassword(…)")
    }
}

/// Why a password was not hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// Too many others are waiting.
    #[error("too many logins at once")]
    Busy,
    /// The algorithm refused; a stored hash may be damaged.
    #[error("the password could not be hashed")]
    Algorithm(#[source] password_hash::Error),
    /// The thread died, or there was none.
    #[error("hashing was interrupted")]
    Interrupted(#[source] Interrupted),
}

/// What a password turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, and its hash was made with another cost than today's.
    Outdated,
}

/// Hashes and verifies passwords; cheap to clone, one for the process.
#[derive(Clone)]
pub struct Hasher {
    cores: Arc<Semaphore>,
    line: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new(available_parallelism().map_or(1, NonZero::get), WAITING)
    }
}

impl Hasher {
    /// A hasher that works on `parallel` passwords at once and lets `waiting` more wait.
    pub fn new(parallel: usize, waiting: usize) -> Self {
        let parallel = parallel.max(1);
        Self {
            cores: Arc::new(Semaphore::new(parallel)),
            line: Arc::new(Semaphore::new(parallel.saturating_add(waiting).min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The hash of `password`, with a salt of its own.
    ///
    /// # Errors
    /// [`HasherError::Busy`] when too many are waiting.
    pub async fn hash(&self, password: &Password) -> Result<HashedPassword, HasherError> {
        let password = password.clone();
        self.run(move || {
            let hash = argon2().hash_password(password.as_str().as_bytes()).map_err(HasherError::Algorithm)?;
            Ok(HashedPassword(hash.to_string()))
        })
        .await
    }

    /// Whether `password` belongs to `hash`; without a hash it does not, and finding that out takes as long.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verdict, HasherError> {
        let password = password.to_owned();
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODY).to_owned();
        let verdict = self
            .run(move || {
                let hash = PasswordHash::new(&hash).map_err(|error| HasherError::Algorithm(error.into()))?;
                match argon2().verify_password(password.as_bytes(), &hash) {
                    Ok(()) if is_current(&hash) => Ok(Verdict::Right),
                    Ok(()) => Ok(Verdict::Outdated),
                    Err(password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
                    Err(error) => Err(HasherError::Algorithm(error)),
                }
            })
            .await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HasherError> + Send + 'static,
    ) -> Result<T, HasherError> {
        let Ok(place) = Arc::clone(&self.line).try_acquire_owned() else { return Err(HasherError::Busy) };
        // The semaphores are never closed; a closed one would mean that nobody works any more.
        let Ok(core) = Arc::clone(&self.cores).acquire_owned().await else { return Err(HasherError::Busy) };
        politely(move || {
            // Given back when the work is over, not when the client hangs up.
            let (_place, _core) = (place, core);
            work()
        })
        .await
        .map_err(HasherError::Interrupted)?
    }
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn is_current(hash: &PasswordHash) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                == (Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST)
        })
}

#[cfg(test)]
pub(crate) fn outdated_hash(password: &Password) -> String {
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None).unwrap());
    cheap.hash_password(password.as_str().as_bytes()).unwrap().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[tokio::test]
    async fn s_01_a_hash_is_argon2id_with_todays_cost_and_a_salt_of_its_own() {
        let hasher = Hasher::new(1, 1);
        let (one, two) = (
            hasher.hash(&password("correct horse")).await.unwrap(),
            hasher.hash(&password("correct horse")).await.unwrap(),
        );
        assert_ne!(one, two);
        for hash in [&one, &two] {
            let parsed = PasswordHash::new(hash.as_str()).unwrap();
            let params = Params::try_from(&parsed).unwrap();
            assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19_456, 2, 1));
            assert_eq!(parsed.algorithm.as_str(), "argon2id");
            assert_eq!(hasher.verify("correct horse", Some(hash.as_str())).await.unwrap(), Verdict::Right);
            assert_eq!(hasher.verify("Correct horse", Some(hash.as_str())).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn a_hash_with_another_cost_is_outdated() {
        let old = outdated_hash(&password("correct horse"));
        assert_eq!(Hasher::new(1, 1).verify("correct horse", Some(&old)).await.unwrap(), Verdict::Outdated);
        assert_eq!(Hasher::new(1, 1).verify("wrong horse", Some(&old)).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn s_04_nobody_has_no_password_and_todays_cost() {
        assert!(is_current(&PasswordHash::new(NOBODY).unwrap()));
        assert_eq!(Hasher::new(1, 1).verify("correct horse", None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_damaged_hash_is_an_error_and_not_a_wrong_password() {
        assert!(Hasher::new(1, 1).verify("correct horse", Some("$argon2id$nonsense")).await.is_err());
    }

    #[tokio::test]
    async fn s_01_the_line_is_bounded() {
        let hasher = Hasher::new(1, 1);
        let secret = password("correct horse");
        let (a, b, c) = tokio::join!(hasher.hash(&secret), hasher.hash(&secret), hasher.hash(&secret));
        assert!(a.is_ok() && b.is_ok());
        assert!(matches!(c, Err(HasherError::Busy)));
        assert!(hasher.hash(&secret).await.is_ok(), "the places are given back");
    }
}
