//! Which pages may call the API from a browser: those of the configured origins, and no others.

use poem::{
    Response,
    http::{HeaderMap, HeaderValue, header},
};

/// The origins whose pages may call us.
pub(super) struct Cors(Vec<String>);

impl Cors {
    pub(super) fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// The request's origin, if it is on the list.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.0.iter().any(|known| origin == known.as_str()).then(|| origin.clone())
    }

    /// Adds what the browser wants to see.
    pub(super) fn apply(&self, response: &mut Response, origin: Option<HeaderValue>, is_preflight: bool) {
        if self.0.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        if is_preflight {
            set(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE");
            set(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, traceparent",
            );
            set(header::ACCESS_CONTROL_MAX_AGE, "600");
        } else {
            set(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                "ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id",
            );
        }
    }
}
