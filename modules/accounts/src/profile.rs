//! What people see and change about themselves.

use kernel::{PgConn, UserId};

use crate::{
    Accounts, AccountsError,
    store::users::{self, ProfileChange, UserRow},
};

kernel::text_type! {
    /// What others see of a person.
    pub struct DisplayName {
        min: 1, max: 100, pattern: r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        say: "one line of text without control characters, and not blank", example: "Alice Smith",
    }
}

/// The caller's own account.
pub(crate) async fn get_profile(conn: &mut PgConn, id: UserId) -> Result<UserRow, AccountsError> {
    users::find(conn, id).await?.filter(|user| user.disabled_at.is_none()).ok_or(AccountsError::Gone)
}

/// Changes the caller's own account: one guarded statement.
pub(crate) async fn change_profile(
    accounts: &Accounts,
    id: UserId,
    change: ProfileChange,
) -> Result<UserRow, AccountsError> {
    let accounts = accounts.clone();
    kernel::run(move || {
        let (accounts, change) = (accounts.clone(), change.clone());
        async move {
            let mut conn = accounts.pool.get().await?;
            let change = ProfileChange { updated_at: accounts.clock.now(), ..change };
            users::change_profile(&mut conn, id, &change).await?.ok_or(AccountsError::Gone)
        }
    })
    .await
}
