//! What a gateway tells us: the body of a webhook, read strictly where we rely on it and leniently elsewhere.

use kernel::Text;
use serde::Deserialize;

use crate::{AttemptId, RefundId};

kernel::typed_id!(
    /// A webhook in the inbox.
    EventId
);

/// The largest amount of [`kernel::Money`] on the wire.
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

/// A webhook's news, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What happened.
    pub news: News,
    /// Which of our attempts it is about: the reference that we gave the gateway.
    pub attempt_id: AttemptId,
    /// The gateway's name for the payment.
    pub payment_id: String,
    /// The amount, as the gateway says.
    pub amount_minor: i64,
    /// The currency, as the gateway says: three capital letters, not necessarily of our table.
    pub currency: String,
}

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// `payment.authorized`
    Authorized,
    /// `payment.captured`
    Captured,
    /// `payment.failed`, with the status that says how.
    Failed { status: String },
    /// `refund.succeeded`
    Refunded { refund_id: RefundId, reference: Option<String> },
    /// `refund.failed`
    RefundFailed { refund_id: RefundId, reference: Option<String> },
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    payment_id: String,
    reference: String,
    amount: i64,
    currency: String,
    status: Option<String>,
    refund_id: Option<String>,
    refund_reference: Option<String>,
}

impl Notice {
    /// Reads a body, or says why it is no news for us.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let Body { kind, data } =
            serde_json::from_slice(body).map_err(|error| format!("the body cannot be read: {error}"))?;
        let attempt_id: AttemptId =
            data.reference.parse().map_err(|error| format!("reference is not one of ours: {error}"))?;
        let refund = |refund_id: Option<String>, refund_reference: Option<String>| {
            let ours: RefundId = refund_reference
                .ok_or("refund_reference is missing")?
                .parse()
                .map_err(|error| format!("refund_reference is not one of ours: {error}"))?;
            let theirs = refund_id.map(|id| name("refund_id", id)).transpose()?;
            Ok::<_, String>((ours, theirs))
        };
        let news = match kind.as_str() {
            "payment.authorized" => News::Authorized,
            "payment.captured" => News::Captured,
            "payment.failed" => {
                News::Failed { status: name("status", data.status.unwrap_or_else(|| "failed".into()))? }
            }
            "refund.succeeded" | "refund.failed" => {
                let (refund_id, reference) = refund(data.refund_id, data.refund_reference)?;
                if kind == "refund.succeeded" {
                    News::Refunded { refund_id, reference }
                } else {
                    News::RefundFailed { refund_id, reference }
                }
            }
            _ => return Err("a type of event that we do not handle".to_owned()),
        };
        let Data { payment_id, amount, currency, .. } = data;
        Self { news, attempt_id, payment_id, amount_minor: amount, currency }.checked()
    }

    /// This, if it is something that can be stored; otherwise why not.
    pub(crate) fn checked(self) -> Result<Self, String> {
        if !(1..=AMOUNT_MAX).contains(&self.amount_minor) {
            return Err("the amount is not one that money can have".to_owned());
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err("the currency is not three capital letters".to_owned());
        }
        Ok(Self { payment_id: name("payment_id", self.payment_id)?, ..self })
    }
}

/// A name that a gateway has given something.
fn name(field: &str, text: String) -> Result<String, String> {
    Text::<1, 128>::parse(text).map(Text::into_string).map_err(|error| format!("{field} {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, reference: &str, payment: &str, amount: i64, currency: &str) -> Vec<u8> {
        serde_json::json!({"type": kind, "timestamp": "2026-01-01T00:00:00Z", "later": true,
            "data": {"payment_id": payment, "reference": reference, "amount": amount, "currency": currency}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_notice_is_read_and_unknown_members_do_not_matter() {
        let id = AttemptId::new();
        let notice = Notice::parse(&body("payment.captured", &id.to_string(), "p-1", 5, "USD")).unwrap();
        assert_eq!((notice.news, notice.attempt_id, notice.amount_minor), (News::Captured, id, 5));
    }

    #[test]
    fn money_that_is_held_is_news_of_its_own() {
        let id = AttemptId::new();
        let notice = Notice::parse(&body("payment.authorized", &id.to_string(), "p-1", 5, "USD")).unwrap();
        assert_eq!((notice.news, notice.attempt_id, notice.amount_minor), (News::Authorized, id, 5));
    }

    #[test]
    fn what_could_not_be_stored_or_understood_is_refused() {
        let id = AttemptId::new().to_string();
        for bad in [
            body("payment.captured", "not-a-uuid", "p", 5, "USD"),
            body("payment.captured", &id, "p\0", 5, "USD"),
            body("payment.captured", &id, &"p".repeat(129), 5, "USD"),
            body("payment.captured", &id, "p", 0, "USD"),
            body("payment.captured", &id, "p", -5, "USD"),
            body("payment.captured", &id, "p", i64::MAX, "USD"),
            body("payment.captured", &id, "p", 5, "usd"),
            body("refund.succeeded", &id, "p", 5, "USD"),
            body("payment.daydreamed", &id, "p", 5, "USD"),
            b"[]".to_vec(),
            b"".to_vec(),
            vec![0xff; 10],
        ] {
            assert!(Notice::parse(&bad).is_err(), "{}", String::from_utf8_lossy(&bad));
        }
    }
}
