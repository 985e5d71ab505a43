//! One transaction of the intake: two flights over the network, however many placements there are. The first locks and looks
//! up, the second writes everything and commits.

use std::collections::HashMap;

use catalog::stock;
use diesel_async::SimpleAsyncConnection;
use futures_util::future::{join, join4};
use kernel::{
    PgConn, UserId,
    idempotency::JsonBytes,
    job::{self, NewJob},
};
use serde_json::json;

#[cfg(test)]
use super::intake::tests;
use super::{
    Placement,
    decide::{Accepted, Refusal, Shelf},
    statements,
};
use crate::{
    api::dto::OrderView,
    event::{Actor, ActorKind, EventKind, NewEvent},
    jobs::{OrderMail, SendOrderMail},
    metrics,
    number::order_number,
    order::{Line, Order},
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus, Sums},
    viewer::Viewer,
};

/// A connection and what is known of it.
pub(super) struct Warm {
    pub(super) conn: PgConn,
    /// Whether its statements are prepared: a pipelined COMMIT would overtake a cold prepare.
    is_warm: bool,
    /// Numbers for orders that it took and nobody has had yet. They go with it: after a crash the sequence may give them again,
    /// unless something was committed since.
    numbers: Vec<i64>,
}

impl Warm {
    pub(super) fn new(conn: PgConn) -> Self {
        Self { conn, is_warm: false, numbers: Vec::new() }
    }
}

/// What became of a placement in its transaction.
pub(super) enum Outcome {
    Accepted(JsonBytes<OrderView>),
    Refused(Refusal),
    /// Its key had been used: what is stored under it.
    KeyTaken {
        fingerprint: Vec<u8>,
        body: Option<Vec<u8>>,
    },
}

/// Decides and writes.
pub(super) async fn transact(warm: &mut Warm, placements: &[&Placement]) -> diesel::QueryResult<Vec<Outcome>> {
    let Warm { conn, numbers, .. } = &mut *warm;
    let Some(first) = placements.first() else { return Ok(vec![]) };
    #[cfg(test)]
    tests::trip(placements.iter().copied(), "while deciding");
    let mut variants: Vec<_> =
        placements.iter().flat_map(|placement| placement.lines.iter().map(|line| line.variant_id)).collect();
    variants.sort_unstable();
    variants.dedup();

    // First flight.
    let (begun, offers, stored, taken) = join4(
        async { (&mut &*conn).batch_execute("BEGIN").await },
        stock::lock_offers(conn, &variants),
        statements::find_keys(conn, placements),
        statements::take_numbers(conn, numbers, placements.len()),
    )
    .await;
    begun?;
    let mut shelf = Shelf::new(offers?);
    let mut stored: HashMap<(UserId, String), _> =
        stored?.into_iter().map(|(caller, key, fingerprint, body)| ((caller, key), (fingerprint, body))).collect();
    taken?;

    let mut movements = Vec::new();
    let mut accepted = Vec::new();
    let mut outcomes = Vec::with_capacity(placements.len());
    for &placement in placements {
        let ticket = placement.ticket.as_ref().filter(|_| !stored.is_empty());
        if let Some((fingerprint, body)) = ticket.and_then(|ticket| stored.remove(&(ticket.caller, ticket.key.clone())))
        {
            outcomes.push(Some(Outcome::KeyTaken { fingerprint, body }));
            continue;
        }
        match shelf.decide(placement, &mut movements) {
            Ok(order) => {
                accepted.push((placement, order, numbers.pop().unwrap_or_default()));
                outcomes.push(None);
            }
            Err(refusal) => {
                metrics::refused(&refusal);
                outcomes.push(Some(Outcome::Refused(refusal)));
            }
        }
    }

    let answers = if first.dry_run {
        let answers = Batch::of(accepted)?.answers()?;
        kernel::metrics::nothing_was_kept();
        (&mut &*conn).batch_execute("ROLLBACK").await?;
        answers
    } else if accepted.is_empty() {
        // Nothing to keep.
        (&mut &*conn).batch_execute("ROLLBACK").await?;
        vec![]
    } else {
        let answers = write(warm, &movements, accepted).await?;
        metrics::batch_committed(answers.len());
        answers
    };
    let mut answers = answers.into_iter();
    let outcome = |known: Option<Outcome>| {
        let accepted = known.or_else(|| answers.next().map(Outcome::Accepted));
        accepted.ok_or_else(|| diesel::result::Error::QueryBuilderError("an accepted order has no answer".into()))
    };
    outcomes.into_iter().map(outcome).collect()
}

/// What the accepted orders of a batch write besides stock.
struct Batch<'a> {
    placements: Vec<&'a Placement>,
    orders: Vec<Order>,
    events: Vec<NewEvent>,
    jobs: Vec<NewJob>,
}

