//! A refund: money on its way back through the attempt that it came in by.

use chrono::{DateTime, Utc};
use diesel::{deserialize::FromSqlRow, expression::AsExpression, sql_types::Text};
use kernel::{Money, OrderId};
use poem_openapi::Enum;

use crate::{AttemptId, GatewayError, Refunded, gateway::chain, text_enum::text_enum};

kernel::typed_id!(
    /// A refund.
    RefundId
);

/// Where a refund stands
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, AsExpression, FromSqlRow)]
#[oai(rename_all = "snake_case")]
#[diesel(sql_type = Text)]
pub enum RefundState {
    /// Written down; on its way to the gateway
    Pending,
    /// The money is on its way to the customer
    Succeeded,
    /// The gateway declined
    Failed,
    /// The gateway has been asked and gave no answer; it will be asked again
    Unknown,
}

text_enum!(RefundState { Pending => "pending", Succeeded => "succeeded", Failed => "failed", Unknown => "unknown" });

/// Money on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id; also the idempotency key and the reference that the gateway is given.
    pub id: RefundId,
    /// The attempt by which the money came in.
    pub attempt_id: AttemptId,
    /// The order.
    pub order_id: OrderId,
    /// How much, in the currency that came in.
    pub amount: Money,
    /// Where it stands.
    pub state: RefundState,
    /// Why.
    pub reason: String,
    /// The gateway's name for it, once known.
    pub reference: Option<String>,
    /// The gateway by which the money came in.
    pub gateway: String,
    /// The gateway's name for the payment.
    pub payment_reference: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Refund {
    /// Whether it has its final answer.
    pub const fn is_final(&self) -> bool {
        matches!(self.state, RefundState::Succeeded | RefundState::Failed)
    }
}

/// What the gateway said to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    /// Done.
    Succeeded {
        /// The gateway's name for the refund.
        reference: Option<String>,
    },
    /// Declined, for good.
    Failed {
        /// The gateway's name for the refund, if it has one.
        reference: Option<String>,
        /// Why.
        reason: String,
    },
    /// Nobody knows. Ask again with the same key.
    NoAnswer {
        /// What went wrong on the way.
        why: String,
    },
}

impl From<Result<Refunded, GatewayError>> for RefundOutcome {
    fn from(answer: Result<Refunded, GatewayError>) -> Self {
        match answer {
            Ok(Refunded { reference, failure: None }) => Self::Succeeded { reference: Some(reference) },
            Ok(Refunded { reference, failure: Some(reason) }) => Self::Failed { reference: Some(reference), reason },
            Err(GatewayError::Refused(reason)) => Self::Failed { reference: None, reason },
            Err(GatewayError::NoAnswer(source)) => Self::NoAnswer { why: chain(source.as_ref()) },
        }
    }
}
