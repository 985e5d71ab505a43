//! What a caller is told when payments cannot do it.

use kernel::{
    Kind, Problem,
    problem::{INVALID_REQUEST, NOT_FOUND},
};

use super::signed_body::TOO_LARGE;
use crate::PaymentError;

const INVALID_SIGNATURE: Kind = Kind::new("invalid_signature", 401, "The signature does not hold");
const REFUND_EXCEEDS_CAPTURED: Kind = Kind::new("refund_exceeds_captured", 409, "More is to be refunded than was paid");

const CAPTURE_EXCEEDS_AUTHORIZED: Kind =
    Kind::new("capture_exceeds_authorized", 409, "More is to be captured than is held");
const NOT_AUTHORIZED: Kind = Kind::new("payment_not_authorized", 409, "The payment holds no money");

/// Every kind of problem that payments declare.
pub fn problems() -> Vec<Kind> {
    vec![INVALID_SIGNATURE, REFUND_EXCEEDS_CAPTURED, CAPTURE_EXCEEDS_AUTHORIZED, NOT_AUTHORIZED, TOO_LARGE]
}

impl From<PaymentError> for Problem {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::Db(error) => error.into(),
            PaymentError::AmountNotPositive => INVALID_REQUEST.problem("The amount must be above zero."),
            PaymentError::RefundExceedsCaptured { asked_minor, refundable_minor } => {
                REFUND_EXCEEDS_CAPTURED.problem(format!(
                    "{asked_minor} (in minor units) is more than the {refundable_minor} that came in, did not go back and \
                     is not promised to another refund. Ask for {refundable_minor} or less."
                ))
            }
            PaymentError::CaptureExceedsAuthorized { asked_minor, capturable_minor } => {
                CAPTURE_EXCEEDS_AUTHORIZED.problem(format!(
                    "{asked_minor} (in minor units) is more than the {capturable_minor} that is held and not being captured \
                     or released already. Ask for {capturable_minor} or less."
                ))
            }
            PaymentError::NotAuthorized(_) => NOT_AUTHORIZED.problem(
                "The payment is not authorised, or its capture or release is under way already. Look at the order's payments \
                 to see where it stands.",
            ),
            PaymentError::UnknownAttempt(_) => NOT_FOUND.problem("There is no such payment."),
            PaymentError::UnknownRefund(_) => NOT_FOUND.problem("There is no such refund."),
            PaymentError::UnknownEvent(_) => NOT_FOUND.problem("There is no such webhook."),
            PaymentError::UnknownGateway => {
                NOT_FOUND.problem("There is no payment gateway of this name. Check the webhook's path.")
            }
            PaymentError::InvalidSignature(error) => {
                tracing::warn!(reason = %error, "webhook refused");
                INVALID_SIGNATURE.problem(
                    "The webhook was not signed with a secret we know over exactly these bytes, or its timestamp is more \
                     than 300 seconds from our clock. Nothing was stored.",
                )
            }
        }
    }
}

kernel::problem_responses! {
    /// Why a webhook was not taken.
    pub enum PaymentWebhookProblem from PaymentError {
        /// A header or the path does not have the shape that is asked for
        BadRequest = 400,
        /// The signature does not hold
        InvalidSignature = 401,
        /// There is no such gateway
        NotFound = 404,
        /// The body has more than 64 KiB
        TooLarge = 413,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}
