//! Tokens that travel by mail and are good once.
//!
//! A job carries ids and no secrets, so the mail's token must be computable from its row: it is the row's id and a
//! MAC over purpose, id and user. The row alone, or a dump of the whole database, opens nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use kernel::{UserId, uuid::Uuid};

use crate::{TokenKeys, secret::secret_text};

kernel::typed_id!(
    /// A row that a mailed token belongs to.
    OneTimeTokenId
);

secret_text! {
    /// A token from one of our mails.
    pub struct MailedToken {
        min: 1, max: 200, pattern: r"^[A-Za-z0-9_.-]*$",
        say: "the token from the mail: letters, digits, '-', '_' and '.'",
        example: "AZq7c1v9cD2bQ0nJY2l4Xw.3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    }
}

/// What a mailed token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    VerifyEmail,
    ResetPassword,
}

impl Purpose {
    /// The name in the table, and in what is signed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }

    /// How long it is good.
    pub(crate) const fn lifetime(self) -> TimeDelta {
        match self {
            Self::VerifyEmail => TimeDelta::hours(24),
            Self::ResetPassword => TimeDelta::hours(1),
        }
    }
}

/// The token of the row `id`.
pub(crate) fn token(keys: &TokenKeys, purpose: Purpose, id: OneTimeTokenId, user: UserId) -> String {
    let (id, user) = (id.as_uuid(), user.as_uuid());
    let mac = keys.one_time_mac(&parts(purpose, &id, &user));
    format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(id.as_bytes()), BASE64_URL_SAFE_NO_PAD.encode(mac))
}

/// A token taken apart, before anything about it is believed.
pub(crate) struct Claimed {
    /// The row it claims to belong to.
    pub(crate) id: OneTimeTokenId,
    mac: Vec<u8>,
}

impl Claimed {
    /// The parts of `text`, if it looks like a token.
    pub(crate) fn parse(text: &MailedToken) -> Option<Self> {
        let (id, mac) = text.as_str().split_once('.')?;
        let id = Uuid::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        Some(Self { id: OneTimeTokenId::from_uuid(id), mac: BASE64_URL_SAFE_NO_PAD.decode(mac).ok()? })
    }

    /// Whether we made it, for this purpose and this user.
    pub(crate) fn is_genuine(&self, keys: &TokenKeys, purpose: Purpose, user: UserId) -> bool {
        keys.is_one_time_mac(&parts(purpose, &self.id.as_uuid(), &user.as_uuid()), &self.mac)
    }
}

fn parts<'a>(purpose: Purpose, id: &'a Uuid, user: &'a Uuid) -> [&'a [u8]; 4] {
    [purpose.name().as_bytes(), &[0], id.as_bytes(), user.as_bytes()]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::SystemClock;

    use super::*;

    fn keys(byte: u8) -> TokenKeys {
        TokenKeys::new(&[byte; 32], Arc::new(SystemClock)).unwrap()
    }

    #[test]
    fn a_token_is_genuine_for_its_purpose_user_and_key_only() {
        let (ours, id, user) = (keys(1), OneTimeTokenId::new(), UserId::new());
        let text = token(&ours, Purpose::VerifyEmail, id, user);
        let claimed = Claimed::parse(&MailedToken::parse(text.clone()).unwrap()).unwrap();
        assert_eq!(claimed.id, id);
        assert!(claimed.is_genuine(&ours, Purpose::VerifyEmail, user));
        assert!(!claimed.is_genuine(&ours, Purpose::ResetPassword, user));
        assert!(!claimed.is_genuine(&ours, Purpose::VerifyEmail, UserId::new()));
        assert!(!claimed.is_genuine(&keys(2), Purpose::VerifyEmail, user));
        let other = Claimed { id: OneTimeTokenId::new(), mac: claimed.mac.clone() };
        assert!(!other.is_genuine(&ours, Purpose::VerifyEmail, user));
        let short = Claimed { id, mac: claimed.mac[..31].to_vec() };
        assert!(!short.is_genuine(&ours, Purpose::VerifyEmail, user));
    }

    #[test]
    fn what_does_not_look_like_a_token_is_none() {
        for text in ["x", "x.y", "AZq7c1v9cD2bQ0nJY2l4Xw", "AZq7c1v9cD2bQ0nJY2l4Xw.!", "..", "AAAA.AAAA"] {
            assert!(MailedToken::parse(text).ok().and_then(|text| Claimed::parse(&text)).is_none(), "{text}");
        }
    }
}
