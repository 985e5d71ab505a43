//! Optimistic locking: whoever changes something says which version of it they have seen.

use crate::CatalogError;

/// The version that the caller has seen; `None` when they did not say.
pub type Seen = Option<i64>;

/// Refuses a change of something that is now at `current`, unless that is what the caller has seen.
pub(crate) fn check(seen: Seen, current: i64) -> Result<(), CatalogError> {
    match seen {
        None => Err(CatalogError::VersionRequired),
        Some(version) if version == current => Ok(()),
        Some(_) => Err(CatalogError::VersionStale { current }),
    }
}
