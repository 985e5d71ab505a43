//! A request body as the bytes that were signed, bounded; in the API document it is JSON.

use kernel::Kind;
use poem::{Request, RequestBody, error::ReadBodyError, http::StatusCode};
use poem_openapi::{
    impl_apirequest_for_payload,
    payload::{ParsePayload, Payload},
    registry::{MetaSchemaRef, Registry},
    types::Type,
};

use super::dto::PaymentNotification;

/// What a report may weigh.
pub(crate) const LIMIT_BYTES: usize = 64 * 1024;

/// The report is too large.
pub(crate) const TOO_LARGE: Kind = Kind::new("payload_too_large", 413, "The body is too large");

/// The bytes of a report, exactly as they came.
pub(crate) struct SignedBody(pub Vec<u8>);

impl Payload for SignedBody {
    const CONTENT_TYPE: &'static str = "application/json; charset=utf-8";

    fn check_content_type(content_type: &str) -> bool {
        content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
    }

    fn schema_ref() -> MetaSchemaRef {
        PaymentNotification::schema_ref()
    }

    fn register(registry: &mut Registry) {
        PaymentNotification::register(registry);
    }
}

impl ParsePayload for SignedBody {
    const IS_REQUIRED: bool = true;

    async fn from_request(_request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        match body.take()?.into_bytes_limit(LIMIT_BYTES).await {
            Ok(bytes) => Ok(Self(bytes.to_vec())),
            Err(ReadBodyError::PayloadTooLarge) => {
                Err(poem::Error::from(TOO_LARGE.problem("A report has at most 64 KiB. Nothing was stored.")))
            }
            Err(error) => Err(poem::Error::new(error, StatusCode::BAD_REQUEST)),
        }
    }
}

impl_apirequest_for_payload!(SignedBody);
