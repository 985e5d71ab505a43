//! The keys, and the access tokens that are signed with them.
//!
//! An access token is a JWT (RFC 9068) that holds for 15 minutes and is verified without asking the database. One
//! algorithm, one issuer, one audience, one key: whatever else a token says about itself, it does not hold. What a token of
//! ours says is remembered by its text, because most tokens are shown many times; whether it still holds is asked each time.

use std::{fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use kernel::{Role, SharedClock, UserId};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How long an access token holds.
pub(crate) const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);

const ISSUER: &str = "oms";
const AUDIENCE: &str = "oms-api";
const TYPE: &str = "at+jwt";
const ALGORITHM: Algorithm = Algorithm::HS256;
/// How far the clocks of two of our processes may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(2);
/// Ours have some 400 characters.
const TOKEN_MAX: usize = 2048;
const SECRET_MIN: usize = 32;
/// How many tokens are remembered, at half a kilobyte each.
const REMEMBERED: usize = 10_000;

kernel::typed_id!(
    /// An access token's own name, for logs and future revocation lists.
    AccessTokenId
);

/// Why there are no keys, or why a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A short secret can be found by trying.
    #[error("the secret has {0} bytes and needs at least 32; make one with 'openssl rand -hex 32'")]
    TooShort(usize),
    /// The library would not sign.
    #[error("the access token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    role: Role,
    /// The version of the user's sessions at which it was issued; tokens of an `oms` that knew none have the first.
    #[serde(default)]
    ver: i32,
}

/// What an access token says that is ours and in its time. Whether its owner still has it is for [`crate::Doors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) user_id: UserId,
    pub(crate) role: Role,
    pub(crate) version: i32,
}

/// Everything that is signed or derived with the server's secret.
///
/// Each use has a key of its own, derived from the secret, so that a token of one kind is never one of another.
pub struct TokenKeys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// What tokens with our signature say.
    remembered: Cache<String, Arc<Claims>>,
    kid: String,
    one_time: [u8; 32],
    refresh: [u8; 32],
    clock: SharedClock,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// The keys made of `secret`: at least 32 bytes, random, the same in every process.
    ///
    /// # Errors
    /// [`KeyError::TooShort`].
    pub fn new(secret: &[u8], clock: SharedClock) -> Result<Self, KeyError> {
        if secret.len() < SECRET_MIN {
            return Err(KeyError::TooShort(secret.len()));
        }
        let secret: [u8; 32] = Sha256::digest(secret).into();
        let access = mac(&secret, &[b"oms access token v1"]);
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are compared with our own clock, below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let id = mac(&access, &[b"key id"]);
        Ok(Self {
            encoding: EncodingKey::from_secret(&access),
            decoding: DecodingKey::from_secret(&access),
            validation,
            remembered: Cache::new(REMEMBERED),
            kid: hex::encode(id.first_chunk::<8>().unwrap_or(&[0; 8])),
            one_time: mac(&secret, &[b"oms one-time token v1"]),
            refresh: mac(&secret, &[b"oms refresh token v1"]),
            clock,
        })
    }

    /// A new access token.
    pub(crate) fn access_token(&self, pass: &Pass, now: DateTime<Utc>) -> Result<String, KeyError> {
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(self.kid.clone()), ..Header::new(ALGORITHM) };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: pass.user_id.as_uuid(),
            jti: AccessTokenId::new().as_uuid(),
            iat: now.timestamp(),
            exp: (now + ACCESS_LIFETIME).timestamp(),
            nbf: None,
            role: pass.role,
            ver: pass.version,
        };
        encode(&header, &claims, &self.encoding).map_err(KeyError::Sign)
    }

    /// An access token without a login, for tests of what comes after it.
    ///
    /// # Errors
    /// [`KeyError::Sign`].
    #[cfg(feature = "testing")]
    pub fn token_for(&self, user: UserId, role: Role) -> Result<String, KeyError> {
        self.access_token(&Pass { user_id: user, role, version: 0 }, self.clock.now())
    }

    /// What only we can compute of `parts`, for links in mails.
    pub(crate) fn one_time_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.one_time, parts)
    }

    /// Whether `claimed` is [`TokenKeys::one_time_mac`] of `parts`; takes the same time whether it is or not.
    pub(crate) fn is_one_time_mac(&self, parts: &[&[u8]], claimed: &[u8]) -> bool {
        keyed(&self.one_time, parts).verify_slice(claimed).is_ok()
    }

    /// What only we can compute of `parts`, for the successors of refresh tokens.
    pub(crate) fn refresh_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.refresh, parts)
    }

    fn holds(&self, claims: &Claims) -> bool {
        let now = self.clock.now().timestamp();
        let leeway = LEEWAY.num_seconds();
        claims.exp > now.saturating_sub(leeway)
            && claims.iat <= now.saturating_add(leeway)
            && claims.nbf.is_none_or(|nbf| nbf <= now.saturating_add(leeway))
            && claims.exp.saturating_sub(claims.iat) <= ACCESS_LIFETIME.num_seconds()
    }

    /// What the token says, or `None` when it does not hold for whatever reason.
    pub(crate) fn read(&self, token: &str) -> Option<Pass> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let claims = match self.remembered.get(token) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.verified(token)?);
                self.remembered.insert(token.to_owned(), claims.clone());
                claims
            }
        };
        let pass = Pass { user_id: UserId::from_uuid(claims.sub), role: claims.role, version: claims.ver };
        self.holds(&claims).then_some(pass)
    }

    /// What a token says, if it is signed by us and for us.
    fn verified(&self, token: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        if header.crit.is_some()
            || header.typ.as_deref() != Some(TYPE)
            || header.kid.as_deref() != Some(self.kid.as_str())
        {
            return None;
        }
        Some(decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims)
    }
}

fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC fills a key that is shorter than a block with zeros (RFC 2104); a whole block cannot be refused.
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    keyed(key, parts).finalize().into_bytes().into()
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
