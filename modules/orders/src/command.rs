//! The frame of every command: one transaction in which the order's row is locked, the caller looked at, the idempotency key
//! claimed, the rule applied, and everything it asks for carried out and written down.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{
    Caller, OrderId, PgConn,
    idempotency::{JsonBytes, Ticket},
    metrics,
};
use poem_openapi::types::{ToJSON, Type};

use crate::{
    Orders,
    change::Change,
    error::OrderError,
    once::{self, Answer},
    query,
    returns::ReturnId,
    shipment::ShipmentId,
    store,
    viewer::Viewer,
};

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An order.
    Order(OrderId),
    /// The order of a parcel.
    Shipment(ShipmentId),
    /// The order of a return.
    Return(ReturnId),
}

/// Something that can be done to an order: its rule, and how it is answered.
pub trait Command: Clone + Send + Sync + 'static {
    /// What is answered.
    type View: Type + ToJSON;
    /// The status of the answer.
    const STATUS: i16 = 200;

    /// The rule. It does no I/O: it says what the order becomes and what is asked of stock, money and mail.
    ///
    /// # Errors
    /// Why it cannot be done. Nothing happens then.
    fn apply(&self, change: &mut Change, viewer: &Viewer) -> Result<(), OrderError>;

    /// The answer, after everything was carried out.
    ///
    /// # Errors
    /// [`OrderError::Inconsistent`], which would be a mistake of ours.
    fn view(&self, change: &Change, viewer: &Viewer) -> Result<Self::View, OrderError>;
}

/// Runs a command. Without a ticket it is a dry run: everything is done, answered, and rolled back.
///
/// # Errors
/// What the command said; [`OrderError::NotFound`] for strangers; what the idempotency key forbids.
pub async fn execute<C: Command>(
    orders: &Orders,
    caller: Caller,
    subject: Subject,
    ticket: Option<Ticket>,
    command: C,
) -> Result<Answer<C::View>, OrderError> {
    let orders = orders.clone();
    kernel::run(move || {
        let (orders, ticket, command) = (orders.clone(), ticket.clone(), command.clone());
        async move {
            let mut conn = orders.pool.get().await?;
            in_transaction(&mut conn, caller, subject, ticket.as_ref(), &command, orders.clock.now()).await
        }
    })
    .await
}

async fn in_transaction<C: Command>(
    conn: &mut PgConn,
    caller: Caller,
    subject: Subject,
    ticket: Option<&Ticket>,
    command: &C,
    at: DateTime<Utc>,
) -> Result<Answer<C::View>, OrderError> {
    let outcome = conn
        .transaction(async |conn| {
            let id = store::order_of(conn, subject).await?;
            let order = store::lock(conn, id).await?.ok_or(OrderError::NotFound)?;
            let viewer = query::viewer(conn, &order, caller).await?;
            // The order's row is what repeats of a command wait for. The key itself is claimed last, behind payments and
            // stock, because placing locks stock before it claims.
            if let Some(ticket) = ticket
                && let Some(answer) = once::stored(conn, ticket).await?
            {
                return Ok(answer);
            }
            let mut change = Change::of(order, viewer.actor(), at);
            command.apply(&mut change, &viewer)?;
            store::carry_out(conn, &mut change).await?;
            let view = command.view(&change, &viewer)?;
            match ticket {
                Some(ticket) => match once::claimed::<C::View>(conn, ticket, at).await? {
                    None => once::completed(conn, ticket, C::STATUS, &view).await,
                    // Somebody used the key for something else meanwhile.
                    Some(_) => Err(OrderError::KeyReused),
                },
                None => Err(OrderError::DryRun(JsonBytes::of(&view).bytes().to_vec())),
            }
        })
        .await;
    match outcome {
        // The dry run's transaction was real, and is rolled back.
        Err(OrderError::DryRun(body)) => {
            metrics::nothing_was_kept();
            Ok(Answer { body: JsonBytes::from_bytes(body), replayed: false })
        }
        outcome => outcome,
    }
}
