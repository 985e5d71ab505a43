//! A payment in the gateway's book, and what can become of it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{deserialize::FromSqlRow, expression::AsExpression, sql_types::Text};
use kernel::{Currency, Money, request};
use serde::Serialize;
use sha2::{Digest, Sha256};

kernel::typed_id!(
    /// A payment.
    PaymentId
);
kernel::typed_id!(
    /// A refund.
    RefundId
);
kernel::typed_id!(
    /// A capture.
    CaptureId
);
kernel::typed_id!(
    /// A report to the merchant.
    DeliveryId
);

/// How long a customer may take to pay.
pub const PAYMENT_LIFETIME: TimeDelta = TimeDelta::minutes(30);

/// How long a merchant may take to capture what a customer approved.
pub const AUTHORIZATION_LIFETIME: TimeDelta = TimeDelta::days(7);

macro_rules! text_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow, Serialize)]
        #[diesel(sql_type = Text)]
        #[serde(rename_all = "snake_case")]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// The name in the database and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        impl ::diesel::serialize::ToSql<Text, ::diesel::pg::Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut ::diesel::serialize::Output<'b, '_, ::diesel::pg::Pg>) -> ::diesel::serialize::Result {
                <str as ::diesel::serialize::ToSql<Text, ::diesel::pg::Pg>>::to_sql(self.as_str(), out)
            }
        }
        impl ::diesel::deserialize::FromSql<Text, ::diesel::pg::Pg> for $name {
            fn from_sql(bytes: ::diesel::pg::PgValue<'_>) -> ::diesel::deserialize::Result<Self> {
                let text = <String as ::diesel::deserialize::FromSql<Text, ::diesel::pg::Pg>>::from_sql(bytes)?;
                match text.as_str() {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!(concat!("{} is not a ", stringify!($name)), other).into()),
                }
            }
        }
    };
}

text_enum! {
    /// Where a payment stands.
    pub(crate) enum PaymentStatus {
        /// The customer has not decided.
        Pending => "pending",
        /// The customer approved; the amount is held for the merchant.
        Authorized => "authorized",
        /// The money is in.
        Captured => "captured",
        /// The customer declined.
        Failed => "failed",
        /// The merchant took it back.
        Voided => "voided",
        /// The customer took too long.
        Expired => "expired",
    }
}

text_enum! {
    /// What the customer's approval does.
    #[derive(Default, serde::Deserialize)]
    pub(crate) enum CaptureMethod {
        /// It takes the money.
        #[default]
        Automatic => "automatic",
        /// It holds the money, until the merchant captures it.
        Manual => "manual",
    }
}

text_enum! {
    /// Where a refund stands.
    pub(crate) enum RefundStatus {
        /// The money is on its way to the customer.
        Succeeded => "succeeded",
        /// It was declined.
        Failed => "failed",
    }
}

/// What becomes of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The customer pays.
    Approve,
    /// The customer does not.
    Decline,
    /// The merchant takes it back.
    Void,
    /// Time is over.
    Expire,
}

impl Decision {
    /// The status of a payment afterwards, and the kind of its transaction; `None` when it changes nothing: an end stays an
    /// end, and a customer decides once.
    pub(crate) const fn moves(
        self,
        from: PaymentStatus,
        method: CaptureMethod,
    ) -> Option<(PaymentStatus, &'static str)> {
        use PaymentStatus::{Authorized, Captured, Expired, Failed, Pending, Voided};
        match (from, self) {
            (Pending, Self::Approve) => Some(match method {
                CaptureMethod::Automatic => (Captured, "capture"),
                CaptureMethod::Manual => (Authorized, "authorization"),
            }),
            (Pending, Self::Decline) => Some((Failed, "decline")),
            (Pending | Authorized, Self::Void) => Some((Voided, "void")),
            (Pending | Authorized, Self::Expire) => Some((Expired, "expiry")),
            (Authorized, Self::Approve | Self::Decline) | (Captured | Failed | Voided | Expired, _) => None,
        }
    }
}

/// A payment in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    pub id: PaymentId,
    pub idempotency_key: String,
    /// Opens the pay page.
    pub token: String,
    pub amount_minor: i64,
    pub currency: Currency,
    /// The merchant's name for it.
    pub reference: String,
    pub description: String,
    pub webhook_url: String,
    pub return_url: Option<String>,
    pub capture_method: CaptureMethod,
    pub status: PaymentStatus,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    /// What was really taken, when that is another currency than was asked for.
    pub charged_currency: Option<Currency>,
    pub created_at: DateTime<Utc>,
    /// When the customer approved that the amount is held.
    pub authorized_at: Option<DateTime<Utc>>,
    /// Until when the customer, or then the merchant, may act.
    pub expires_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The merchant's request that opened it.
    pub origin: request::Context,
}

impl Payment {
    pub(crate) const fn amount(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }

    /// The currency of what was taken and given back.
    pub(crate) fn charged_in(&self) -> Currency {
        self.charged_currency.unwrap_or(self.currency)
    }

    /// What the page's forms carry, so that only somebody who saw the page can send them.
    pub(crate) fn form_nonce(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(b"pay-form.").chain_update(&self.token).finalize())
    }

    /// The status as a customer sees it at `now`: time may be over before anybody has written so.
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> PaymentStatus {
        match self.status {
            PaymentStatus::Pending | PaymentStatus::Authorized if now >= self.expires_at => PaymentStatus::Expired,
            status => status,
        }
    }
}

/// A capture in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capture {
    pub id: CaptureId,
    pub payment_id: PaymentId,
    pub idempotency_key: String,
    /// What was asked for.
    pub amount_minor: i64,
    /// What was taken: that, unless something is made to go wrong.
    pub charged: Money,
    /// The merchant's name for it.
    pub reference: String,
    pub created_at: DateTime<Utc>,
}

/// A refund in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refund {
    pub id: RefundId,
    pub payment_id: PaymentId,
    pub idempotency_key: String,
    pub amount_minor: i64,
    /// The merchant's name for it.
    pub reference: String,
    pub status: RefundStatus,
    /// Why it was declined.
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// 32 random bytes as text: nobody guesses them.
pub(crate) fn random_token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::{CaptureMethod::*, Decision::*, PaymentStatus::*};

    #[test]
    fn every_status_answers_every_decision_as_the_table_says() {
        let decisions = [Approve, Decline, Void, Expire];
        let (voided, expired) = (Some((Voided, "void")), Some((Expired, "expiry")));
        let declined = Some((Failed, "decline"));
        for (method, approved) in [(Automatic, (Captured, "capture")), (Manual, (Authorized, "authorization"))] {
            let table = [
                (Pending, [Some(approved), declined, voided, expired]),
                (Authorized, [None, None, voided, expired]),
                (Captured, [None; 4]),
                (Failed, [None; 4]),
                (Voided, [None; 4]),
                (Expired, [None; 4]),
            ];
            for (status, row) in table {
                for (decision, expected) in decisions.into_iter().zip(row) {
                    assert_eq!(decision.moves(status, method), expected, "{status:?} {decision:?} {method:?}");
                }
            }
        }
    }
}
