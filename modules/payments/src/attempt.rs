//! A payment attempt: one try to collect money for an order, and the one table its state moves through.

use chrono::{DateTime, Utc};
use diesel::{deserialize::FromSqlRow, expression::AsExpression, sql_types::Text};
use kernel::{Money, OrderId};
use poem_openapi::Enum;

use crate::text_enum::text_enum;

kernel::typed_id!(
    /// A payment attempt.
    AttemptId
);
kernel::typed_id!(
    /// A capture of an authorised attempt.
    CaptureId
);

/// How the money of a payment is collected
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Enum, AsExpression, FromSqlRow)]
#[oai(rename_all = "snake_case")]
#[diesel(sql_type = Text)]
pub enum CaptureMethod {
    /// At once, when the customer approves
    #[default]
    Automatic,
    /// Approving holds the amount; it is taken later, once, in whole or in part
    Manual,
}

text_enum!(CaptureMethod { Automatic => "automatic", Manual => "manual" });

/// Where a payment attempt stands
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, AsExpression, FromSqlRow)]
#[oai(rename_all = "snake_case")]
#[diesel(sql_type = Text)]
pub enum AttemptState {
    /// Written down; the gateway has not been asked yet
    Created,
    /// The gateway knows it; the customer can pay
    Pending,
    /// The money is promised, not collected
    Authorized,
    /// The money is in
    Captured,
    /// The customer or the gateway declined
    Failed,
    /// Taken back before any money moved
    Voided,
    /// The customer did not pay in time
    Expired,
    /// The gateway gave no answer; it may or may not know of it
    Unknown,
}

text_enum!(AttemptState {
    Created => "created", Pending => "pending", Authorized => "authorized", Captured => "captured",
    Failed => "failed", Voided => "voided", Expired => "expired", Unknown => "unknown",
});

/// What can happen to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptEvent {
    /// The gateway answered with a place to pay.
    Open,
    /// It answered so about an attempt that it had known nothing of when it was asked.
    OpenLate,
    /// The gateway answered that it will not take it.
    Refuse,
    /// The gateway did not answer.
    LoseAnswer,
    /// The gateway says that the money is held for us.
    Authorize,
    /// The gateway says that the money is in.
    Capture,
    /// The gateway says that the customer declined or could not pay.
    Fail,
    /// The gateway says that it was taken back.
    Void,
    /// The gateway says that its time is over.
    Expire,
}

impl AttemptEvent {
    /// Every event, with its name.
    const NAMES: [(Self, &str); 9] = [
        (Self::Open, "open"),
        (Self::OpenLate, "open_late"),
        (Self::Refuse, "refuse"),
        (Self::LoseAnswer, "lose_answer"),
        (Self::Authorize, "authorize"),
        (Self::Capture, "capture"),
        (Self::Fail, "fail"),
        (Self::Void, "void"),
        (Self::Expire, "expire"),
    ];
}

/// Every move that the table of attempts allows, as (from, event, to), by event: for those who draw it.
pub fn attempt_moves() -> Vec<(&'static str, &'static str, &'static str)> {
    AttemptEvent::NAMES
        .iter()
        .flat_map(|&(event, name)| AttemptState::ALL.iter().map(move |&from| (from, event, name)))
        .filter_map(|(from, event, name)| Some((from.as_str(), name, from.after(event)?.as_str())))
        .collect()
}

impl AttemptState {
    /// The state after `event`, or `None` when the event changes nothing: money that came in stays in, an end stays an
    /// end, and old news is old news. Money is believed from every state, because it is there.
    pub(crate) const fn after(self, event: AttemptEvent) -> Option<Self> {
        use AttemptEvent::{Authorize, Capture, Expire, Fail, LoseAnswer, Open, OpenLate, Refuse, Void};
        match (self, event) {
            (Self::Captured, _) => None,
            (_, Capture) => Some(Self::Captured),
            (Self::Created | Self::Pending | Self::Unknown, Authorize) => Some(Self::Authorized),
            (Self::Created | Self::Unknown, Open) | (Self::Failed, OpenLate) => Some(Self::Pending),
            (Self::Created | Self::Unknown, Refuse) => Some(Self::Failed),
            (Self::Created, LoseAnswer) => Some(Self::Unknown),
            (Self::Created | Self::Pending | Self::Authorized | Self::Unknown, Fail) => Some(Self::Failed),
            (Self::Created | Self::Pending | Self::Authorized | Self::Unknown, Void) => Some(Self::Voided),
            (Self::Created | Self::Pending | Self::Authorized | Self::Unknown, Expire) => Some(Self::Expired),
            (Self::Created | Self::Unknown, OpenLate)
            | (Self::Pending, Open | OpenLate | Refuse | LoseAnswer)
            | (Self::Authorized, Open | OpenLate | Refuse | LoseAnswer | Authorize)
            | (Self::Unknown, LoseAnswer)
            | (Self::Failed, Open | Refuse | LoseAnswer | Authorize | Fail | Void | Expire)
            | (
                Self::Voided | Self::Expired,
                Open | OpenLate | Refuse | LoseAnswer | Authorize | Fail | Void | Expire,
            ) => None,
        }
    }
}

