//! What administrators send and see.

use chrono::{DateTime, Utc};
use kernel::{ApiKeyId, Prose, Role, Scope, Text, UserId, trail};
use poem_openapi::{Object, types::Example};
use serde_json::Value;

use crate::{
    api_key::{MadeApiKey, NewApiKey},
    store::{api_keys::ApiKeyRow, users::UserRow},
};

/// An account, as administrators see it
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct UserView {
    /// The account's id
    pub id: UserId,
    /// The name to log in with
    pub username: String,
    /// Where mail goes
    pub email: String,
    /// What the owner may do
    pub role: Role,
    /// Since when the address is proven; they cannot log in before
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Since when they may not come in
    pub disabled_at: Option<DateTime<Utc>>,
    /// When it was registered
    pub created_at: DateTime<Utc>,
}

impl From<UserRow> for UserView {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            role: row.role(),
            username: row.username,
            email: row.email,
            email_verified_at: row.email_verified_at,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        }
    }
}

/// A page of accounts
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct UserList {
    /// The accounts, the newest first
    pub data: Vec<UserView>,
    /// Where to read on; absent at the end
    pub next_cursor: Option<String>,
}

/// Why somebody may not come in any more
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct DisableUser {
    /// Why, for other administrators; it is kept in the trail
    pub reason: Option<Prose<1, 500>>,
}

impl Example for DisableUser {
    fn example() -> Self {
        Self { reason: Prose::parse("Left the company").ok() }
    }
}

/// What somebody may do from now on
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct SetUserRole {
    /// The role
    pub role: Role,
}

impl Example for SetUserRole {
    fn example() -> Self {
        Self { role: Role::Operator }
    }
}

/// An API key that is to be made
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct CreateApiKey {
    /// What it is for, so that people know which one to revoke
    pub name: Text<1, 100>,
    /// As whom it acts; you yourself, when it is left out. It stops when that account is disabled
    pub owner_id: Option<UserId>,
    /// What it may do at most: `customer` or `operator`, and nothing that its owner may not; `customer` when it is left out
    pub role: Option<Role>,
    /// What it is good for. To write does not mean to read
    #[oai(validator(min_items = 1, max_items = 6))]
    pub scopes: Vec<Scope>,
    /// When it ends; never, when it is left out
    pub expires_at: Option<DateTime<Utc>>,
}

impl Example for CreateApiKey {
    fn example() -> Self {
        Self {
            name: Text::example("Warehouse"),
            owner_id: None,
            role: Some(Role::Customer),
            scopes: vec![Scope::OrdersRead, Scope::StockWrite],
            expires_at: None,
        }
    }
}

impl From<CreateApiKey> for NewApiKey {
    fn from(body: CreateApiKey) -> Self {
        let CreateApiKey { name, owner_id, role, scopes, expires_at } = body;
        let role = role.unwrap_or(Role::Customer);
        Self { name, owner_id, role, scopes, expires_at }
    }
}

/// An API key, without what proves it
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ApiKeyView {
    /// The key's id
    pub id: ApiKeyId,
    /// How it begins; the rest is known only to whom it was shown
    pub prefix: String,
    /// What it is for
    pub name: String,
    /// As whom it acts
    pub owner_id: UserId,
    /// What it may do at most
    pub role: Role,
    /// What it is good for
    pub scopes: Vec<Scope>,
    /// Who made it
    pub created_by: UserId,
    /// When it was made
    pub created_at: DateTime<Utc>,
    /// When it ends
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used last, true to about a minute
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiKeyRow> for ApiKeyView {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: row.id,
            role: row.role(),
            scopes: row.scopes(),
            prefix: row.prefix,
            name: row.name,
            owner_id: row.owner_id,
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// A new API key. This is the only time that it is shown
#[derive(Debug, Object)]
pub struct ApiKeyCreated {
    /// The key: keep it like a password, and send it as `Authorization: Bearer …`
    pub key: String,
    /// What is known about it
    pub api_key: ApiKeyView,
}

impl From<MadeApiKey> for ApiKeyCreated {
    fn from(made: MadeApiKey) -> Self {
        Self { key: made.key, api_key: made.row.into() }
    }
}

/// A page of API keys
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ApiKeyList {
    /// The keys, the newest first, also those that have ended
    pub data: Vec<ApiKeyView>,
    /// Where to read on; absent at the end
    pub next_cursor: Option<String>,
}

/// Something that staff did
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct TrailEntry {
    /// The entry's id
    pub id: trail::TrailId,
    /// When
    pub at: DateTime<Utc>,
    /// In which role: `operator`, `admin`, or `console` for the command line
    pub actor_role: String,
    /// Who; nobody is known at the console
    pub actor_id: Option<UserId>,
    /// The API key of theirs that did it
    pub api_key_id: Option<ApiKeyId>,
    /// In which request
    pub request_id: Option<String>,
    /// What: `user.disabled`
    pub action: String,
    /// To what kind of thing: `user`
    pub subject_kind: String,
    /// To which one
    pub subject_id: uuid::Uuid,
    /// What is otherwise now
    pub changes: Value,
}

impl From<trail::Entry> for TrailEntry {
    fn from(entry: trail::Entry) -> Self {
        let trail::Entry { id, at, actor_role, actor_id, api_key_id, request_id, .. } = entry;
        let trail::Entry { action, subject_kind, subject_id, changes, .. } = entry;
        Self { id, at, actor_role, actor_id, api_key_id, request_id, action, subject_kind, subject_id, changes }
    }
}

/// A page of the trail
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct TrailPage {
    /// The entries, the latest first
    pub data: Vec<TrailEntry>,
    /// Where to read on; absent at the end
    pub next_cursor: Option<String>,
}
