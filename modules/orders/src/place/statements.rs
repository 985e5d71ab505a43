//! The intake's statements: always the same ones, however large the batch.
//!
//! The query builder cannot write many rows with a statement whose text never changes, and only such a statement is
//! prepared once (see `kernel::cached_sql!`): hence `unnest`. Each array has one of its own among what is selected, where
//! PostgreSQL takes a value of each for every row; among the tables it would put every array into a table first, which is
//! more than twice the work.

use chrono::{DateTime, Utc};
use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{OrderId, PgConn, UserId, cached_sql, idempotency::JsonBytes};
use serde_json::Value;

use super::Placement;
use crate::{api::dto::OrderView, event::NewEvent, metrics, order::Order};

cached_sql! {
    Numbers(count: st::Integer = i32) -> st::BigInt,
    "SELECT nextval('orders.number_seq') FROM generate_series(1, $1)"
}
cached_sql! {
    /// Fenced in (OFFSET 0), so that each key is looked up by the index whatever was known of the table when this was planned.
    FindKeys(callers: st::Array<st::Uuid> = Vec<UserId>, keys: st::Array<st::Text> = Vec<&'a str>) -> (st::Uuid, st::Text, st::Binary, st::Nullable<st::Binary>),
    "SELECT i.* FROM (SELECT unnest($1) AS c, unnest($2) AS k) AS x CROSS JOIN LATERAL (SELECT i.caller_id, i.key, i.fingerprint, i.body \
     FROM kernel.idempotency_keys i WHERE i.caller_id = x.c AND i.key = x.k OFFSET 0) i"
}
macro_rules! insert_events {
    () => {
        "INSERT INTO orders.events (order_id, seq, kind, actor_kind, actor_id, request_id, data, at) \
         SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8)"
    };
}
cached_sql! {
    InsertEvents(
        orders: st::Array<st::Uuid> = Vec<OrderId>, seqs: st::Array<st::Integer> = Vec<i32>, kinds: st::Array<st::Text> = Vec<&'static str>,
        actor_kinds: st::Array<st::Text> = Vec<&'static str>, actors: st::Array<st::Nullable<st::Uuid>> = Vec<Option<UserId>>,
        requests: st::Array<st::Nullable<st::Text>> = Vec<Option<&'a str>>, data: st::Array<st::Jsonb> = Vec<&'a Value>,
        at: st::Array<st::Timestamptz> = Vec<DateTime<Utc>>,
    ) -> st::Untyped,
    insert_events!()
}
cached_sql! {
    /// All that is new with an order: its events, itself, its lines, and the answer under its key. One statement, because each one
    /// costs as much as several rows; in which order they are written is PostgreSQL's affair. Keys are sorted, so that two batches
    /// never wait for each other's in a circle.
    Record(
        event_orders: st::Array<st::Uuid> = Vec<OrderId>, seqs: st::Array<st::Integer> = Vec<i32>, kinds: st::Array<st::Text> = Vec<&'static str>,
        actor_kinds: st::Array<st::Text> = Vec<&'static str>, actors: st::Array<st::Nullable<st::Uuid>> = Vec<Option<UserId>>,
        requests: st::Array<st::Nullable<st::Text>> = Vec<Option<&'a str>>, data: st::Array<st::Jsonb> = Vec<&'a Value>,
        happened: st::Array<st::Timestamptz> = Vec<DateTime<Utc>>,

        ids: st::Array<st::Uuid> = Vec<OrderId>, numbers: st::Array<st::Text> = Vec<&'a str>, customers: st::Array<st::Uuid> = Vec<UserId>,
        statuses: st::Array<st::Text> = Vec<&'static str>, currencies: st::Array<st::Text> = Vec<&'a str>, totals: st::Array<st::BigInt> = Vec<i64>,
        ship_to: st::Array<st::Jsonb> = Vec<Value>, notes: st::Array<st::Nullable<st::Text>> = Vec<Option<&'a str>>,
        placed: st::Array<st::Timestamptz> = Vec<DateTime<Utc>>, expires: st::Array<st::Nullable<st::Timestamptz>> = Vec<Option<DateTime<Utc>>>,
        confirmed: st::Array<st::Nullable<st::Timestamptz>> = Vec<Option<DateTime<Utc>>>, last_events: st::Array<st::Integer> = Vec<i32>,

        line_orders: st::Array<st::Uuid> = Vec<OrderId>, positions: st::Array<st::SmallInt> = Vec<i16>, variants: st::Array<st::Uuid> = Vec<uuid::Uuid>,
        products: st::Array<st::Uuid> = Vec<uuid::Uuid>, businesses: st::Array<st::Uuid> = Vec<uuid::Uuid>, skus: st::Array<st::Text> = Vec<&'a str>,
        names: st::Array<st::Text> = Vec<&'a str>, quantities: st::Array<st::Integer> = Vec<i32>, list_prices: st::Array<st::BigInt> = Vec<i64>,
        unit_prices: st::Array<st::BigInt> = Vec<i64>, line_totals: st::Array<st::BigInt> = Vec<i64>,

        callers: st::Array<st::Uuid> = Vec<UserId>, keys: st::Array<st::Text> = Vec<&'a str>, fingerprints: st::Array<st::Binary> = Vec<&'a [u8]>,
        bodies: st::Array<st::Binary> = Vec<&'a [u8]>, kept: st::Array<st::Timestamptz> = Vec<DateTime<Utc>>,
    ) -> st::Untyped,
    concat!("WITH told AS (", insert_events!(), "), ordered AS ( \
       INSERT INTO orders.orders (id, number, customer_id, status, payment_status, fulfillment_status, return_status, currency, \
         total_minor, original_total_minor, ship_to, note, placed_at, expires_at, confirmed_at, updated_at, last_event) \
       SELECT i, n, c, s, 'unpaid', 'unfulfilled', 'none', u, t, t, a, o, p, e, f, p, l \
       FROM (SELECT unnest($9) AS i, unnest($10) AS n, unnest($11) AS c, unnest($12) AS s, unnest($13) AS u, unnest($14) AS t, \
         unnest($15) AS a, unnest($16) AS o, unnest($17) AS p, unnest($18) AS e, unnest($19) AS f, unnest($20) AS l) AS x), \
     lined AS ( \
       INSERT INTO orders.lines (order_id, position, variant_id, product_id, business_id, sku, name, quantity, \
         list_price_minor, unit_price_minor, total_minor) \
       SELECT unnest($21), unnest($22), unnest($23), unnest($24), unnest($25), unnest($26), unnest($27), unnest($28), \
         unnest($29), unnest($30), unnest($31)) \
     INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, status, body, created_at) \
     SELECT c, k, f, 201, b, a \
     FROM (SELECT unnest($32) AS c, unnest($33) AS k, unnest($34) AS f, unnest($35) AS b, unnest($36) AS a) AS x ORDER BY c, k")
}

/// Numbers that are taken from the sequence at once. Those that nobody gets are gaps, and gaps are fine.
const NUMBERS: usize = 256;

/// Takes numbers unless there are `wanted` at least: usually there are, and nothing is asked.
pub async fn take_numbers(conn: &PgConn, numbers: &mut Vec<i64>, wanted: usize) -> QueryResult<()> {
    if numbers.len() < wanted {
        let count = i32::try_from(wanted.max(NUMBERS)).unwrap_or(i32::MAX);
        *numbers = Numbers { count: &count }.load(&mut &*conn).await?;
    }
    Ok(())
}

/// What is stored under a key: its caller, the key, the fingerprint of the request that used it, and its answer if it has one.
pub type StoredKey = (UserId, String, Vec<u8>, Option<Vec<u8>>);

/// What is stored under the keys of these placements. Nothing is claimed: whoever keeps an answer under a key that somebody
/// else has used since is refused by its index. No keys, no flight.
pub async fn find_keys(conn: &PgConn, placements: &[&Placement]) -> QueryResult<Vec<StoredKey>> {
    let tickets = || placements.iter().filter_map(|placement| placement.ticket.as_ref());
    if tickets().next().is_none() {
        return Ok(vec![]);
    }
    FindKeys {
        callers: &tickets().map(|ticket| ticket.caller).collect(),
        keys: &tickets().map(|ticket| ticket.key.as_str()).collect(),
    }
    .load(&mut &*conn)
    .await
}

/// Writes orders with their lines and events, and the answers under the keys of their placements. Joins the caller's
/// transaction.
pub async fn record(
    conn: &PgConn,
    placements: &[&Placement],
    orders: &[Order],
    events: &[NewEvent],
    answers: &[JsonBytes<OrderView>],
) -> QueryResult<()> {
    let ship_to = orders
        .iter()
        .map(|order| serde_json::to_value(&order.ship_to))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    let lines = || orders.iter().flat_map(|order| order.lines.iter().map(move |line| (order.id, line)));
    let kept = || {
        let all = placements.iter().zip(answers);
        all.filter_map(|(placement, answer)| Some((placement.ticket.as_ref()?, answer, placement.placed_at)))
    };
    events.iter().for_each(|event| metrics::happened(event.kind));
    Record {
        event_orders: &events.iter().map(|event| event.order_id).collect(),
        seqs: &events.iter().map(|event| event.seq).collect(),
        kinds: &events.iter().map(|event| event.kind.as_str()).collect(),
        actor_kinds: &events.iter().map(|event| event.actor.kind.as_str()).collect(),
        actors: &events.iter().map(|event| event.actor.id).collect(),
        requests: &events.iter().map(|event| event.request_id.as_deref()).collect(),
        data: &events.iter().map(|event| &event.data).collect(),
        happened: &events.iter().map(|event| event.at).collect(),

        ids: &orders.iter().map(|order| order.id).collect(),
        numbers: &orders.iter().map(|order| order.number.as_str()).collect(),
        customers: &orders.iter().map(|order| order.customer_id).collect(),
        statuses: &orders.iter().map(|order| order.status.as_str()).collect(),
        currencies: &orders.iter().map(|order| order.currency.as_str()).collect(),
        totals: &orders.iter().map(|order| order.total_minor).collect(),
        ship_to: &ship_to,
        notes: &orders.iter().map(|order| order.note.as_deref()).collect(),
        placed: &orders.iter().map(|order| order.placed_at).collect(),
        expires: &orders.iter().map(|order| order.expires_at).collect(),
        confirmed: &orders.iter().map(|order| order.confirmed_at).collect(),
        last_events: &orders.iter().map(|order| order.last_event).collect(),

        line_orders: &lines().map(|(id, _)| id).collect(),
        positions: &lines().map(|(_, line)| line.position).collect(),
        variants: &lines().map(|(_, line)| line.variant_id.as_uuid()).collect(),
        products: &lines().map(|(_, line)| line.product_id.as_uuid()).collect(),
        businesses: &lines().map(|(_, line)| line.business_id.as_uuid()).collect(),
        skus: &lines().map(|(_, line)| line.sku.as_str()).collect(),
        names: &lines().map(|(_, line)| line.name.as_str()).collect(),
        quantities: &lines().map(|(_, line)| line.quantity).collect(),
        list_prices: &lines().map(|(_, line)| line.list_price_minor).collect(),
        unit_prices: &lines().map(|(_, line)| line.unit_price_minor).collect(),
        line_totals: &lines().map(|(_, line)| line.total_minor).collect(),

        callers: &kept().map(|(ticket, ..)| ticket.caller).collect(),
        keys: &kept().map(|(ticket, ..)| ticket.key.as_str()).collect(),
        fingerprints: &kept().map(|(ticket, ..)| ticket.fingerprint.as_slice()).collect(),
        bodies: &kept().map(|(_, answer, _)| answer.bytes()).collect(),
        kept: &kept().map(|(.., at)| at).collect(),
    }
    .execute(&mut &*conn)
    .await
    .map(drop)
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
        requests: &events.iter().map(|event| event.request_id.as_deref()).collect(),
        data: &events.iter().map(|event| &event.data).collect(),
        at: &events.iter().map(|event| event.at).collect(),
    }
    .execute(&mut &*conn)
    .await
}
