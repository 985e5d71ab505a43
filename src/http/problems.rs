//! Refusals that poem and poem-openapi make themselves, turned into problems. The one place where that happens.

use kernel::{
    Kind, Problem,
    problem::{INTERNAL, INVALID_REQUEST, NOT_FOUND, UNAUTHENTICATED},
};
use poem::{
    IntoResponse, Response,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError},
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseMultipartError, ParseParamError, ParsePathError,
    ParseRequestPayloadError,
};
use serde_json::Value;

use super::{body_limit::Progress, field_errors, routes::Entry};

/// The path exists, the method does not.
pub(super) const METHOD_NOT_ALLOWED: Kind = Kind::new("method_not_allowed", 405, "This path does not know this method");
/// The client took too long to send its body.
pub(super) const REQUEST_TIMEOUT: Kind = Kind::new("request_timeout", 408, "The request took too long to arrive");
/// The body is too large.
pub(super) const PAYLOAD_TOO_LARGE: Kind = Kind::new("payload_too_large", 413, "The body is too large");
/// Path and query are too long.
pub(super) const URI_TOO_LONG: Kind = Kind::new("uri_too_long", 414, "The address is too long");
/// The body is of a type that the operation does not take.
pub(super) const UNSUPPORTED_MEDIA_TYPE: Kind =
    Kind::new("unsupported_media_type", 415, "This operation does not take this type of body");
/// The headers are too large.
pub(super) const HEADERS_TOO_LARGE: Kind = Kind::new("headers_too_large", 431, "The headers are too large");
/// Our own time for the request is over.
pub(super) const DEADLINE_EXCEEDED: Kind = Kind::new("deadline_exceeded", 503, "We could not answer in time");

/// More requests are being worked on than this process takes.
pub(super) const TOO_BUSY: Kind = Kind::new("too_busy", 503, "There is more to do than we can do at once");

/// What the HTTP server itself refuses.
pub const KINDS: [Kind; 8] = [
    METHOD_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    PAYLOAD_TOO_LARGE,
    URI_TOO_LONG,
    UNSUPPORTED_MEDIA_TYPE,
    HEADERS_TOO_LARGE,
    DEADLINE_EXCEEDED,
    TOO_BUSY,
];

/// There is nothing at this path.
pub(super) fn no_route() -> Problem {
    NOT_FOUND.problem("There is nothing at this path. /docs lists what there is.")
}

/// Names the methods that the path knows (RFC 9110 wants it on every 405).
pub(super) fn allow(response: &mut Response, entry: Option<&Entry>) {
    if let Some(allow) = entry.and_then(|entry| HeaderValue::from_str(&entry.allow()).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
}

/// An error as an answer. Errors that were answers or problems already stay what they are.
pub(super) fn explain(
    error: poem::Error,
    progress: &Progress,
    entry: Option<&Entry>,
    described: Option<(&Value, &Value)>,
) -> Response {
    if error.is_from_response() {
        return checked(error.into_response());
    }
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone().into_response();
    }
    problem(&error, progress, entry, described).into_response()
}

fn problem(
    error: &poem::Error,
    progress: &Progress,
    entry: Option<&Entry>,
    described: Option<(&Value, &Value)>,
) -> Problem {
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        return parameter(name, reason);
    }
    if let Some(ParsePathError { name, reason }) = error.downcast_ref() {
        return parameter(entry.map_or(name, |entry| entry.parameter(name)), reason);
    }
    if let Some(ParseRequestPayloadError { reason }) = error.downcast_ref() {
        return body(reason, progress, described);
    }
    if let Some(ParseMultipartError { reason }) = error.downcast_ref() {
        return INVALID_REQUEST.problem(format!("The form cannot be read: {}", plain(reason)));
    }
    if let Some(error) = error.downcast_ref::<ContentTypeError>() {
        return UNSUPPORTED_MEDIA_TYPE.problem(match error {
            ContentTypeError::NotSupported { .. } => {
                "Send the body in the type that the document names, usually application/json."
            }
            ContentTypeError::ExpectContentType => {
                "Say what the body is with a Content-Type header, usually application/json."
            }
        });
    }
    if error.is::<NotFoundError>() {
        return no_route();
    }
    if error.is::<MethodNotAllowedError>() {
        return METHOD_NOT_ALLOWED.problem("The Allow header names the methods that this path knows.");
    }
    if error.is::<AuthorizationError>() {
        return UNAUTHENTICATED.problem("Send the access token of a login as 'Authorization: Bearer …'.");
    }
    if error.is::<ReadBodyError>() && error.status().is_client_error() {
        return INVALID_REQUEST.problem("The body broke off or cannot be read.");
    }
    by_status(error)
}

