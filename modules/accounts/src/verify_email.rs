//! Proving an e-mail address, and asking for another mail that lets one do so.

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use kernel::{EmailAddress, PgConn};

use crate::{
    Accounts, AccountsError,
    forgot_password::in_constant_time,
    one_time::{Claimed, MailedToken, Purpose},
    register::send_verification,
    store::{one_time_tokens, users},
    throttle::Door,
};

/// How many mails of one kind an account is sent in an hour.
pub(crate) const MAILS_PER_HOUR: i64 = 5;

/// What a verification link did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    /// The address is proven now.
    Now,
    /// This link has proven it before. Mail scanners follow links, so people meet this when they click.
    Before,
}

/// Marks the address that the token was sent to as proven.
pub(crate) async fn verify_email(accounts: &Accounts, token: &MailedToken) -> Result<Verification, AccountsError> {
    let attempt = accounts.throttle.knock(Door::MailedToken).await?;
    let outcome = claim(accounts, token).await;
    if !matches!(outcome, Err(AccountsError::InvalidToken)) {
        accounts.throttle.forgive(attempt).await;
    }
    outcome
}

async fn claim(accounts: &Accounts, token: &MailedToken) -> Result<Verification, AccountsError> {
    let (accounts, token) = (accounts.clone(), token.clone());
    kernel::run(move || {
        let (accounts, token) = (accounts.clone(), token.clone());
        async move {
            let claimed = Claimed::parse(&token).ok_or(AccountsError::InvalidToken)?;
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| {
                let row = one_time_tokens::find(conn, claimed.id, Purpose::VerifyEmail).await?;
                let row = row.filter(|row| claimed.is_genuine(&accounts.keys, Purpose::VerifyEmail, row.user_id));
                let row = row.ok_or(AccountsError::InvalidToken)?;
                let user = users::lock(conn, row.user_id).await?.ok_or(AccountsError::InvalidToken)?;
                if one_time_tokens::use_up(conn, row.id, now).await? {
                    users::verify_email(conn, user.id, &row.email, now).await?;
                    return Ok(Verification::Now);
                }
                // Used before, perhaps a moment ago by a request that we waited for at the user's row.
                if user.email_verified_at.is_some() && user.email == row.email && row.expires_at > now {
                    Ok(Verification::Before)
                } else {
                    Err(AccountsError::InvalidToken)
                }
            })
            .await
        }
    })
    .await
}

/// Enqueues another verification mail, if there is an account with this address that needs one. Says nothing about
/// that, in words or in time.
pub(crate) async fn resend_verification(accounts: &Accounts, email: &EmailAddress) -> Result<(), AccountsError> {
    let (accounts, email) = (accounts.clone(), email.normalised());
    accounts.throttle.ask_for_mail(&email).await?;
    in_constant_time(kernel::run(move || {
        let (accounts, email) = (accounts.clone(), email.clone());
        async move {
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| {
                let Some(found) = users::find_by_email(conn, &email).await? else { return Ok(()) };
                let Some(user) = users::lock(conn, found.id).await? else { return Ok(()) };
                if user.email_verified_at.is_some() || user.disabled_at.is_some() {
                    return Ok(());
                }
                let since = now - TimeDelta::hours(1);
                if one_time_tokens::count_since(conn, user.id, Purpose::VerifyEmail, since).await? >= MAILS_PER_HOUR {
                    return Ok(());
                }
                send_verification(conn, &user, now).await
            })
            .await
        }
    }))
    .await
}
