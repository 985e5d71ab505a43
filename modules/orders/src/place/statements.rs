//! The intake's writes: one statement for each table, whatever the size of the batch.
//!
//! The query builder cannot write many rows with a statement whose text never changes, and only such a statement is
//! prepared once (see `kernel::cached_sql!`): hence `unnest`.

use chrono::{DateTime, Utc};
use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{OrderId, PgConn, UserId, cached_sql};
use serde_json::Value;

use super::Placement;
use crate::{event::NewEvent, metrics, order::Order};

cached_sql! {
    Numbers(count: st::Integer = i32) -> st::BigInt,
    "SELECT nextval('orders.number_seq') FROM generate_series(1, $1)"
}
cached_sql! {
    ClaimKeys(callers: st::Array<st::Uuid> = Vec<UserId>, keys: st::Array<st::Text> = Vec<String>, fingerprints: st::Array<st::Binary> = Vec<Vec<u8>>, at: st::Timestamptz = DateTime<Utc>) -> (st::Uuid, st::Text),
    "INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, created_at) \
     SELECT c, k, f, $4 FROM unnest($1, $2, $3) AS x(c, k, f) ORDER BY c, k ON CONFLICT DO NOTHING RETURNING caller_id, key"
}
cached_sql! {
    FindKeys(callers: st::Array<st::Uuid> = Vec<UserId>, keys: st::Array<st::Text> = Vec<String>) -> (st::Uuid, st::Text, st::Binary, st::Nullable<st::SmallInt>, st::Nullable<st::Binary>),
    "SELECT i.caller_id, i.key, i.fingerprint, i.status, i.body FROM unnest($1, $2) AS x(c, k) \
     JOIN kernel.idempotency_keys i ON i.caller_id = x.c AND i.key = x.k"
}
cached_sql! {
    AnswerKeys(callers: st::Array<st::Uuid> = Vec<UserId>, keys: st::Array<st::Text> = Vec<String>, bodies: st::Array<st::Binary> = Vec<Vec<u8>>) -> st::Untyped,
    "UPDATE kernel.idempotency_keys i SET status = 201, body = x.b FROM unnest($1, $2, $3) AS x(c, k, b) \
     WHERE i.caller_id = x.c AND i.key = x.k"
}
cached_sql! {
    ReleaseKeys(callers: st::Array<st::Uuid> = Vec<UserId>, keys: st::Array<st::Text> = Vec<String>) -> st::Untyped,
    "DELETE FROM kernel.idempotency_keys i USING unnest($1, $2) AS x(c, k) WHERE i.caller_id = x.c AND i.key = x.k"
}
cached_sql! {
    InsertOrders(
        ids: st::Array<st::Uuid> = Vec<OrderId>, numbers: st::Array<st::Text> = Vec<String>, customers: st::Array<st::Uuid> = Vec<UserId>,
        statuses: st::Array<st::Text> = Vec<&'static str>, currencies: st::Array<st::Text> = Vec<String>, totals: st::Array<st::BigInt> = Vec<i64>,
        ship_to: st::Array<st::Jsonb> = Vec<Value>, notes: st::Array<st::Nullable<st::Text>> = Vec<Option<String>>,
        placed: st::Array<st::Timestamptz> = Vec<DateTime<Utc>>, expires: st::Array<st::Nullable<st::Timestamptz>> = Vec<Option<DateTime<Utc>>>,
        confirmed: st::Array<st::Nullable<st::Timestamptz>> = Vec<Option<DateTime<Utc>>>, last_events: st::Array<st::Integer> = Vec<i32>,
    ) -> st::Untyped,
    "INSERT INTO orders.orders (id, number, customer_id, status, payment_status, fulfillment_status, return_status, currency, \
       total_minor, original_total_minor, ship_to, note, placed_at, expires_at, confirmed_at, updated_at, last_event) \
     SELECT i, n, c, s, 'unpaid', 'unfulfilled', 'none', u, t, t, a, o, p, e, f, p, l \
     FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS x(i, n, c, s, u, t, a, o, p, e, f, l)"
}
cached_sql! {
    InsertLines(
        orders: st::Array<st::Uuid> = Vec<OrderId>, positions: st::Array<st::SmallInt> = Vec<i16>, variants: st::Array<st::Uuid> = Vec<uuid::Uuid>,
        products: st::Array<st::Uuid> = Vec<uuid::Uuid>, businesses: st::Array<st::Uuid> = Vec<uuid::Uuid>, skus: st::Array<st::Text> = Vec<String>,
        names: st::Array<st::Text> = Vec<String>, quantities: st::Array<st::Integer> = Vec<i32>, list_prices: st::Array<st::BigInt> = Vec<i64>,
        unit_prices: st::Array<st::BigInt> = Vec<i64>, totals: st::Array<st::BigInt> = Vec<i64>,
    ) -> st::Untyped,
    "INSERT INTO orders.lines (order_id, position, variant_id, product_id, business_id, sku, name, quantity, \
       list_price_minor, unit_price_minor, total_minor) \
     SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
}
cached_sql! {
    InsertEvents(
        orders: st::Array<st::Uuid> = Vec<OrderId>, seqs: st::Array<st::Integer> = Vec<i32>, kinds: st::Array<st::Text> = Vec<&'static str>,
        actor_kinds: st::Array<st::Text> = Vec<&'static str>, actors: st::Array<st::Nullable<st::Uuid>> = Vec<Option<UserId>>,
        requests: st::Array<st::Nullable<st::Text>> = Vec<Option<String>>, data: st::Array<st::Jsonb> = Vec<Value>,
        at: st::Array<st::Timestamptz> = Vec<DateTime<Utc>>,
    ) -> st::Untyped,
    "INSERT INTO orders.events (order_id, seq, kind, actor_kind, actor_id, request_id, data, at) \
     SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"
}

