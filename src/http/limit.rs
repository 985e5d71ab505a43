//! How many requests a caller may make, and how many an address from which nobody has logged in.

use std::{net::IpAddr, time::Duration};

use kernel::{
    Problem, SharedVerifier,
    limit::{self, Quota, SharedLimiter, Standing, TooMany, neighbourhood},
    problem::RATE_LIMITED,
};
use poem::{
    Request, Response,
    http::{HeaderName, HeaderValue, header},
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");
const MINUTE: Duration = Duration::from_secs(60);

/// The limits of requests.
#[derive(Clone)]
pub struct RateLimit {
    limiter: SharedLimiter,
    verifier: SharedVerifier,
    caller: Option<Quota>,
    address: Option<Quota>,
}

/// What a request was measured by, and what is left after it.
pub(super) struct Measured {
    quota: Quota,
    standing: Result<Standing, TooMany>,
}

impl RateLimit {
    /// So many requests in a minute for each caller, and for each address without one; 0: as many as they like.
    pub fn new(limiter: SharedLimiter, verifier: SharedVerifier, caller: u32, address: u32) -> Self {
        let quota = |name, burst| (burst > 0).then(|| Quota::new(name, burst, MINUTE));
        Self { limiter, verifier, caller: quota("caller", caller), address: quota("address", address) }
    }

    /// Counts a request. Who shows a token that holds is counted as who they are, wherever they are: a shop's own server asks
    /// on behalf of many from one address. Everybody else is counted by address.
    pub(super) async fn measure(&self, request: &Request, address: Option<IpAddr>) -> Option<Measured> {
        let verified = match bearer(request) {
            Some(token) => self.verifier.verify(token).await,
            None => None,
        };
        let (quota, key) = match (verified, address) {
            (Some(verified), _) => (self.caller?, verified.caller.user_id.to_string()),
            (None, Some(address)) => (self.address?, neighbourhood(address).to_string()),
            (None, None) => return None,
        };
        Some(Measured { quota, standing: self.limiter.take(quota, &key).await })
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// What nobody counts: whether we live is asked by those who watch us, and webhooks come from few addresses, are many, and
/// hold a signature that is looked at first.
pub(super) fn is_free(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz") || path.starts_with("/v1/webhooks/")
}

impl Measured {
    /// The name of the limit.
    pub(super) fn limit(&self) -> &'static str {
        self.quota.name
    }

    /// The refusal, if the request is one too many.
    pub(super) fn refusal(&self) -> Option<Problem> {
        let too_many = self.standing.err()?;
        let (per, seconds) = (self.quota.burst, too_many.seconds());
        Some(RATE_LIMITED.problem(format!(
            "There may be {per} requests in a minute. Wait {seconds} s, then go on more slowly; the RateLimit headers of every answer say what is left."
        )))
    }

    /// Says in the answer what the limit is and what is left (draft-ietf-httpapi-ratelimit-headers).
    pub(super) fn tell(&self, response: &mut Response) {
        let Quota { name, burst, window } = self.quota;
        let (remaining, wait) = match self.standing {
            Ok(Standing { remaining, whole_in }) => (remaining, limit::seconds(whole_in)),
            Err(too_many) => (0, too_many.seconds()),
        };
        let policy = format!("\"{name}\";q={burst};w={}", window.as_secs());
        for (header, text) in [(POLICY, policy), (STANDING, format!("\"{name}\";r={remaining};t={wait}"))] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().insert(header, value);
            }
        }
    }
}

/// Says when to come back, to somebody who was refused for coming too often.
pub(super) fn come_back(response: &mut Response, wait: Option<Duration>) {
    if response.status().as_u16() == 429
        && let Ok(seconds) = HeaderValue::from_str(&limit::seconds(wait.unwrap_or_default()).to_string())
    {
        response.headers_mut().entry(header::RETRY_AFTER).or_insert(seconds);
    }
}
