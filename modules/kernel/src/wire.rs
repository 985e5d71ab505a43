//! Times as the API writes them, for views that are written straight to bytes: serde's own form ends in `Z`, and one moment
//! must not be two texts.

use chrono::{DateTime, Utc};
use serde::Serializer;

/// A moment, RFC 3339.
///
/// # Errors
/// What the serializer said.
pub fn time<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339())
}

/// A moment, or null.
///
/// # Errors
/// What the serializer said.
pub fn time_if_any<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}
