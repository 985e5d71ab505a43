//! Where an order stands: one status moved by commands, three computed from sums.

/// Declares an enum that is a word in JSON, in the database and in logs.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, poem_openapi::Enum, serde::Serialize, serde::Deserialize,
                 diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        pub enum $name {
            $($(#[$vmeta])* #[oai(rename = $word)] #[serde(rename = $word)] $variant),+
        }
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl diesel::serialize::ToSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>) -> diesel::serialize::Result {
                <str as diesel::serialize::ToSql<diesel::sql_types::Text, diesel::pg::Pg>>::to_sql(self.as_str(), out)
            }
        }
        impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                let word = std::str::from_utf8(bytes.as_bytes())?;
                Self::ALL.iter().copied().find(|value| value.as_str() == word).ok_or_else(|| format!("unknown {}: {word}", stringify!($name)).into())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Where the order stands; moved by commands only
    pub enum OrderStatus {
        /// Placed; its stock is promised, its money is awaited
        Pending = "pending",
        /// Paid for, or to be paid offline: to be packed and sent
        Confirmed = "confirmed",
        /// Everything delivered and paid
        Completed = "completed",
        /// Called off
        Cancelled = "cancelled",
        /// Not paid in time; its stock went back
        Expired = "expired",
    }
}

words! {
    /// What the ledger of money says
    pub enum PaymentStatus {
        /// No money yet
        Unpaid = "unpaid",
        /// Less than the total is authorised
        PartiallyAuthorized = "partially_authorized",
        /// The total is authorised
        Authorized = "authorized",
        /// An authorisation was given up
        Voided = "voided",
        /// Everything captured went back
        Refunded = "refunded",
        /// More than the total is captured
        Overpaid = "overpaid",
        /// A part went back
        PartiallyRefunded = "partially_refunded",
        /// Less than the total is captured
        PartiallyPaid = "partially_paid",
        /// The total is captured
        Paid = "paid",
    }
}

words! {
    /// What has been sent
    pub enum FulfillmentStatus {
        /// Nothing sent yet
        Unfulfilled = "unfulfilled",
        /// A part is sent
        PartiallyFulfilled = "partially_fulfilled",
        /// Everything is sent
        Fulfilled = "fulfilled",
        /// Everything has arrived
        Delivered = "delivered",
    }
}

words! {
    /// What has come back
    pub enum ReturnStatus {
        /// Nothing
        None = "none",
        /// Announced
        Requested = "requested",
        /// A part is back
        PartiallyReturned = "partially_returned",
        /// Everything is back
        Returned = "returned",
    }
}

words! {
    /// How an order is paid when no gateway is part of it
    pub enum OfflineMethod {
        /// The carrier takes the money at the door
        CashOnDelivery = "cash_on_delivery",
        /// The buyer sends it to our account
        BankTransfer = "bank_transfer",
        /// Another way that staff see to
        Other = "other",
    }
}

words! {
    /// What moves an order
    pub enum OrderEvent {
        /// Money is there (or will be, offline)
        Confirm = "confirm",
        /// Time is up
        Expire = "expire",
        /// Somebody calls it off
        Cancel = "cancel",
        /// Everything is delivered and paid
        Complete = "complete",
        /// Late money, and the stock could be promised again
        Revive = "revive",
        /// Staff hold it back; it stays where it stands
        Hold = "hold",
    }
}

/// The order cannot do that from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} cannot {event}")]
pub struct InvalidTransition {
    /// Where it stands.
    pub from: OrderStatus,
    /// What was asked of it.
    pub event: OrderEvent,
}

impl OrderStatus {
    /// The one transition table of orders (`orders.guard_status` in the database says the same).
    ///
    /// # Errors
    /// The move is not in the table.
    pub const fn after(self, event: OrderEvent) -> Result<Self, InvalidTransition> {
        use OrderEvent as E;
        match (self, event) {
            (Self::Pending, E::Confirm) => Ok(Self::Confirmed),
            (Self::Pending, E::Expire) => Ok(Self::Expired),
            (Self::Pending | Self::Confirmed, E::Cancel) => Ok(Self::Cancelled),
            (Self::Confirmed, E::Complete) => Ok(Self::Completed),
            (Self::Expired | Self::Cancelled, E::Revive) => Ok(Self::Confirmed),
            (Self::Pending | Self::Confirmed, E::Hold) => Ok(self),
            (from, event) => Err(InvalidTransition { from, event }),
        }
    }

