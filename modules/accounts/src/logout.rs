//! Logging out.

use diesel_async::AsyncConnection;
use kernel::PgConn;

use crate::{
    Accounts, AccountsError,
    session::{EndReason, RefreshSecret, RefreshToken},
    store::sessions,
};

/// Ends the session that a refresh token belongs to. A token that is not ours, or whose session has ended, is fine
/// too: whoever holds it cannot use it, and that is what they asked for.
pub(crate) async fn logout(accounts: &Accounts, token: &RefreshToken) -> Result<(), AccountsError> {
    let (accounts, token) = (accounts.clone(), token.clone());
    kernel::run(move || {
        let (accounts, token) = (accounts.clone(), token.clone());
        async move {
            let Some(secret) = RefreshSecret::parse(&token) else { return Ok(()) };
            let mut conn = accounts.pool.get().await?;
            let now = accounts.clock.now();
            let conn: &mut PgConn = &mut conn;
            conn.transaction(async |conn| {
                if let Some(session) = sessions::lock_by_token(conn, &secret.hash()).await? {
                    sessions::end(conn, session.id, EndReason::Logout, now).await?;
                }
                Ok(())
            })
            .await
        }
    })
    .await
}