/// Takes `count` fresh sequence numbers. They are not given back when the batch is rolled back; gaps are fine.
pub async fn take_numbers(conn: &PgConn, count: usize) -> QueryResult<Vec<i64>> {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    Numbers { count: &count }.load(&mut &*conn).await
}

/// The keys of a batch, as columns.
#[derive(Debug, Default)]
pub struct Keys {
    callers: Vec<UserId>,
    keys: Vec<String>,
    fingerprints: Vec<Vec<u8>>,
}

impl Keys {
    /// The keys of these placements.
    pub fn of<'a>(placements: impl IntoIterator<Item = &'a Placement>) -> Self {
        let mut columns = Self::default();
        for ticket in placements.into_iter().filter_map(|placement| placement.ticket.as_ref()) {
            columns.callers.push(ticket.caller);
            columns.keys.push(ticket.key.clone());
            columns.fingerprints.push(ticket.fingerprint.clone());
        }
        columns
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Claims them, in order; answers those that were free.
    pub async fn claim(&self, conn: &PgConn, at: DateTime<Utc>) -> QueryResult<Vec<(UserId, String)>> {
        ClaimKeys { callers: &self.callers, keys: &self.keys, fingerprints: &self.fingerprints, at: &at }
            .load(&mut &*conn)
            .await
    }

    /// What is stored under them.
    pub async fn find(
        &self,
        conn: &PgConn,
    ) -> QueryResult<Vec<(UserId, String, Vec<u8>, Option<i16>, Option<Vec<u8>>)>> {
        FindKeys { callers: &self.callers, keys: &self.keys }.load(&mut &*conn).await
    }

    /// Stores an answer under each.
    pub async fn answer(&self, conn: &PgConn, bodies: &Vec<Vec<u8>>) -> QueryResult<usize> {
        AnswerKeys { callers: &self.callers, keys: &self.keys, bodies }.execute(&mut &*conn).await
    }

    /// Gives them back.
    pub async fn release(&self, conn: &PgConn) -> QueryResult<usize> {
        ReleaseKeys { callers: &self.callers, keys: &self.keys }.execute(&mut &*conn).await
    }
}

/// Writes the orders. Joins the caller's transaction.
pub async fn insert_orders(conn: &PgConn, orders: &[Order]) -> QueryResult<usize> {
    let ship_to = orders
        .iter()
        .map(|order| serde_json::to_value(&order.ship_to))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    InsertOrders {
        ids: &orders.iter().map(|order| order.id).collect(),
        numbers: &orders.iter().map(|order| order.number.clone()).collect(),
        customers: &orders.iter().map(|order| order.customer_id).collect(),
        statuses: &orders.iter().map(|order| order.status.as_str()).collect(),
        currencies: &orders.iter().map(|order| order.currency.clone()).collect(),
        totals: &orders.iter().map(|order| order.total_minor).collect(),
        ship_to: &ship_to,
        notes: &orders.iter().map(|order| order.note.clone()).collect(),
        placed: &orders.iter().map(|order| order.placed_at).collect(),
        expires: &orders.iter().map(|order| order.expires_at).collect(),
        confirmed: &orders.iter().map(|order| order.confirmed_at).collect(),
        last_events: &orders.iter().map(|order| order.last_event).collect(),
    }
    .execute(&mut &*conn)
    .await
}

/// Writes the orders' lines. Joins the caller's transaction.
pub async fn insert_lines(conn: &PgConn, orders: &[Order]) -> QueryResult<usize> {
    let lines = || orders.iter().flat_map(|order| order.lines.iter().map(move |line| (order.id, line)));
    InsertLines {
        orders: &lines().map(|(id, _)| id).collect(),
        positions: &lines().map(|(_, line)| line.position).collect(),
        variants: &lines().map(|(_, line)| line.variant_id.as_uuid()).collect(),
        products: &lines().map(|(_, line)| line.product_id.as_uuid()).collect(),
        businesses: &lines().map(|(_, line)| line.business_id.as_uuid()).collect(),
        skus: &lines().map(|(_, line)| line.sku.clone()).collect(),
        names: &lines().map(|(_, line)| line.name.clone()).collect(),
        quantities: &lines().map(|(_, line)| line.quantity).collect(),
        list_prices: &lines().map(|(_, line)| line.list_price_minor).collect(),
        unit_prices: &lines().map(|(_, line)| line.unit_price_minor).collect(),
        totals: &lines().map(|(_, line)| line.total_minor).collect(),
    }
    .execute(&mut &*conn)
    .await
}

/// Appends events. Joins the caller's transaction.
pub async fn insert_events(conn: &PgConn, events: &[NewEvent]) -> QueryResult<usize> {
    events.iter().for_each(|event| metrics::happened(event.kind));
    InsertEvents {
        orders: &events.iter().map(|event| event.order_id).collect(),
        seqs: &events.iter().map(|event| event.seq).collect(),
        kinds: &events.iter().map(|event| event.kind.as_str()).collect(),
        actor_kinds: &events.iter().map(|event| event.actor.kind.as_str()).collect(),
        actors: &events.iter().map(|event| event.actor.id).collect(),
        requests: &events.iter().map(|event| event.request_id.clone()).collect(),
        data: &events.iter().map(|event| event.data.clone()).collect(),
        at: &events.iter().map(|event| event.at).collect(),
    }
    .execute(&mut &*conn)
    .await
}