    /// Whether its stock is promised.
    pub const fn holds_stock(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }
}

/// The sums of an order's money ledger, in minor units of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Authorised: held for us, and neither being captured nor given up.
    pub authorized: i64,
    /// On its way in: asked of the gateway, which holds it, and not answered yet.
    pub capturing: i64,
    /// Captured.
    pub captured: i64,
    /// Refunded, of what was captured.
    pub refunded: i64,
    /// On its way back: asked of the gateway and not answered yet.
    pub refunding: i64,
    /// An authorisation was given up.
    pub voided: bool,
}

impl Sums {
    /// What is held for us, whether we have begun to take it or not.
    pub const fn held(self) -> i64 {
        self.authorized + self.capturing
    }

    /// What we have and do not have to give back.
    pub const fn kept(self) -> i64 {
        self.captured - self.refunded - self.refunding
    }
}

/// The payment status as a function of the sums and the total (design.md §4.3).
pub fn payment_status(sums: Sums, total: i64) -> PaymentStatus {
    let net = sums.captured - sums.refunded;
    if sums.captured == 0 {
        return match sums.held() {
            0 if sums.voided => PaymentStatus::Voided,
            0 => PaymentStatus::Unpaid,
            authorized if authorized < total => PaymentStatus::PartiallyAuthorized,
            _ => PaymentStatus::Authorized,
        };
    }
    if net == 0 {
        PaymentStatus::Refunded
    } else if net > total {
        PaymentStatus::Overpaid
    } else if sums.refunded > 0 {
        PaymentStatus::PartiallyRefunded
    } else if net < total {
        PaymentStatus::PartiallyPaid
    } else {
        PaymentStatus::Paid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m_07_every_pair_of_status_and_event_is_decided() {
        use OrderEvent as E;
        use OrderStatus as S;
        let allowed = [
            (S::Pending, E::Confirm, S::Confirmed),
            (S::Pending, E::Expire, S::Expired),
            (S::Pending, E::Cancel, S::Cancelled),
            (S::Confirmed, E::Cancel, S::Cancelled),
            (S::Confirmed, E::Complete, S::Completed),
            (S::Expired, E::Revive, S::Confirmed),
            (S::Cancelled, E::Revive, S::Confirmed),
            (S::Pending, E::Hold, S::Pending),
            (S::Confirmed, E::Hold, S::Confirmed),
        ];
        for &from in S::ALL {
            for &event in E::ALL {
                let expected = allowed.iter().find(|(s, e, _)| (*s, *e) == (from, event)).map(|(_, _, to)| *to);
                assert_eq!(from.after(event), expected.ok_or(InvalidTransition { from, event }));
            }
        }
    }

    #[test]
    fn the_payment_status_follows_the_sums() {
        use PaymentStatus as P;
        let status = |authorized, captured, refunded, voided, total| {
            payment_status(Sums { authorized, captured, refunded, voided, ..Sums::default() }, total)
        };
        assert_eq!(status(0, 0, 0, false, 100), P::Unpaid);
        assert_eq!(status(0, 0, 0, true, 100), P::Voided);
        assert_eq!(status(50, 0, 0, false, 100), P::PartiallyAuthorized);
        assert_eq!(status(100, 0, 0, false, 100), P::Authorized);
        assert_eq!(status(0, 100, 0, false, 100), P::Paid);
        assert_eq!(status(0, 60, 0, false, 100), P::PartiallyPaid);
        assert_eq!(status(0, 120, 0, false, 100), P::Overpaid);
        assert_eq!(status(0, 100, 40, false, 60), P::PartiallyRefunded);
        assert_eq!(status(0, 100, 40, false, 50), P::Overpaid);
        assert_eq!(status(0, 100, 100, false, 0), P::Refunded);
        assert_eq!(status(0, 100, 0, false, 0), P::Overpaid);
    }
}
