//! Standard Webhooks 1.0: the signature over the raw bytes, compared in constant time, with several live secrets.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How far a webhook's timestamp may be from our clock, either way.
const TOLERANCE_SECONDS: i64 = 300;

/// Why a signature does not hold. What a stranger is told is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The timestamp is no number of seconds.
    #[error("the timestamp is not a number")]
    Timestamp,
    /// The timestamp is too far from our clock.
    #[error("the timestamp is more than 300 seconds off")]
    TooFar,
    /// None of the signatures was made with a live secret over these bytes.
    #[error("no signature matches")]
    NoMatch,
}

/// Why a secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not `whsec_` and base64.
    #[error("a webhook secret is written as whsec_ followed by base64")]
    Shape,
    /// Less than 24 or more than 64 bytes.
    #[error("a webhook secret has 24 to 64 bytes")]
    Length,
}

/// A secret shared with a gateway.
#[derive(Clone)]
pub struct SigningSecret {
    key: Vec<u8>,
    until: Option<DateTime<Utc>>,
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningSecret").field("key", &"…").field("until", &self.until).finish()
    }
}

impl SigningSecret {
    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// When it is not of that shape, or not of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix("whsec_").ok_or(SecretError::Shape)?;
        let key = BASE64_STANDARD.decode(encoded).ok().ok_or(SecretError::Shape)?;
        if (24..=64).contains(&key.len()) { Ok(Self { key, until: None }) } else { Err(SecretError::Length) }
    }

    /// The same secret, no longer taken from `until` on: the old one of a rotation.
    #[must_use]
    pub fn until(mut self, until: DateTime<Utc>) -> Self {
        self.until = Some(until);
        self
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return Vec::new() };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

/// The live secrets of one gateway.
#[derive(Debug, Clone, Default)]
pub struct SigningSecrets(Vec<SigningSecret>);

impl SigningSecrets {
    /// These secrets; any of them will do.
    pub fn new(secrets: Vec<SigningSecret>) -> Self {
        Self(secrets)
    }

    /// Whether `signature` (a list, separated by blanks, of `v1,<base64>`) was made over exactly these bytes.
    pub(crate) fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signature: &str,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<(), SignatureError> {
        if timestamp.is_empty() || !timestamp.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(SignatureError::Timestamp);
        }
        let Ok(sent) = timestamp.parse::<i64>() else { return Err(SignatureError::Timestamp) };
        if now.timestamp().saturating_sub(sent).abs() > TOLERANCE_SECONDS {
            return Err(SignatureError::TooFar);
        }
        let given: Vec<Vec<u8>> = signature
            .split_ascii_whitespace()
            .take(16)
            .filter_map(|one| one.strip_prefix("v1,"))
            .filter_map(|encoded| BASE64_STANDARD.decode(encoded).ok())
            .collect();
        let mut matches = subtle::Choice::from(0);
        for secret in self.0.iter().filter(|secret| secret.until.is_none_or(|until| now < until)) {
            let expected = secret.sign(id, timestamp, body);
            for one in &given {
                matches |= expected.ct_eq(one);
            }
        }
        if bool::from(matches) { Ok(()) } else { Err(SignatureError::NoMatch) }
    }
}

#[cfg(any(test, feature = "testing"))]
impl SigningSecret {
    /// The header that a gateway would send; for tests.
    pub fn header(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        format!("v1,{}", BASE64_STANDARD.encode(self.sign(id, timestamp, body)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const STAMP: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const HEADER: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn known() -> SigningSecret {
        SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }
    fn other() -> SigningSecret {
        SigningSecret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap()
    }
    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }
    fn sent() -> DateTime<Utc> {
        at(1_614_265_330)
    }

    #[test]
    fn the_published_example_verifies() {
        let secrets = SigningSecrets::new(vec![known()]);
        assert_eq!(known().header(ID, STAMP, BODY), HEADER);
        assert_eq!(secrets.verify(ID, STAMP, HEADER, BODY, sent()), Ok(()));
        let several = format!("v1a,xxxx v1,AAAA {HEADER}");
        assert_eq!(secrets.verify(ID, STAMP, &several, BODY, sent()), Ok(()));
    }

    #[test]
    fn what_was_not_signed_like_this_is_refused() {
        let secrets = SigningSecrets::new(vec![known()]);
        let check = |id: &str, stamp: &str, header: &str, body: &[u8]| secrets.verify(id, stamp, header, body, sent());
        let no_match = Err(SignatureError::NoMatch);
        assert_eq!(check(ID, STAMP, "", BODY), no_match);
        assert_eq!(check(ID, STAMP, "v1,%%%", BODY), no_match);
        assert_eq!(check(ID, STAMP, "v1,", BODY), no_match);
        assert_eq!(check(ID, STAMP, &HEADER.replace("v1,", "v2,"), BODY), no_match);
        assert_eq!(check(ID, STAMP, HEADER.trim_start_matches("v1,"), BODY), no_match);
        assert_eq!(check(ID, STAMP, &other().header(ID, STAMP, BODY), BODY), no_match);
        assert_eq!(check(ID, STAMP, HEADER, br#"{"test":  2432232314}"#), no_match);
        assert_eq!(check("msg_other", STAMP, HEADER, BODY), no_match);
        assert_eq!(check(ID, "1614265331", HEADER, BODY), no_match);
        for stamp in ["", "-1", "+1614265330", "soon", "1614265330.0", "99999999999999999999"] {
            assert_eq!(check(ID, stamp, HEADER, BODY), Err(SignatureError::Timestamp), "{stamp}");
        }
        assert_eq!(SigningSecrets::default().verify(ID, STAMP, HEADER, BODY, sent()), no_match);
    }

    #[test]
    fn three_hundred_seconds_either_way_are_taken_and_one_more_is_not() {
        let secrets = SigningSecrets::new(vec![known()]);
        for (offset, expected) in
            [(-301, Err(SignatureError::TooFar)), (-300, Ok(())), (300, Ok(())), (301, Err(SignatureError::TooFar))]
        {
            let now = sent() + TimeDelta::seconds(offset);
            assert_eq!(secrets.verify(ID, STAMP, HEADER, BODY, now), expected, "{offset}");
        }
    }

    #[test]
    fn old_and_new_secret_hold_in_the_overlap_and_only_the_new_one_after_it() {
        let rotation = |until: i64| SigningSecrets::new(vec![known().until(at(until)), other()]);
        let now = sent();
        let (old, new) = (known().header(ID, STAMP, BODY), other().header(ID, STAMP, BODY));
        let overlap = rotation(now.timestamp() + 1);
        assert_eq!(overlap.verify(ID, STAMP, &old, BODY, now), Ok(()));
        assert_eq!(overlap.verify(ID, STAMP, &new, BODY, now), Ok(()));
        let after = rotation(now.timestamp());
        assert_eq!(after.verify(ID, STAMP, &old, BODY, now), Err(SignatureError::NoMatch));
        assert_eq!(after.verify(ID, STAMP, &new, BODY, now), Ok(()));
    }

    #[test]
    fn a_secret_has_a_shape_and_does_not_print_itself() {
        for bad in ["", "whsec_", "whsec_%%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA"] {
            assert!(SigningSecret::parse(bad).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", SigningSecrets::new(vec![known()])).contains("MfKQ"));
    }
}
