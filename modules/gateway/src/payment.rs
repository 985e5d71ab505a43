//! A payment in the gateway's book, and what can become of it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{deserialize::FromSqlRow, expression::AsExpression, sql_types::Text};
use kernel::{Currency, Money};
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
    /// A report to the merchant.
    DeliveryId
);

/// How long a customer may take to pay.
pub const PAYMENT_LIFETIME: TimeDelta = TimeDelta::minutes(30);

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
    /// Where a refund stands.
    pub(crate) enum RefundStatus {
        /// The money is on its way to the customer.
        Succeeded => "succeeded",
        /// It was declined.
        Failed => "failed",
    }
}

text_enum! {
    /// How a payment misbehaves, for tests of the merchant. Stored with every payment.
    pub enum Chaos {
        /// Not at all.
        None => "none",
    }
}

/// What ends a payment.
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
    /// The payment's status afterwards, and the kind of its transaction.
    pub(crate) const fn ends_in(self) -> (PaymentStatus, &'static str) {
        match self {
            Self::Approve => (PaymentStatus::Captured, "capture"),
            Self::Decline => (PaymentStatus::Failed, "decline"),
            Self::Void => (PaymentStatus::Voided, "void"),
            Self::Expire => (PaymentStatus::Expired, "expiry"),
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
    pub status: PaymentStatus,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    pub chaos: Chaos,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Payment {
    pub(crate) const fn amount(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }

    /// What the page's forms carry, so that only somebody who saw the page can send them.
    pub(crate) fn form_nonce(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(b"pay-form.").chain_update(&self.token).finalize())
    }

    /// The status as a customer sees it at `now`: time may be over before anybody has written so.
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> PaymentStatus {
        match self.status {
            PaymentStatus::Pending if now >= self.expires_at => PaymentStatus::Expired,
            status => status,
        }
    }
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
