//! Changing one's own password.

use diesel_async::AsyncConnection;
use kernel::{PgConn, UserId};

use crate::{
    Accounts, AccountsError, Password,
    hasher::Verdict,
    password::TypedPassword,
    reset_password::replace,
    session::{self, EndReason, Tokens},
    store::users,
    throttle,
};

/// Replaces the caller's password, ends all their sessions and opens a new one for who asked.
pub(crate) async fn change_password(
    accounts: &Accounts,
    id: UserId,
    current: &TypedPassword,
    new: &Password,
) -> Result<Tokens, AccountsError> {
    let verified = {
        let mut conn = accounts.pool.get().await?;
        users::find(&mut conn, id).await?.filter(|user| user.disabled_at.is_none()).ok_or(AccountsError::Gone)?
    };
    let attempt = accounts.throttle.show_password(id).await?;
    let verdict = accounts.hasher.verify(current.as_str(), Some(&verified.password_hash)).await;
    if matches!(verdict, Ok(Verdict::Wrong)) {
        return Err(AccountsError::WrongPassword);
    }
    accounts.throttle.forgive(attempt).await;
    verdict?;
    new.check(&verified.username, &verified.email).map_err(AccountsError::WeakPassword)?;
    let hash = accounts.hasher.hash(new).await?;

    let (deps, origin) = (accounts.clone(), throttle::origin(&accounts.keys, id));
    let tokens = kernel::run(move || {
        let (accounts, verified, hash) = (deps.clone(), verified.clone(), hash.clone());
        async move {
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| {
                let user = users::lock(conn, id).await?.filter(|user| user.disabled_at.is_none());
                let user = user.ok_or(AccountsError::Gone)?;
                if user.password_hash != verified.password_hash {
                    return Err(AccountsError::WrongPassword);
                }
                let user = replace(conn, &user, &hash, EndReason::PasswordChange, now).await?;
                session::open(conn, &accounts.keys, &user, &origin, now).await
            })
            .await
        }
    })
    .await?;
    accounts.doors.look_now().await;
    Ok(tokens)
}
