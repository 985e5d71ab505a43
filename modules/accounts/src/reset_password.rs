//! Choosing a new password with a mailed token.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{PgConn, job};

use crate::{
    Accounts, AccountsError, HashedPassword, Password, SendPasswordChanged,
    one_time::{Claimed, MailedToken, Purpose},
    session::{self, EndReason, SessionId},
    store::{
        one_time_tokens::{self, OneTimeTokenRow},
        sessions,
        users::{self, UserRow},
    },
    throttle::{self, Door},
};

/// Replaces the password of whoever was mailed the token, ends all their sessions and uses up their other tokens. That
/// they could read the mail also proves the address.
pub(crate) async fn reset_password(
    accounts: &Accounts,
    token: &MailedToken,
    password: &Password,
) -> Result<(), AccountsError> {
    // The token is looked at before a hash is made, so that guesses cost us nothing, and again afterwards.
    let attempt = accounts.throttle.knock(Door::MailedToken).await?;
    let found = find_user(accounts, token).await;
    if !matches!(found, Err(AccountsError::InvalidToken)) {
        accounts.throttle.forgive(attempt).await;
    }
    let user = found?;
    password.check(&user.username, &user.email).map_err(AccountsError::WeakPassword)?;
    let hash = accounts.hasher.hash(password).await?;

    let (deps, token, origin) = (accounts.clone(), token.clone(), throttle::origin(&accounts.keys, user.id));
    kernel::run(move || {
        let (accounts, token, hash) = (deps.clone(), token.clone(), hash.clone());
        async move {
            let claimed = Claimed::parse(&token).ok_or(AccountsError::InvalidToken)?;
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| {
                let (row, found) = genuine(conn, &accounts, &claimed, now).await?;
                let user = users::lock(conn, found.id).await?.ok_or(AccountsError::InvalidToken)?;
                if user.email != row.email || !one_time_tokens::use_up(conn, row.id, now).await? {
                    return Err(AccountsError::InvalidToken);
                }
                users::verify_email(conn, user.id, &row.email, now).await?;
                // Over before anybody could use it, as all others: it says that they have been here, so that they are let in
                // although others may have been guessing at their name.
                sessions::insert(conn, SessionId::new(), user.id, &origin, now).await?;
                replace(conn, &user, &hash, EndReason::PasswordReset, now).await.map(drop)
            })
            .await
        }
    })
    .await?;
    accounts.doors.look_now().await;
    Ok(())
}

/// Whose password the token can reset now.
pub(crate) async fn find_user(accounts: &Accounts, token: &MailedToken) -> Result<UserRow, AccountsError> {
    let claimed = Claimed::parse(token).ok_or(AccountsError::InvalidToken)?;
    let mut conn = accounts.pool.get().await?;
    Ok(genuine(&mut conn, accounts, &claimed, accounts.clock.now()).await?.1)
}

/// The live row that the token belongs to, and its user.
async fn genuine(
    conn: &mut PgConn,
    accounts: &Accounts,
    claimed: &Claimed,
    now: DateTime<Utc>,
) -> Result<(OneTimeTokenRow, UserRow), AccountsError> {
    let row = one_time_tokens::find(conn, claimed.id, Purpose::ResetPassword).await?;
    let row = row
        .filter(|row| row.is_live(now) && claimed.is_genuine(&accounts.keys, Purpose::ResetPassword, row.user_id))
        .ok_or(AccountsError::InvalidToken)?;
    let user = users::find(conn, row.user_id).await?.filter(|user| user.disabled_at.is_none());
    Ok((row, user.ok_or(AccountsError::InvalidToken)?))
}

/// Gives a locked user a new password: their sessions end, reset links die, and they are told by mail. Answers the user as
/// they are now. Joins the caller's transaction.
pub(crate) async fn replace(
    conn: &mut PgConn,
    user: &UserRow,
    hash: &HashedPassword,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<UserRow, AccountsError> {
    users::set_password(conn, user.id, hash.as_str(), now).await?;
    let version = session::end_all(conn, user.id, reason, now).await?;
    one_time_tokens::use_up_all(conn, user.id, Purpose::ResetPassword, now).await?;
    job::enqueue(conn, &SendPasswordChanged { user_id: user.id }).await?;
    Ok(UserRow { sessions_version: version, ..user.clone() })
}