impl<'a> Batch<'a> {
    fn of(accepted: Vec<(&'a Placement, Accepted, i64)>) -> diesel::QueryResult<Self> {
        let mut batch = Self { placements: vec![], orders: vec![], events: vec![], jobs: vec![] };
        for (placement, accepted, number) in accepted {
            #[cfg(test)]
            tests::trip(std::iter::once(placement), "while writing");
            let order = new_order(placement, accepted, number);
            metrics::placed(&order);
            batch.events.extend(first_events(&order, placement));
            let mail = if order.status == OrderStatus::Confirmed { OrderMail::Confirmed } else { OrderMail::Placed };
            let job = NewJob::new(&SendOrderMail { order_id: order.id, mail, about: None })?;
            batch.jobs.push(job.of_request(&placement.request));
            batch.placements.push(placement);
            batch.orders.push(order);
        }
        Ok(batch)
    }

    /// What the callers are told.
    fn answers(&self) -> diesel::QueryResult<Vec<JsonBytes<OrderView>>> {
        let answer = |order: &Order| {
            JsonBytes::written(&OrderView::of(order, &Viewer::buyer(order.customer_id), order.placed_at))
        };
        let answers = self.orders.iter().map(answer).collect::<Result<_, _>>();
        answers.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))
    }

    /// Writes the orders with all that belongs to them but stock and jobs. Joins the caller's transaction.
    async fn record(&self, conn: &PgConn, answers: &[JsonBytes<OrderView>]) -> diesel::QueryResult<()> {
        statements::record(conn, &self.placements, &self.orders, &self.events, answers).await
    }
}

/// Second flight: every write and COMMIT. A COMMIT after an error is a silent ROLLBACK, so every result is looked at, in the order
/// in which the statements were sent: whatever follows the first failure only says that the transaction is aborted. Answers what the
/// callers are told.
///
/// PostgreSQL is not kept waiting: it moves the stock while orders are put together here, and queues their jobs while their answers
/// are written.
async fn write(
    warm: &mut Warm,
    movements: &[stock::Movement],
    accepted: Vec<(&Placement, Accepted, i64)>,
) -> diesel::QueryResult<Vec<JsonBytes<OrderView>>> {
    let conn = &warm.conn;
    let is_warm = warm.is_warm;
    let rest = async {
        tokio::task::yield_now().await;
        let batch = Batch::of(accepted)?;
        let recorded = async {
            tokio::task::yield_now().await;
            let answers = batch.answers()?;
            if is_warm {
                let (recorded, committed) = join(batch.record(conn, &answers), commit(conn)).await;
                recorded.and(committed)?;
            } else {
                batch.record(conn, &answers).await?;
            }
            Ok(answers)
        };
        let (queued, answers) = join(job::insert(conn, &batch.jobs), recorded).await;
        queued.and(answers)
    };
    let (moved, answers) = join(stock::append(conn, movements), rest).await;
    moved?;
    let answers = answers?;
    if !is_warm {
        commit(conn).await?;
        warm.is_warm = true;
    }
    Ok(answers)
}

async fn commit(conn: &PgConn) -> diesel::QueryResult<()> {
    (&mut &*conn).batch_execute("COMMIT").await
}

/// The order that an accepted placement becomes. An order that costs nothing is confirmed at once.
fn new_order(placement: &Placement, accepted: Accepted, sequence: i64) -> Order {
    let is_free = accepted.total_minor == 0;
    let lines = accepted.lines.into_iter().zip(1..).map(|(line, position)| Line {
        position,
        variant_id: line.variant_id,
        product_id: line.product_id,
        business_id: line.business_id,
        sku: line.sku,
        name: line.name,
        quantity: line.quantity,
        cancelled_quantity: 0,
        packed_quantity: 0,
        shipped_quantity: 0,
        delivered_quantity: 0,
        returning_quantity: 0,
        returned_quantity: 0,
        refunded_quantity: 0,
        list_price_minor: line.list_price_minor,
        unit_price_minor: line.unit_price_minor,
        total_minor: line.total_minor,
    });
    Order {
        id: placement.order_id,
        number: order_number(sequence),
        customer_id: placement.customer,
        status: if is_free { OrderStatus::Confirmed } else { OrderStatus::Pending },
        payment_status: PaymentStatus::Unpaid,
        fulfillment_status: FulfillmentStatus::Unfulfilled,
        return_status: ReturnStatus::None,
        hold_reason: None,
        offline_method: None,
        currency: accepted.currency,
        total_minor: accepted.total_minor,
        original_total_minor: accepted.total_minor,
        sums: Sums::default(),
        ship_to: placement.ship_to.clone(),
        note: placement.note.clone(),
        placed_at: placement.placed_at,
        expires_at: (!is_free).then_some(placement.expires_at),
        confirmed_at: is_free.then_some(placement.placed_at),
        closed_at: None,
        updated_at: placement.placed_at,
        last_event: if is_free { 2 } else { 1 },
        lines: lines.collect(),
        adjustments: vec![],
        tags: vec![],
        shipments: vec![],
        returns: vec![],
    }
}

/// The beginning of its history.
fn first_events(order: &Order, placement: &Placement) -> Vec<NewEvent> {
    let event = |seq, kind, actor, data| NewEvent {
        order_id: order.id,
        seq,
        kind,
        actor,
        request_id: placement.request.request_id.clone(),
        data,
        at: order.placed_at,
    };
    let buyer = Actor { kind: ActorKind::Customer, id: Some(placement.customer) };
    let data = json!({ "total_minor": order.total_minor, "currency": order.currency, "lines": order.lines.len() });
    let mut events = vec![event(1, EventKind::Placed, buyer, data)];
    if order.status == OrderStatus::Confirmed {
        events.push(event(2, EventKind::Confirmed, Actor::SYSTEM, json!({ "because": "nothing to pay" })));
    }
    events
}
