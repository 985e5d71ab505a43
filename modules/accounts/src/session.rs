//! Sessions: one login, an access token for the moment, and a chain of refresh tokens.
//!
//! The first refresh token is random; each successor is a MAC over its predecessor and its own row's id. Only hashes
//! are stored, so nobody can read a token from the database, and yet a double refresh can be answered with the same
//! successor: the chain never forks, and a stolen token is noticed as soon as both holders have used it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use kernel::{PgConn, UserId};
use sha2::{Digest, Sha256};

use crate::{
    AccountsError, KeyError, TokenKeys,
    keys::{ACCESS_LIFETIME, Pass},
    secret::secret_text,
    store::{
        sessions,
        users::{self, UserRow},
    },
};

/// How long a refresh token is good.
pub(crate) const REFRESH_LIFETIME: TimeDelta = TimeDelta::days(30);

kernel::typed_id!(
    /// One login.
    SessionId
);
kernel::typed_id!(
    /// A refresh token's row.
    RefreshTokenId
);

secret_text! {
    /// A refresh token as we hand it out.
    pub struct RefreshToken {
        min: 43, max: 43, pattern: "^[A-Za-z0-9_-]{43}$",
        say: "a refresh token as answered by log-in or refresh", example: "9Zt3hN0v7xkQm2yJ4bW8sLr1cUe6aPfGdHiKoTnVzXA",
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    Logout,
    TokenReuse,
    PasswordChange,
    PasswordReset,
    Disabled,
    RoleChange,
}

impl EndReason {
    /// The name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::TokenReuse => "token_reuse",
            Self::PasswordChange => "password_change",
            Self::PasswordReset => "password_reset",
            Self::Disabled => "disabled",
            Self::RoleChange => "role_change",
        }
    }
}

/// What somebody is handed who has shown who they are.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) access_lifetime: TimeDelta,
    pub(crate) refresh: String,
    pub(crate) refresh_lifetime: TimeDelta,
}

impl Tokens {
    pub(crate) fn issue(
        keys: &TokenKeys,
        user: &UserRow,
        refresh: &RefreshSecret,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Self, KeyError> {
        let pass = Pass { user_id: user.id, role: user.role(), version: user.sessions_version };
        Ok(Self {
            access: keys.access_token(&pass, now)?,
            access_lifetime: ACCESS_LIFETIME,
            refresh: refresh.text(),
            refresh_lifetime: expires_at - now,
        })
    }
}

/// A refresh token's 32 bytes.
pub(crate) struct RefreshSecret([u8; 32]);

impl RefreshSecret {
    /// The first of a chain.
    fn random() -> Self {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes);
        Self(bytes)
    }

    /// What a client sent, if it can be one.
    pub(crate) fn parse(text: &RefreshToken) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text.as_str()).ok()?.try_into().ok().map(Self)
    }

    /// The one that follows, in the row `id`.
    pub(crate) fn successor(&self, keys: &TokenKeys, id: RefreshTokenId) -> Self {
        Self(keys.refresh_mac(&[&self.0, id.as_uuid().as_bytes()]))
    }

    /// What is stored.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Opens a session for `user`, who is at `origin`. Joins the caller's transaction.
pub(crate) async fn open(
    conn: &mut PgConn,
    keys: &TokenKeys,
    user: &UserRow,
    origin: &[u8],
    now: DateTime<Utc>,
) -> Result<Tokens, AccountsError> {
    let (id, secret, expires_at) = (SessionId::new(), RefreshSecret::random(), now + REFRESH_LIFETIME);
    sessions::insert(conn, id, user.id, origin, now).await?;
    sessions::insert_token(conn, id, RefreshTokenId::new(), &secret.hash(), (now, expires_at)).await?;
    Ok(Tokens::issue(keys, user, &secret, expires_at, now)?)
}

/// Ends all sessions of a locked user: refresh tokens at once, access tokens as soon as every process has looked (see
/// [`crate::Doors`]). Answers the version that new tokens carry. Joins the caller's transaction.
pub(crate) async fn end_all(
    conn: &mut PgConn,
    user: UserId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<i32, AccountsError> {
    sessions::end_all(conn, user, reason, now).await?;
    Ok(users::next_sessions_version(conn, user, now).await?)
}