fn by_status(error: &poem::Error) -> Problem {
    let status = error.status();
    if status.is_server_error() {
        return Problem::internal(error);
    }
    match status {
        StatusCode::NOT_FOUND => no_route(),
        StatusCode::UNAUTHORIZED => {
            UNAUTHENTICATED.problem("Send the access token of a login as 'Authorization: Bearer …'.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => PAYLOAD_TOO_LARGE.problem("Send less."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => UNSUPPORTED_MEDIA_TYPE.problem("Send the type that the document names."),
        _ => INVALID_REQUEST.problem("The request is not of the form that the document describes."),
    }
}

fn parameter(name: &str, reason: &str) -> Problem {
    let reason = plain(reason);
    INVALID_REQUEST.problem(format!("The parameter '{name}' {reason}.")).with_error(name, reason)
}

fn body(reason: &str, progress: &Progress, described: Option<(&Value, &Value)>) -> Problem {
    let sent = serde_json::from_slice::<Value>(&progress.kept());
    let (Some((schema, document)), Ok(sent)) = (described, sent) else {
        return INVALID_REQUEST.problem(format!("The body is not valid JSON: {}.", plain(reason)));
    };
    let errors = field_errors::find(&sent, schema, document);
    let Some(first) = errors.first() else {
        return INVALID_REQUEST.problem(format!("The body {}.", plain(reason)));
    };
    let detail = match (errors.len(), first.field.as_str()) {
        (1, "") => format!("The body {}.", first.message),
        (1, field) => format!("The field '{field}' {}.", first.message),
        (many, _) => format!("{many} things are wrong with the body; 'errors' lists them."),
    };
    let mut problem = INVALID_REQUEST.problem(detail);
    problem.errors = Some(errors);
    problem
}

/// poem-openapi's reason in our words: without the names of Rust types and without what the client sent.
fn plain(reason: &str) -> String {
    let mut reason = reason;
    while let Some(end) = reason.find(" (occurred while parsing") {
        reason = reason.get(..end).unwrap_or_default();
    }
    if reason.starts_with("Expected input type") {
        return "is of the wrong type".to_owned();
    }
    if reason.starts_with("Type ") && reason.ends_with("expects an input value.") {
        return "is required".to_owned();
    }
    while let Some(rest) = reason.strip_prefix("failed to parse \"") {
        let Some((_type, rest)) = rest.split_once("\": ") else { break };
        reason = rest;
    }
    if let Some(rule) = reason.strip_prefix("verification failed. ") {
        return format!("must satisfy {}", rule.trim_end_matches('.'));
    }
    reason.trim_end_matches('.').to_owned()
}

/// An answer as it may leave: a refusal without a body of ours (from poem's own endpoints) becomes a problem, too.
pub(super) fn checked(response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let kept = ["application/problem+json", "text/html", "application/json"];
    if response.content_type().is_some_and(|kind| kept.iter().any(|kept| kind.starts_with(kept))) {
        return response;
    }
    let problem = match status {
        StatusCode::NOT_FOUND => no_route(),
        StatusCode::METHOD_NOT_ALLOWED => {
            METHOD_NOT_ALLOWED.problem("The Allow header names the methods that this path knows.")
        }
        status if status.is_client_error() => INVALID_REQUEST.problem("The request cannot be answered."),
        _ => INTERNAL.problem("We have logged it. If it stays, tell us the request id."),
    };
    problem.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_lose_type_names_and_values() {
        for (raw, expected) in [
            (r#"failed to parse "string_uuid": invalid length (occurred while parsing "NewOrder")"#, "invalid length"),
            (r#"Expected input type "string", found "secret"."#, "is of the wrong type"),
            (r#"Type "integer_int32" expects an input value."#, "is required"),
            (
                r#"failed to parse "Line": field `qty` verification failed. maximum(5, exclusive: false)"#,
                "field `qty` verification failed. maximum(5, exclusive: false)",
            ),
            ("verification failed. maximum(100, exclusive: false)", "must satisfy maximum(100, exclusive: false)"),
        ] {
            assert_eq!(plain(raw), expected);
        }
    }
}
