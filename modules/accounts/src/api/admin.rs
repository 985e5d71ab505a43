//! The routes of administrators: people, and what staff did.

use chrono::{DateTime, Utc};
use kernel::{
    Admin, Caller, Cursor, LIMIT_DEFAULT, Role, Text, UserId,
    trail::{self, TrailId},
};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AccountsTag,
    admin_dto::{DisableUser, SetUserRole, TrailPage, UserList, UserView},
    problem::{AdminProblem, DecisionProblem},
};
use crate::{
    Accounts, AccountsError,
    standing::{Decision, decide},
    store::users::{self, UserRow, Wanted},
};

/// What administrators see and decide.
#[derive(Clone)]
pub struct AdminApi {
    accounts: Accounts,
}

/// A place in a list that is sorted by id.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After<T> {
    pub(super) id: T,
}

/// The rows of a page, of which one more was asked for than is shown, and where to read on.
pub(super) fn page<T, K: Serialize>(
    mut rows: Vec<T>,
    limit: u32,
    id: impl FnOnce(&T) -> K,
) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let there_is_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| there_is_more).map(|last| Cursor::encode(&After { id: id(last) }));
    (rows, next)
}

impl AdminApi {
    /// The routes under `/admin` about people.
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    async fn decide(&self, caller: Caller, id: UserId, decision: Decision) -> Result<Json<UserView>, DecisionProblem> {
        let accounts = self.accounts.clone();
        let user: UserRow = kernel::run(move || {
            let (accounts, decision) = (accounts.clone(), decision.clone());
            async move {
                let mut conn = accounts.pool.get().await?;
                decide(&mut conn, caller.into(), id, &decision, accounts.clock.now()).await
            }
        })
        .await?;
        self.accounts.doors.look_now().await;
        Ok(Json(user.into()))
    }
}

#[OpenApi(prefix_path = "/admin", tag = "AccountsTag::Administration")]
impl AdminApi {
    /// List users
    ///
    /// For administrators. Newest first; every filter narrows.
    #[oai(path = "/users", method = "get", operation_id = "listUsers")]
    async fn list_users(
        &self,
        _caller: Admin,
        /// Whose user name or e-mail address begins like this
        q: Query<Option<Text<1, 254>>>,
        /// With this role
        role: Query<Option<Role>>,
        /// Who may not come in, or who may
        disabled: Query<Option<bool>>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<UserList>, AdminProblem> {
        let after: Option<After<UserId>> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let wanted =
            Wanted { begins: q.0.map(|begins| begins.as_str().to_owned()), role: role.0, is_disabled: disabled.0 };
        let mut conn = self.accounts.pool.get().await.map_err(AccountsError::from)?;
        let rows = users::search(&mut conn, wanted, after.map(|after| after.id), i64::from(limit) + 1).await;
        let (rows, next_cursor) = page(rows.map_err(AccountsError::from)?, limit, |row| row.id);
        Ok(Json(UserList { data: rows.into_iter().map(UserView::from).collect(), next_cursor }))
    }

    /// Get a user
    ///
    /// For administrators.
    #[oai(path = "/users/:id", method = "get", operation_id = "getUser")]
    async fn get_user(
        &self,
        _caller: Admin,
        /// The user
        id: Path<UserId>,
    ) -> Result<Json<UserView>, AdminProblem> {
        let mut conn = self.accounts.pool.get().await.map_err(AccountsError::from)?;
        let user = users::find(&mut conn, id.0).await.map_err(AccountsError::from)?;
        Ok(Json(user.ok_or(AccountsError::UnknownUser)?.into()))
    }

    /// Disable a user
    ///
    /// For administrators. They cannot log in, their sessions end, and their API keys stop: here at once, in other processes
    /// within a second. What they did stays. Nobody disables themselves or the last administrator. Doing it again is fine.
    #[oai(path = "/users/:id/disable", method = "post", operation_id = "disableUser")]
    async fn disable_user(
        &self,
        caller: Admin,
        /// The user
        id: Path<UserId>,
        body: Json<DisableUser>,
    ) -> Result<Json<UserView>, DecisionProblem> {
        let reason = body.0.reason.map(|reason| reason.as_str().to_owned());
        self.decide(caller.0, id.0, Decision::Disable(reason)).await
    }

    /// Enable a user
    ///
    /// For administrators. They can log in again; sessions that ended stay ended. Doing it again is fine.
    #[oai(path = "/users/:id/enable", method = "post", operation_id = "enableUser")]
    async fn enable_user(
        &self,
        caller: Admin,
        /// The user
        id: Path<UserId>,
    ) -> Result<Json<UserView>, DecisionProblem> {
        self.decide(caller.0, id.0, Decision::Enable).await
    }

    /// Give a user a role
    ///
    /// For administrators. Their sessions end as if they were disabled, and they log in again with the new role. Nobody
    /// changes their own role, and the last administrator stays one. Doing it again is fine.
    #[oai(path = "/users/:id/role", method = "put", operation_id = "setUserRole")]
    async fn set_user_role(
        &self,
        caller: Admin,
        /// The user
        id: Path<UserId>,
        body: Json<SetUserRole>,
    ) -> Result<Json<UserView>, DecisionProblem> {
        self.decide(caller.0, id.0, Decision::Role(body.0.role)).await
    }

    /// See what staff did
    ///
    /// For administrators. The latest first; every filter narrows. What staff do to orders is in the events of the order.
    #[oai(path = "/trail", method = "get", operation_id = "listTrail")]
    #[expect(clippy::too_many_arguments, reason = "each filter is a parameter of the document")]
    async fn list_trail(
        &self,
        _caller: Admin,
        /// What this person did
        actor_id: Query<Option<UserId>>,
        /// What was done to this user, key, product or other thing
        subject_id: Query<Option<Uuid>>,
        /// What is called this: `user.disabled`
        action: Query<Option<Text<1, 81>>>,
        /// Done at or after
        since: Query<Option<DateTime<Utc>>>,
        /// Done before
        until: Query<Option<DateTime<Utc>>>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<TrailPage>, AdminProblem> {
        let after: Option<After<TrailId>> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let filter = trail::Filter {
            actor: actor_id.0,
            subject: subject_id.0,
            action: action.0.map(|action| action.as_str().to_owned()),
            since: since.0,
            until: until.0,
        };
        let mut conn = self.accounts.pool.get().await.map_err(AccountsError::from)?;
        let rows = trail::list(&mut conn, filter, after.map(|after| after.id), i64::from(limit) + 1).await;
        let (rows, next_cursor) = page(rows.map_err(AccountsError::from)?, limit, |row| row.id);
        Ok(Json(TrailPage { data: rows.into_iter().map(Into::into).collect(), next_cursor }))
    }
}
