//! The name by which a request can be found again: taken from the client if it is a decent one, minted otherwise.

use kernel::{request::Context, trace::Span};
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

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What is known about the request before anybody looks at it. What it asks others to do is part of `span`.
pub(super) fn context(request: &Request, span: &Span) -> Context {
    let id = text(request.headers(), NAME.as_str()).filter(|id| is_decent(id)).map(str::to_owned);
    Context {
        request_id: Some(id.unwrap_or_else(|| RequestId::new().to_string())),
        traceparent: Some(span.traceparent().to_owned()),
    }
}

/// Says the request's name in the answer.
pub(super) fn echo(response: &mut Response, context: &Context) {
    if let Some(value) = context.request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(NAME, value);
    }
}
