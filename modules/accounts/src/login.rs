//! Logging in.

use std::sync::LazyLock;

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use kernel::{
    PgConn, UserId,
    metrics::{self, Counter, KeyValue},
};

use crate::{
    Accounts, AccountsError, HashedPassword, Password,
    hasher::Verdict,
    password::TypedPassword,
    session::{self, Tokens},
    store::{
        sessions,
        users::{self, UserRow},
    },
    throttle,
};

kernel::text_type! {
    /// What people type to say who they are: their user name or e-mail address.
    pub struct Login {
        min: 1, max: 254, pattern: r"^[^\x00-\x1f\x7f]*$",
        say: "a user name or e-mail address", example: "alice",
    }
}

/// For how long an address stays known from which somebody has logged in, as long as their session there is kept: one that has
/// ended is forgotten after a week.
const KNOWN: TimeDelta = TimeDelta::days(30);

static LOGINS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Attempts to log in: succeeded, refused, or throttled (not looked at).";
    metrics::counter("oms_logins", about)
});

/// Opens a session for whoever knows the password, and counts who does not.
pub(crate) async fn login(
    accounts: &Accounts,
    login: &Login,
    password: &TypedPassword,
) -> Result<Tokens, AccountsError> {
    let count = |outcome| LOGINS.add(1, &[KeyValue::new("outcome", outcome)]);
    let attempt = accounts.throttle.log_in(login.as_str(), known_here(accounts, login)).await;
    let attempt = attempt.inspect_err(|error| {
        if matches!(error, AccountsError::TooMany(_)) {
            count("throttled");
        }
    })?;
    let outcome = check(accounts, login, password).await;
    let was_a_guess = matches!(
        outcome,
        Err(AccountsError::InvalidCredentials | AccountsError::EmailNotVerified | AccountsError::AccountDisabled)
    );
    if was_a_guess {
        count("refused");
    } else {
        if outcome.is_ok() {
            count("succeeded");
        }
        accounts.throttle.forgive(attempt).await;
    }
    outcome
}

/// Whose name it is, if they have logged in from here lately.
async fn known_here(accounts: &Accounts, login: &Login) -> Result<Option<UserId>, AccountsError> {
    let mut conn = accounts.pool.get().await?;
    let user = users::find_by_login(&mut conn, login.as_str()).await?.map(|user| user.id);
    // Of nobody it is asked as well, so that it takes as long.
    let id = user.unwrap_or_else(|| UserId::from_uuid(uuid::Uuid::nil()));
    let origin = throttle::origin(&accounts.keys, id);
    let known = sessions::is_known(&mut conn, id, &origin, accounts.clock.now() - KNOWN).await?;
    Ok(user.filter(|_| known))
}

/// An unknown user and a wrong password are one answer and take the same time. That an address is unverified or an
/// account disabled is said only to who knows the password.
async fn check(accounts: &Accounts, login: &Login, password: &TypedPassword) -> Result<Tokens, AccountsError> {
    // The password may be changed, or its hash freshened, while it is being verified: then it is verified again.
    for _ in 0..3 {
        let user = {
            let mut conn = accounts.pool.get().await?;
            users::find_by_login(&mut conn, login.as_str()).await?
        };
        // No connection is held while the password is verified.
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let verdict = accounts.hasher.verify(password.as_str(), hash).await?;
        let Some(user) = user.filter(|_| verdict != Verdict::Wrong) else {
            return Err(AccountsError::InvalidCredentials);
        };
        may_log_in(&user)?;
        let fresher = match (verdict, Password::parse(password.as_str())) {
            (Verdict::Outdated, Ok(password)) => Some(accounts.hasher.hash(&password).await?),
            _ => None,
        };
        if let Some(tokens) = open(accounts, user, fresher).await? {
            return Ok(tokens);
        }
    }
    Err(AccountsError::InvalidCredentials)
}

/// Whether the account's state lets its owner in.
fn may_log_in(user: &UserRow) -> Result<(), AccountsError> {
    if user.disabled_at.is_some() {
        return Err(AccountsError::AccountDisabled);
    }
    if user.email_verified_at.is_none() {
        return Err(AccountsError::EmailNotVerified);
    }
    Ok(())
}

/// Opens the session, or answers `None` when the hash that was verified is no longer the user's.
async fn open(
    accounts: &Accounts,
    verified: UserRow,
    fresher: Option<HashedPassword>,
) -> Result<Option<Tokens>, AccountsError> {
    let (accounts, origin) = (accounts.clone(), throttle::origin(&accounts.keys, verified.id));
    kernel::run(move || {
        let (accounts, verified, fresher) = (accounts.clone(), verified.clone(), fresher.clone());
        async move {
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| {
                let user = users::lock(conn, verified.id).await?;
                let Some(user) = user.filter(|user| user.password_hash == verified.password_hash) else {
                    return Ok(None);
                };
                may_log_in(&user)?;
                if let Some(hash) = &fresher {
                    users::set_password(conn, user.id, hash.as_str(), now).await?;
                }
                session::open(conn, &accounts.keys, &user, &origin, now).await.map(Some)
            })
            .await
        }
    })
    .await
}
