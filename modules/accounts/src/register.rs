//! Registering: the account and the wish for a verification mail, in one transaction.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{EmailAddress, PgConn, Role, UserId, job};

use crate::{
    Accounts, AccountsError, OneTimeTokenId, Password, SendVerification, Username,
    one_time::Purpose,
    store::{
        one_time_tokens,
        users::{self, NewUser, UserRow},
    },
    throttle::Door,
};

/// Adds an account that cannot log in yet and enqueues the mail that lets it.
pub(crate) async fn register(
    accounts: &Accounts,
    username: Username,
    email: EmailAddress,
    password: Password,
) -> Result<UserRow, AccountsError> {
    password.check_for(&username, &email).map_err(AccountsError::WeakPassword)?;
    // It costs a hash and a mail to anybody, and is no guess: whatever becomes of it counts.
    let _counted = accounts.throttle.knock(Door::Register).await?;
    let hash = accounts.hasher.hash(&password).await?;
    let accounts = accounts.clone();
    kernel::run(move || {
        let (accounts, username, email, hash) = (accounts.clone(), username.clone(), email.normalised(), hash.clone());
        async move {
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let user = NewUser {
                id: UserId::new(),
                username: username.as_str(),
                email: &email,
                password_hash: hash.as_str(),
                role: Role::Customer,
                email_verified_at: None,
                now,
            };
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| {
                let user = users::insert(conn, &user).await?;
                send_verification(conn, &user, now).await?;
                Ok(user)
            })
            .await
        }
    })
    .await
}

/// Makes a verification token and enqueues its mail. Joins the caller's transaction.
pub(crate) async fn send_verification(
    conn: &mut PgConn,
    user: &UserRow,
    now: DateTime<Utc>,
) -> Result<(), AccountsError> {
    let token_id = OneTimeTokenId::new();
    one_time_tokens::insert(conn, token_id, user, Purpose::VerifyEmail, now).await?;
    job::enqueue(conn, &SendVerification { token_id }).await?;
    Ok(())
}
