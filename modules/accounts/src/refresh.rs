//! Exchanging a refresh token for a new pair.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use kernel::{PgConn, UserId};

use crate::{
    Accounts, AccountsError, TokenKeys,
    session::{EndReason, REFRESH_LIFETIME, RefreshSecret, RefreshToken, RefreshTokenId, Tokens},
    store::{
        sessions::{self, RefreshTokenRow},
        users,
    },
    throttle::Door,
};

/// A client that lost our answer, or two tabs of one browser, may present a token twice within this time.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// Exchanges a refresh token for a new pair.
///
/// A token that was already exchanged is answered with the same successor for ten seconds. After that its second use
/// means that two people have it, and the session ends for both.
pub(crate) async fn refresh(accounts: &Accounts, token: &RefreshToken) -> Result<Tokens, AccountsError> {
    let attempt = accounts.throttle.knock(Door::Refresh).await?;
    let outcome = try_exchange(accounts, token).await;
    if !matches!(outcome, Err(AccountsError::InvalidRefreshToken)) {
        accounts.throttle.forgive(attempt).await;
    }
    outcome
}

async fn try_exchange(accounts: &Accounts, token: &RefreshToken) -> Result<Tokens, AccountsError> {
    let (accounts, token) = (accounts.clone(), token.clone());
    let outcome = kernel::run(move || {
        let (accounts, token) = (accounts.clone(), token.clone());
        async move {
            let secret = RefreshSecret::parse(&token).ok_or(AccountsError::InvalidRefreshToken)?;
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| exchange(conn, &accounts.keys, &secret, now).await).await
        }
    })
    .await?;
    match outcome {
        Outcome::Exchanged(tokens) => Ok(tokens),
        Outcome::Reused(user) => {
            tracing::warn!(user.id = %user, "a refresh token was used twice; its session has ended");
            Err(AccountsError::InvalidRefreshToken)
        }
    }
}

/// What became of the exchange. A reuse is no error, because its effect must be committed.
enum Outcome {
    Exchanged(Tokens),
    Reused(UserId),
}

async fn exchange(
    conn: &mut PgConn,
    keys: &TokenKeys,
    secret: &RefreshSecret,
    now: DateTime<Utc>,
) -> Result<Outcome, AccountsError> {
    let hash = secret.hash();
    let session = sessions::lock_by_token(conn, &hash).await?.filter(|session| session.ended_at.is_none());
    let session = session.ok_or(AccountsError::InvalidRefreshToken)?;
    let token = sessions::find_token(conn, &hash).await?.filter(|token| token.expires_at > now);
    let token = token.ok_or(AccountsError::InvalidRefreshToken)?;
    let user = users::find(conn, session.user_id).await?.filter(|user| user.disabled_at.is_none());
    let user = user.ok_or(AccountsError::InvalidRefreshToken)?;

    match use_of(&token, now) {
        Use::First => {
            let (id, expires_at) = (RefreshTokenId::new(), now + REFRESH_LIFETIME);
            let successor = secret.successor(keys, id);
            sessions::rotate_token(conn, token.id, id, now).await?;
            sessions::insert_token(conn, session.id, id, &successor.hash(), (now, expires_at)).await?;
            Ok(Outcome::Exchanged(Tokens::issue(keys, &user, &successor, expires_at, now)?))
        }
        Use::Double(id) => {
            let expires_at = sessions::expiry(conn, id).await?.ok_or(AccountsError::InvalidRefreshToken)?;
            Ok(Outcome::Exchanged(Tokens::issue(keys, &user, &secret.successor(keys, id), expires_at, now)?))
        }
        Use::Reuse => {
            sessions::end(conn, session.id, EndReason::TokenReuse, now).await?;
            Ok(Outcome::Reused(user.id))
        }
    }
}

/// Which use of a refresh token this is.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    First,
    Double(RefreshTokenId),
    Reuse,
}

fn use_of(token: &RefreshTokenRow, now: DateTime<Utc>) -> Use {
    match (token.rotated_at, token.successor_id) {
        (None, _) => Use::First,
        (Some(at), Some(successor)) if now - at <= GRACE => Use::Double(successor),
        (Some(_), _) => Use::Reuse,
    }
}
