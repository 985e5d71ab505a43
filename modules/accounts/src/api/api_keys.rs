//! The routes about API keys.

use kernel::{Admin, ApiKeyId, Cursor, LIMIT_DEFAULT, UserId};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};

use super::{
    AccountsTag, Done, NO_STORE,
    admin::{After, page},
    admin_dto::{ApiKeyCreated, ApiKeyList, ApiKeyView, CreateApiKey},
    problem::{AdminProblem, DecisionProblem},
};
use crate::{
    Accounts, AccountsError,
    api_key::{self, NewApiKey},
    store::api_keys,
};

#[derive(ApiResponse)]
enum KeyCreated {
    /// The key was made
    #[oai(status = 201)]
    Created(
        Json<ApiKeyCreated>,
        /// Not for caches
        #[oai(header = "Cache-Control")]
        String,
    ),
}

/// Keys for programs.
#[derive(Clone)]
pub struct ApiKeysApi {
    accounts: Accounts,
}

impl ApiKeysApi {
    /// The routes under `/api-keys`.
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

#[OpenApi(prefix_path = "/api-keys", tag = "AccountsTag::ApiKeys")]
impl ApiKeysApi {
    /// Make an API key
    ///
    /// For administrators. A key lets a program act as its owner, in a role that is not above theirs, within its scopes. It is
    /// shown here and never again.
    #[oai(path = "/", method = "post", operation_id = "createApiKey")]
    async fn create_api_key(&self, caller: Admin, body: Json<CreateApiKey>) -> Result<KeyCreated, DecisionProblem> {
        let (accounts, new) = (self.accounts.clone(), NewApiKey::from(body.0));
        let made = kernel::run(move || {
            let (accounts, new) = (accounts.clone(), new.clone());
            async move {
                let mut conn = accounts.pool.get().await?;
                api_key::create(&mut conn, &caller.0, &new, accounts.clock.now()).await
            }
        })
        .await?;
        self.accounts.doors.look_now().await;
        Ok(KeyCreated::Created(Json(made.into()), NO_STORE.to_owned()))
    }

    /// List API keys
    ///
    /// For administrators. Newest first, also those that have ended.
    #[oai(path = "/", method = "get", operation_id = "listApiKeys")]
    async fn list_api_keys(
        &self,
        _caller: Admin,
        /// That act as this user
        owner_id: Query<Option<UserId>>,
        /// How many at most
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u32>>,
        /// Where to read on: `next_cursor` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<ApiKeyList>, AdminProblem> {
        let after: Option<After<ApiKeyId>> = cursor.0.map(|cursor| cursor.decode()).transpose()?;
        let limit = limit.0.unwrap_or(LIMIT_DEFAULT);
        let mut conn = self.accounts.pool.get().await.map_err(AccountsError::from)?;
        let rows = api_keys::list(&mut conn, owner_id.0, after.map(|after| after.id), i64::from(limit) + 1).await;
        let (rows, next_cursor) = page(rows.map_err(AccountsError::from)?, limit, |row| row.id);
        Ok(Json(ApiKeyList { data: rows.into_iter().map(ApiKeyView::from).collect(), next_cursor }))
    }

    /// Revoke an API key
    ///
    /// For administrators. It stops at once, in other processes within a second, and for good. Doing it again is fine.
    #[oai(path = "/:id", method = "delete", operation_id = "revokeApiKey")]
    async fn revoke_api_key(
        &self,
        caller: Admin,
        /// The key
        id: Path<ApiKeyId>,
    ) -> Result<Done, AdminProblem> {
        let accounts = self.accounts.clone();
        kernel::run(move || {
            let accounts = accounts.clone();
            async move {
                let mut conn = accounts.pool.get().await?;
                api_key::revoke(&mut conn, &caller.0, id.0, accounts.clock.now()).await
            }
        })
        .await?;
        self.accounts.doors.look_now().await;
        Ok(Done::Done)
    }
}
