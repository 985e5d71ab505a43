//! What the merchant is told when the gateway cannot do it.

use kernel::{Kind, Problem, idempotency, problem::NOT_FOUND};

use crate::error::GatewayError;

pub(crate) const INVALID_API_KEY: Kind = Kind::new("invalid_api_key", 401, "The API key does not hold");
pub(crate) const NOT_PENDING: Kind = Kind::new("payment_not_pending", 409, "The payment is over");
pub(crate) const NOT_AUTHORIZED: Kind = Kind::new("payment_not_authorized", 409, "The payment holds no money");
pub(crate) const CAPTURE_EXCEEDS_AUTHORIZED: Kind =
    Kind::new("capture_exceeds_authorized", 409, "More is to be captured than is held");
pub(crate) const DECLINED: Kind = Kind::new("declined", 402, "The bank declined");
pub(crate) const METHOD_NOT_ALLOWED: Kind =
    Kind::new("method_not_allowed", 405, "This cannot be done with this method");
pub(crate) const TOO_LARGE: Kind = Kind::new("payload_too_large", 413, "The body is too large");

/// Every kind of problem that the gateway declares.
pub fn problems() -> Vec<Kind> {
    vec![
        INVALID_API_KEY,
        NOT_PENDING,
        NOT_AUTHORIZED,
        CAPTURE_EXCEEDS_AUTHORIZED,
        DECLINED,
        METHOD_NOT_ALLOWED,
        TOO_LARGE,
    ]
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Db(error) => error.into(),
            GatewayError::KeyReused => idempotency::reused(),
            GatewayError::UnknownPayment => NOT_FOUND.problem("There is no payment with this id."),
            GatewayError::NotAuthorized(status) => NOT_AUTHORIZED.problem(format!(
                "The payment is {}. Only an authorised payment can be captured, and only once.",
                status.as_str()
            )),
            GatewayError::CaptureExceedsAuthorized { asked_minor, authorized_minor } => {
                CAPTURE_EXCEEDS_AUTHORIZED.problem(format!(
                    "{asked_minor} (in minor units) is more than the {authorized_minor} that the payment holds. Capture \
                     {authorized_minor} or less."
                ))
            }
            GatewayError::Declined => DECLINED.problem("It was made to decline. Nothing was done."),
            GatewayError::NotPending(status) => NOT_PENDING.problem(format!(
                "The payment is {}. Only a pending or an authorised payment can be voided; a captured one can be refunded.",
                status.as_str()
            )),
        }
    }
}
