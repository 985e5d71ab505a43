//! Asking for a mail that lets one choose a new password.

use std::{future::Future, time::Duration};

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use kernel::{EmailAddress, PgConn, job};

use crate::{
    Accounts, AccountsError, OneTimeTokenId, SendPasswordReset,
    one_time::Purpose,
    store::{one_time_tokens, users},
    verify_email::MAILS_PER_HOUR,
};

/// Longer than either way through the use cases takes, so that waiting for it hides which one was taken.
const ANSWER_AFTER: Duration = Duration::from_millis(100);

/// Runs `work` and answers after a fixed time: writing for a known address takes longer than finding none.
pub(crate) async fn in_constant_time<T>(work: impl Future<Output = T>) -> T {
    tokio::join!(work, tokio::time::sleep(ANSWER_AFTER)).0
}

/// Enqueues a mail with a reset link, if there is an account with this address. Says nothing about that, in words or
/// in time.
pub(crate) async fn forgot_password(accounts: &Accounts, email: &EmailAddress) -> Result<(), AccountsError> {
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
                let since = now - TimeDelta::hours(1);
                if user.disabled_at.is_some()
                    || one_time_tokens::count_since(conn, user.id, Purpose::ResetPassword, since).await?
                        >= MAILS_PER_HOUR
                {
                    return Ok(());
                }
                let token_id = OneTimeTokenId::new();
                one_time_tokens::insert(conn, token_id, &user, Purpose::ResetPassword, now).await?;
                job::enqueue(conn, &SendPasswordReset { token_id }).await?;
                Ok(())
            })
            .await
        }
    }))
    .await
}
