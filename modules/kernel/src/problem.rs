//! What a client reads when something cannot be done: RFC 9457 problems with a stable `code`.

use poem::{IntoResponse, Response, error::ResponseError, http::StatusCode};
use poem_openapi::{Object, types::ToJSON};

use crate::request;

/// A kind of problem. Its code never changes its meaning; all of them are listed in `docs/problems.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Stable, machine-readable: `out_of_stock`. The type URI is `/problems/<code>`.
    pub code: &'static str,
    /// The HTTP status it is answered with.
    pub status: u16,
    /// One sentence that never varies.
    pub title: &'static str,
}

impl Kind {
    /// Declares a kind.
    pub const fn new(code: &'static str, status: u16, title: &'static str) -> Self {
        Self { code, status, title }
    }

    /// A problem of this kind; `detail` says what happened this time and what to do about it.
    pub fn problem(&self, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("/problems/{}", self.code),
            title: self.title.to_owned(),
            status: self.status,
            detail: Some(detail.into()),
            code: self.code.to_owned(),
            request_id: request::id(),
            errors: None,
        }
    }
}

/// The request does not have the shape that the document asks for.
pub const INVALID_REQUEST: Kind = Kind::new("invalid_request", 400, "The request is not valid");
/// No token, or one that does not hold.
pub const UNAUTHENTICATED: Kind = Kind::new("unauthenticated", 401, "Log in first");
/// The caller is known and may not do this.
pub const FORBIDDEN: Kind = Kind::new("forbidden", 403, "You may not do this");
/// There is no such thing, or it is not the caller's.
pub const NOT_FOUND: Kind = Kind::new("not_found", 404, "There is no such thing");
/// Something on our side.
pub const INTERNAL: Kind = Kind::new("internal", 500, "Something went wrong on our side");
/// Too busy, or the database is away.
pub const UNAVAILABLE: Kind = Kind::new("unavailable", 503, "Try again in a moment");
/// The caller, or the address, has asked for more than its share.
pub const RATE_LIMITED: Kind = Kind::new("rate_limited", 429, "Too many requests");
/// `If-Match` is needed and missing (RFC 6585).
pub const PRECONDITION_REQUIRED: Kind = Kind::new("precondition_required", 428, "Say which version you are changing");
/// `If-Match` names a version that is no longer the current one.
pub const PRECONDITION_FAILED: Kind = Kind::new("precondition_failed", 412, "Somebody changed it in the meantime");

/// The kinds that the kernel itself declares.
pub fn kinds() -> Vec<Kind> {
    let own = [
        INVALID_REQUEST,
        UNAUTHENTICATED,
        FORBIDDEN,
        NOT_FOUND,
        INTERNAL,
        UNAVAILABLE,
        RATE_LIMITED,
        PRECONDITION_REQUIRED,
        PRECONDITION_FAILED,
    ];
    own.iter()
        .chain(crate::caller::PROBLEMS)
        .chain(crate::cursor::PROBLEMS)
        .chain(crate::idempotency::PROBLEMS)
        .chain(crate::db::PROBLEMS)
        .copied()
        .collect()
}

/// Why the request was refused (RFC 9457)
#[derive(Debug, Clone, PartialEq, Eq, Object, thiserror::Error)]
#[error("{code}: {}", detail.as_deref().unwrap_or(title))]
#[oai(skip_serializing_if_is_none)]
pub struct Problem {
    /// A stable reference to this kind of problem; `/problems/<code>`
    #[oai(rename = "type")]
    pub kind: String,
    /// What this kind of problem is about; never varies
    pub title: String,
    /// The HTTP status
    pub status: u16,
    /// What happened this time, and what to do
    pub detail: Option<String>,
    /// Stable, machine-readable name of the kind
    pub code: String,
    /// Name this when you ask for help; it is in our logs
    pub request_id: Option<String>,
    /// What is wrong with which part of the request
    pub errors: Option<Vec<FieldError>>,
}

/// One thing that is wrong with the request
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct FieldError {
    /// Where in the request: `lines/0/quantity`
    pub field: String,
    /// What is wrong there
    pub message: String,
}

impl Problem {
    /// Adds what is wrong with one field.
    #[must_use]
    pub fn with_error(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.errors.get_or_insert_default().push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// A failure on our side: logged here, once, with its whole chain; the client learns only the request id.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = %chain, request_id = request::id(), "request failed");
        INTERNAL.problem("We have logged it. Try again; if it stays, tell us the request id.")
    }
}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn as_response(&self) -> Response {
        self.clone().into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status()).content_type("application/problem+json");
        if self.status == 401 {
            response = response.header("www-authenticate", "Bearer");
        }
        if self.status == 503 {
            response = response.header("retry-after", "1");
        }
        response.body(self.to_json_string())
    }
}

/// Declares the refusals that a module can answer, one variant for each status, and turns the module's error
/// into them. A problem with a status that is not listed becomes the last variant, which is `Internal = 500`.
///
/// ```ignore
/// kernel::problem_responses! {
///     /// Why the catalog cannot do it.
///     pub enum CatalogProblem from CatalogError {
///         /// The request is not valid
///         BadRequest = 400,
///         /// Something went wrong on our side
///         Internal = 500,
///     }
/// }
/// ```
/// `CatalogError` must implement `Into<Problem>`.
#[macro_export]
macro_rules! problem_responses {
    ($(#[$meta:meta])* pub enum $name:ident from $error:ty { $($(#[$vmeta:meta])* $variant:ident = $status:tt),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, ::poem_openapi::ApiResponse)]
        pub enum $name {
            $(
                $(#[$vmeta])*
                #[oai(status = $status, content_type = "application/problem+json")]
                $variant(::poem_openapi::payload::Json<$crate::Problem>),
            )+
        }
        impl From<$crate::Problem> for $name {
            fn from(problem: $crate::Problem) -> Self {
                match problem.status {
                    $($status => Self::$variant(::poem_openapi::payload::Json(problem)),)+
                    _ => Self::Internal(::poem_openapi::payload::Json($crate::Problem::internal(&problem))),
                }
            }
        }
        impl From<$error> for $name {
            fn from(error: $error) -> Self {
                Self::from($crate::Problem::from(error))
            }
        }
        impl From<$crate::DbError> for $name {
            fn from(error: $crate::DbError) -> Self {
                Self::from($crate::Problem::from(error))
            }
        }
    };
}
