//! Who is let in: access tokens and API keys, judged without asking the database for each request.
//!
//! Every process keeps a small book in memory and reads it anew every second: whose sessions were ended within the lifetime
//! of an access token, and which API keys are live. So a disabled user, a changed role, a changed password and a revoked key
//! hold in all processes after a second, in the one that made the change at once, and a request costs no query. While the
//! database is away the book stays as it is; before it was read for the first time nobody is let in.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use kernel::{ApiKeyId, Caller, PgConn, Pool, Scope, Scopes, SharedClock, UserId, Verified, VerifyToken};
use tokio::time::{sleep, timeout};

use crate::{
    AccountsError, TokenKeys,
    api_key::PresentedKey,
    keys::ACCESS_LIFETIME,
    store::{
        api_keys::{self, LiveKey},
        users::{self, role_named},
    },
};

/// How often the book is read anew.
const EVERY: Duration = Duration::from_secs(1);
/// Guesses at keys make us look at most this often.
const APART: Duration = Duration::from_millis(20);
/// Looking must not hold up a request that waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// The regular look may take as long as the database needs on a bad day: it is what ends sessions in all processes.
const LONG_PATIENCE: Duration = Duration::from_secs(6);
/// The clocks of our processes and the time that a change takes to commit.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// How often it is written down that a key is used.
const USE_WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// What has to be known to judge a token.
#[derive(Debug, Default)]
struct Book {
    versions: HashMap<UserId, i32>,
    keys: HashMap<String, LiveKey>,
}

impl Book {
    async fn read(conn: &mut PgConn, now: DateTime<Utc>) -> Result<Self, AccountsError> {
        let versions = users::sessions_changed(conn, now - ACCESS_LIFETIME - OVERLAP).await?;
        let keys = api_keys::live(conn, now).await?;
        Ok(Self {
            versions: versions.into_iter().collect(),
            keys: keys.into_iter().map(|key| (key.prefix.clone(), key)).collect(),
        })
    }
}

/// Lets people and programs in; one for the process.
pub struct Doors {
    pool: Pool,
    clock: SharedClock,
    tokens: Arc<TokenKeys>,
    /// Nothing before the first look.
    book: RwLock<Option<Arc<Book>>>,
    /// When the last look began; held while somebody looks.
    looking: tokio::sync::Mutex<Option<Instant>>,
    used: Mutex<HashSet<ApiKeyId>>,
}

impl Doors {
    /// The doors over `pool`, which is best one of their own with one connection. They are closed before the first look.
    pub fn new(pool: Pool, clock: SharedClock, tokens: Arc<TokenKeys>) -> Self {
        Self {
            pool,
            clock,
            tokens,
            book: RwLock::default(),
            looking: tokio::sync::Mutex::default(),
            used: Mutex::default(),
        }
    }

    /// What access tokens are signed with.
    pub fn keys(&self) -> &Arc<TokenKeys> {
        &self.tokens
    }

    /// Reads the book every second, for ever.
    pub async fn watch(&self) {
        let mut is_away = false;
        let mut written = Instant::now();
        loop {
            match self.look_since(Instant::now(), LONG_PATIENCE).await {
                Ok(()) => is_away = false,
                Err(error) if !is_away => {
                    tracing::warn!(%error, "cannot see who was let out; the doors stay as they are");
                    is_away = true;
                }
                Err(_) => {}
            }
            if written.elapsed() >= USE_WRITTEN_EVERY {
                written = Instant::now();
                self.write_down_use().await;
            }
            sleep(EVERY).await;
        }
    }

    /// Looks at once, so that what this process has changed holds in it. Should it fail, the next look brings it.
    pub async fn look_now(&self) {
        if let Err(error) = self.look_since(Instant::now(), PATIENCE).await {
            tracing::debug!(%error, "the doors could not look");
        }
    }

    /// Whether there was a first look.
    pub fn are_open(&self) -> bool {
        self.book().is_some()
    }

    /// Returns when a look is over that began at `moment` or later, or was tried. One at a time, with a pause between them.
    async fn look_since(&self, moment: Instant, patience: Duration) -> Result<(), AccountsError> {
        let mut last = timeout(patience, self.looking.lock()).await.map_err(AccountsError::DoorsWait)?;
        if let Some(last) = *last {
            if last >= moment {
                return Ok(());
            }
            sleep(APART.saturating_sub(last.elapsed())).await;
        }
        // Whoever waits behind a look that fails does not try again: each would wait as long.
        *last = Some(Instant::now());
        let look = async {
            let mut conn = self.pool.get().await?;
            Book::read(&mut conn, self.clock.now()).await
        };
        let book = timeout(patience, look).await.map_err(AccountsError::DoorsWait)??;
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(book));
        Ok(())
    }

    /// Writes down which keys were used since the last time. Called once a minute, so the time is true to about that.
    pub async fn write_down_use(&self) {
        let used: Vec<_> =
            mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
        if used.is_empty() {
            return;
        }
        let now = self.clock.now();
        let written = async {
            let mut conn = self.pool.get().await?;
            Ok::<_, AccountsError>(api_keys::touch(&mut conn, &used, now).await?)
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "the use of API keys was not written down");
            self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(used);
        }
    }

    fn book(&self) -> Option<Arc<Book>> {
        self.book.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn person(&self, token: &str) -> Option<Verified> {
        let pass = self.tokens.read(token)?;
        let holds = self.book()?.versions.get(&pass.user_id).is_none_or(|version| pass.version >= *version);
        holds.then(|| Verified { caller: Caller::new(pass.user_id, pass.role), scopes: Scopes::All })
    }

    async fn program(&self, key: &PresentedKey<'_>) -> Option<Verified> {
        let mut book = self.book()?;
        if !book.keys.contains_key(key.prefix) {
            // It may have been made a moment ago, in another process.
            self.look_now().await;
            book = self.book()?;
        }
        let live = book.keys.get(key.prefix)?;
        let is_genuine = key.is_genuine(&live.secret_hash);
        let is_over = live.expires_at.is_some_and(|end| end <= self.clock.now());
        if !is_genuine || is_over {
            return None;
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(live.id);
        let role = role_named(&live.role).min(role_named(&live.owner_role));
        let scopes = live.scopes.iter().flatten().filter_map(|name| Scope::named(name)).collect();
        Some(Verified {
            caller: Caller { api_key: Some(live.id), ..Caller::new(live.owner_id, role) },
            scopes: Scopes::Only(scopes),
        })
    }
}

impl VerifyToken for Doors {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Verified>> {
        Box::pin(async move {
            match PresentedKey::parse(token) {
                Some(key) => self.program(&key).await,
                None => self.person(token),
            }
        })
    }
}