/// One try to collect money for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id; also the idempotency key and the reference that the gateway is given.
    pub id: AttemptId,
    /// The order it pays for.
    pub order_id: OrderId,
    /// The gateway's name, as in the webhook's path.
    pub gateway: String,
    /// What was asked for.
    pub amount: Money,
    /// Whether approving takes the money or holds it.
    pub capture_method: CaptureMethod,
    /// Where it stands.
    pub state: AttemptState,
    /// The gateway's name for it, once known.
    pub reference: Option<String>,
    /// Where the customer pays, once known.
    pub pay_url: Option<String>,
    /// What really came in, in minor units of `captured_currency`.
    pub captured_minor: i64,
    /// The currency that really came in: hardly ever another one than was asked for.
    pub captured_currency: Option<String>,
    /// What went back.
    pub refunded_minor: i64,
    /// What is promised to refunds without a final answer.
    pub refunding_minor: i64,
    /// What the capture under way is to bring; 0 when there is none.
    pub capturing_minor: i64,
    /// The last capture that was asked for: the idempotency key and the reference that the gateway is given.
    pub capture_id: Option<CaptureId>,
    /// It is to be taken back, and the gateway has not said that it is.
    pub voiding: bool,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Attempt {
    /// What can be taken of the money that is held: nothing while a capture or a void is under way, because an attempt is
    /// captured once.
    pub const fn capturable_minor(&self) -> i64 {
        match self.state {
            AttemptState::Authorized if self.capturing_minor == 0 && !self.voiding => self.amount.minor,
            _ => 0,
        }
    }

    /// The state is another one: no capture and no void is under way any more.
    pub(crate) const fn enter(&mut self, state: AttemptState, at: DateTime<Utc>) {
        self.state = state;
        self.updated_at = at;
        if !matches!(state, AttemptState::Authorized) {
            self.capturing_minor = 0;
            self.voiding = false;
        }
    }

    /// What can still be given back, in minor units of the currency that came in.
    pub const fn refundable_minor(&self) -> i64 {
        self.captured_minor.saturating_sub(self.refunded_minor).saturating_sub(self.refunding_minor)
    }

    /// Whether what came in is money of another currency than was asked for.
    pub fn is_foreign(&self) -> bool {
        self.captured_currency.as_deref().is_some_and(|code| code != self.amount.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::{AttemptEvent::*, AttemptState::*, *};

    #[test]
    fn every_state_answers_every_event_as_the_table_says() {
        // Rows: states in the order of `ALL`; columns: the events below. `None` is "stays as it is".
        let events = [Open, OpenLate, Refuse, LoseAnswer, Authorize, Capture, Fail, Void, Expire];
        let (open, captured, held) = (Some(Pending), Some(Captured), Some(Authorized));
        let (failed, voided, expired) = (Some(Failed), Some(Voided), Some(Expired));
        let table = [
            (Created, [open, None, failed, Some(Unknown), held, captured, failed, voided, expired]),
            (Pending, [None, None, None, None, held, captured, failed, voided, expired]),
            (Authorized, [None, None, None, None, None, captured, failed, voided, expired]),
            (Captured, [None; 9]),
            (Failed, [None, open, None, None, None, captured, None, None, None]),
            (Voided, [None, None, None, None, None, captured, None, None, None]),
            (Expired, [None, None, None, None, None, captured, None, None, None]),
            (Unknown, [open, None, failed, None, held, captured, failed, voided, expired]),
        ];
        assert_eq!(table.map(|(state, _)| state).as_slice(), AttemptState::ALL);
        for (state, row) in table {
            for (event, expected) in events.into_iter().zip(row) {
                assert_eq!(state.after(event), expected, "{state:?} after {event:?}");
            }
        }
    }
}
