//! Whether it is the merchant who asks.

use kernel::Problem;
use poem::{Request, http::header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::INVALID_API_KEY;

/// Compares the bearer's key with ours without telling by the time how much of it fits, nor how long it is.
pub(crate) fn check(request: &Request, api_key: &str) -> Result<(), Problem> {
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let same = Sha256::digest(given.as_bytes()).ct_eq(&Sha256::digest(api_key.as_bytes()));
    if bool::from(same) && !api_key.is_empty() {
        Ok(())
    } else {
        Err(INVALID_API_KEY.problem("Send the merchant's key as 'Authorization: Bearer …'."))
    }
}
