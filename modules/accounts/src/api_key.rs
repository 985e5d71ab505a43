//! Keys that programs come with: made by administrators, shown once, good for what they were made for, until revoked.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{ApiKeyId, Caller, PgConn, Role, Scope, Text, UserId, trail};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    AccountsError, standing,
    store::{
        api_keys::{self, ApiKeyRow, NewApiKeyRow},
        users::{self, role_name, role_named},
    },
};

/// What every key begins with, so that people and scanners know one when they see it.
const MARK: &str = "oms_live_";
/// `oms_live_` and twelve digits: what tells which key it is.
const PREFIX_LENGTH: usize = MARK.len() + 12;

/// A key as a program sends it: `oms_live_<12 digits>_<43 characters>`.
#[derive(Clone, Copy)]
pub(crate) struct PresentedKey<'a> {
    pub(crate) prefix: &'a str,
    secret: [u8; 32],
}

impl<'a> PresentedKey<'a> {
    /// The key in a bearer token, if there is one.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        if !token.starts_with(MARK) {
            return None;
        }
        let (prefix, rest) = token.split_at_checked(PREFIX_LENGTH)?;
        let secret = BASE64_URL_SAFE_NO_PAD.decode(rest.strip_prefix('_')?).ok()?.try_into().ok()?;
        Some(Self { prefix, secret })
    }

    /// Whether it is the one that was made; takes the same time whether it is or not.
    pub(crate) fn is_genuine(&self, stored: &[u8]) -> bool {
        hash(&self.secret).as_slice().ct_eq(stored).into()
    }
}

fn hash(secret: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// A key that is about to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewApiKey {
    pub(crate) name: Text<1, 100>,
    pub(crate) owner_id: Option<UserId>,
    pub(crate) role: Role,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// A key that was made, with the only copy of itself.
pub(crate) struct MadeApiKey {
    pub(crate) row: ApiKeyRow,
    pub(crate) key: String,
}

/// Makes a key that acts as its owner, or as the caller when no owner is named. For administrators.
pub(crate) async fn create(
    conn: &mut PgConn,
    caller: &Caller,
    new: &NewApiKey,
    now: DateTime<Utc>,
) -> Result<MadeApiKey, AccountsError> {
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(AccountsError::KeyEndsInThePast);
    }
    let (mut mark, mut secret) = ([0; 6], [0; 32]);
    rand::fill(&mut mark);
    rand::fill(&mut secret);
    let prefix = format!("{MARK}{}", hex::encode(mark));
    let mut scopes: Vec<_> = new.scopes.iter().map(|scope| scope.name()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let owner_id = new.owner_id.unwrap_or(caller.user_id);
    conn.transaction(async |conn| {
        standing::admins(conn, (*caller).into()).await?;
        let owner = users::lock(conn, owner_id).await?.filter(|owner| owner.disabled_at.is_none());
        let owner = owner.ok_or(AccountsError::UnknownUser)?;
        if new.role == Role::Admin || new.role > owner.role() {
            return Err(AccountsError::KeyAboveOwner);
        }
        let row = NewApiKeyRow {
            id: ApiKeyId::new(),
            prefix: &prefix,
            secret_hash: &hash(&secret),
            name: new.name.as_str(),
            owner_id,
            role: role_name(new.role),
            scopes: scopes.iter().map(|name| Some(*name)).collect(),
            created_by: caller.user_id,
            created_at: now,
            expires_at: new.expires_at,
        };
        let row = api_keys::insert(conn, row).await?;
        let changes = json!({ "prefix": prefix, "owner_id": owner_id, "role": row.role, "scopes": scopes,
            "expires_at": new.expires_at });
        trail::record(conn, (*caller).into(), "api_key.created", row.id, changes, now).await?;
        Ok(MadeApiKey { row, key: format!("{prefix}_{}", BASE64_URL_SAFE_NO_PAD.encode(secret)) })
    })
    .await
}

/// Ends a key for good. Ending one that has ended is fine. For administrators.
pub(crate) async fn revoke(
    conn: &mut PgConn,
    caller: &Caller,
    id: ApiKeyId,
    now: DateTime<Utc>,
) -> Result<(), AccountsError> {
    conn.transaction(async |conn| {
        standing::admins(conn, (*caller).into()).await?;
        if api_keys::revoke(conn, id, now).await? {
            let nothing = json!({});
            trail::record(conn, (*caller).into(), "api_key.revoked", id, nothing, now).await?;
        } else if api_keys::find(conn, id).await?.is_none() {
            return Err(AccountsError::UnknownKey);
        }
        Ok(())
    })
    .await
}

impl ApiKeyRow {
    /// In which role it acts at most.
    pub(crate) fn role(&self) -> Role {
        role_named(&self.role)
    }

    /// What it is good for.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        self.scopes.iter().flatten().filter_map(|name| Scope::named(name)).collect()
    }
}
