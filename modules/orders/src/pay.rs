//! Paying: an attempt is written down, the gateway is asked, the answer is written down.
//!
//! The gateway is called between two transactions, never inside one. The intent (attempt and idempotency key) is committed
//! first, so a repeat after a crash finds the same attempt, asks the gateway under the same key, and ends where the first
//! would have ended.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{
    Caller, Money, OrderId, PgConn,
    db::retrying,
    idempotency::{self, Claim, JsonBytes, StoredAnswer, Ticket},
};
use payments::{Attempt, AttemptId, AttemptState, CaptureMethod, GatewayError, Opened, PaymentView};
use serde_json::json;

use crate::{
    Orders, api::dto::money, change::Change, error::OrderError, event::EventKind, metrics, once::Answer, order::Order,
    paying::minor, status::OrderStatus, store,
};

/// How an order is to be paid.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Through which gateway.
    pub gateway: &'static str,
    /// How much of what is owed; all of it when nothing is said.
    pub amount: Option<Money>,
    /// Whether the money is taken at once, or held until something ships.
    pub capture: CaptureMethod,
}

/// Whether the order takes a payment.
///
/// # Errors
/// [`OrderError::NotPayable`], [`OrderError::NothingDue`].
pub fn may_pay(order: &Order, now: DateTime<Utc>) -> Result<(), OrderError> {
    let is_late = order.expires_at.is_some_and(|at| at <= now);
    match order.status {
        _ if order.hold_reason.is_some() => Err(OrderError::NotPayable("it is on hold")),
        OrderStatus::Pending if is_late => Err(OrderError::NotPayable("its time to pay is over")),
        OrderStatus::Completed => Err(OrderError::NotPayable("it is completed")),
        OrderStatus::Cancelled => Err(OrderError::NotPayable("it was cancelled")),
        OrderStatus::Expired => Err(OrderError::NotPayable("it expired; place a new one")),
        OrderStatus::Pending | OrderStatus::Confirmed if owed(order) <= 0 => Err(OrderError::NothingDue),
        OrderStatus::Pending | OrderStatus::Confirmed => Ok(()),
    }
}

/// What is owed and not held by a gateway.
pub fn owed(order: &Order) -> i64 {
    order.computed_total() - order.sums.kept() - order.sums.held()
}

enum Intent {
    Replay(Answer<PaymentView>),
    Ask { attempt: Box<Attempt>, description: String },
}

/// Begins a payment of what the buyer's order still owes and answers the page to pay on.
///
/// # Errors
/// [`OrderError::NotFound`], [`OrderError::NotPayable`], [`OrderError::NothingDue`], [`OrderError::UnknownGateway`];
/// [`OrderError::GatewayRefused`], after which the same key may try again; [`OrderError::GatewaySilent`], after which the
/// same key resumes where this one stopped.
pub async fn start_payment(
    orders: &Orders,
    caller: Caller,
    id: OrderId,
    terms: &Terms,
    ticket: &Ticket,
) -> Result<Answer<PaymentView>, OrderError> {
    let gateway_name = terms.gateway;
    let gateway = orders
        .gateways
        .get(gateway_name)
        .cloned()
        .ok_or_else(|| OrderError::UnknownGateway(gateway_name.to_owned()))?;
    let intent = retrying(|| async {
        let mut conn = orders.pool.get().await?;
        intend(&mut conn, orders, caller, id, terms, ticket).await
    })
    .await?;
    let (attempt, description) = match intent {
        Intent::Replay(answer) => return Ok(answer),
        Intent::Ask { attempt, description } => (attempt, description),
    };
    let webhook_url = format!("{}/v1/webhooks/payments/{gateway_name}", orders.webhook_url);
    let asked = payments::open_at_gateway(gateway.as_ref(), &attempt, &description, &webhook_url, None).await;
    retrying(|| async {
        let mut conn = orders.pool.get().await?;
        write_down(&mut conn, orders, &attempt, &asked, ticket).await
    })
    .await?
    .map_or_else(
        || match asked {
            Err(GatewayError::Refused(reason)) => Err(OrderError::GatewayRefused(reason)),
            Err(error) => Err(OrderError::GatewaySilent(error.to_string())),
            Ok(_) => Err(OrderError::Inconsistent(format!("attempt {} was opened and has no answer", attempt.id))),
        },
        Ok,
    )
}

