//! The headers that every answer carries.

use poem::{
    Response,
    http::{
        HeaderValue, StatusCode,
        header::{self, HeaderName},
    },
};

/// What a browser may do with an answer that is not meant to be a page: nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

fn set_default(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
}

/// Adds what is missing. Answers of the API are not stored anywhere unless they say otherwise.
pub(super) fn apply(response: &mut Response, is_api: bool) {
    set_default(response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_default(response, header::REFERRER_POLICY, "no-referrer");
    set_default(response, header::X_FRAME_OPTIONS, "DENY");
    set_default(response, header::CONTENT_SECURITY_POLICY, NOTHING);
    // Use cases find out too that somebody is gone, and their answers are made by the modules.
    if response.status() == StatusCode::UNAUTHORIZED {
        set_default(response, header::WWW_AUTHENTICATE, "Bearer");
    }
    // RFC 9110, 10.2.3: whoever is told that we cannot now is told when to come back.
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        set_default(response, header::RETRY_AFTER, "1");
    }
    if is_api || response.status().as_u16() >= 400 {
        set_default(response, header::CACHE_CONTROL, "no-store");
    }
}
