//! The name by which a request can be found again: taken from the client if it is a decent one, minted otherwise.

use kernel::request::Context;
use poem::{
    Request, Response,
    http::{HeaderMap, HeaderValue, header::HeaderName},
};

kernel::typed_id!(
    /// A request.
    RequestId
);

const NAME: HeaderName = HeaderName::from_static("x-request-id");

fn is_decent(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_traceparent(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [2, 32, 16, 2] && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What is known about the request before anybody looks at it.
pub(super) fn context(request: &Request) -> Context {
    let headers = request.headers();
    let id = text(headers, NAME.as_str()).filter(|id| is_decent(id)).map(str::to_owned);
    Context {
        request_id: Some(id.unwrap_or_else(|| RequestId::new().to_string())),
        traceparent: text(headers, "traceparent").filter(|text| is_traceparent(text)).map(str::to_owned),
    }
}

/// Says the request's name in the answer.
pub(super) fn echo(response: &mut Response, context: &Context) {
    if let Some(value) = context.request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(NAME, value);
    }
}