async fn intend(
    conn: &mut PgConn,
    orders: &Orders,
    caller: Caller,
    id: OrderId,
    terms: &Terms,
    ticket: &Ticket,
) -> Result<Intent, OrderError> {
    let now = orders.clock.now();
    conn.transaction(async |conn| {
        let order = store::lock(conn, id)
            .await?
            .filter(|order| order.customer_id == caller.user_id)
            .ok_or(OrderError::NotFound)?;
        let description = format!("Order {}", order.number);
        let begun = match idempotency::claim(conn, ticket, now).await? {
            Claim::Stored(answer) => {
                return Ok(Intent::Replay(Answer { body: JsonBytes::from_bytes(answer.body), replayed: true }));
            }
            Claim::OtherRequest => return Err(OrderError::KeyReused),
            Claim::InProgress(Some(attempt)) => payments::resume(conn, AttemptId::from_uuid(attempt), now).await?,
            Claim::Fresh | Claim::InProgress(None) => None,
        };
        // An intent without an answer: a crash, or a sibling that is still asking. What it began is gone on with, also when
        // something else is owed by now.
        if let Some(attempt) = begun {
            if matches!(attempt.state, AttemptState::Created | AttemptState::Unknown) {
                may_pay(&order, now)?;
            }
            return Ok(Intent::Ask { attempt: Box::new(attempt), description });
        }
        may_pay(&order, now)?;
        let owed = owed(&order);
        let due = match terms.amount {
            Some(amount) => minor(&order, amount)?,
            None => owed,
        };
        if due > owed {
            let (asked, left) = (money(due, &order.currency), money(owed, &order.currency));
            return Err(OrderError::PaymentTooLarge { asked, left });
        }
        let amount = money(due, &order.currency);
        let known = payments::list(conn, id).await?;
        let attempt = payments::start(conn, id, terms.gateway, amount, terms.capture, now).await?;
        idempotency::note(conn, ticket, attempt.id.as_uuid()).await?;
        // An open attempt is handed out again; only a new one is news.
        if !known.iter().any(|known| known.id == attempt.id) {
            let mut change = Change::of(order, caller.into(), now);
            change.record(
                EventKind::PaymentStarted,
                json!({ "payment_id": attempt.id, "gateway": terms.gateway, "amount_minor": due }),
            );
            store::carry_out(conn, &mut change).await?;
        }
        Ok(Intent::Ask { attempt: Box::new(attempt), description })
    })
    .await
}

/// Writes down what the gateway said. `None`: it did not open the payment.
async fn write_down(
    conn: &mut PgConn,
    orders: &Orders,
    attempt: &Attempt,
    asked: &Result<Opened, GatewayError>,
    ticket: &Ticket,
) -> Result<Option<Answer<PaymentView>>, OrderError> {
    let now = orders.clock.now();
    conn.transaction(async |conn| {
        store::lock(conn, attempt.order_id).await?;
        match asked {
            Ok(opened) => {
                let attempt = payments::opened(conn, attempt.id, opened, now).await?;
                let body = JsonBytes::of(&PaymentView::from(&attempt));
                match idempotency::claim(conn, ticket, now).await? {
                    // A sibling with the same key was here first: then its bytes are the answer.
                    Claim::Stored(answer) => {
                        return Ok(Some(Answer { body: JsonBytes::from_bytes(answer.body), replayed: true }));
                    }
                    // A sibling was refused and gave the key back, and it belongs to another request now.
                    Claim::OtherRequest => {}
                    Claim::Fresh | Claim::InProgress(_) => {
                        let answer = StoredAnswer { status: 201, body: body.bytes().to_vec() };
                        idempotency::complete(conn, ticket, &answer).await?;
                    }
                }
                Ok(Some(Answer { body, replayed: false }))
            }
            Err(GatewayError::Refused(reason)) => {
                if payments::refused(conn, attempt.id, reason, now).await?.is_some() {
                    metrics::not_opened();
                }
                idempotency::release(conn, ticket).await?;
                Ok(None)
            }
            Err(_) => {
                payments::unanswered(conn, attempt.id, now).await?;
                Ok(None)
            }
        }
    })
    .await
}
