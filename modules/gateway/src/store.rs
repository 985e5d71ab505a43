//! Rows and statements. Every function joins the caller's transaction.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, OptionalExtension, PgArrayExpressionMethods, QueryDsl, QueryResult, Queryable, Selectable,
    SelectableHelper, result::Error as QueryError,
};
use diesel_async::RunQueryDsl;
use kernel::{Currency, Money, PgConn, request};
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as NoSuchName};
use serde_json::Value;

use crate::{
    chaos::{Chaos, ChaosMode},
    payment::{
        Capture, CaptureId, CaptureMethod, DeliveryId, Payment, PaymentId, PaymentStatus, Refund, RefundId,
        RefundStatus,
    },
    schema::gateway::{captures, chaos, deliveries, payments, refunds, transactions},
};

fn currency(code: &str) -> QueryResult<Currency> {
    Currency::parse(code).map_err(|error| QueryError::DeserializationError(Box::new(error)))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = payments, check_for_backend(diesel::pg::Pg))]
struct PaymentRow {
    id: PaymentId,
    idempotency_key: String,
    token: String,
    amount_minor: i64,
    currency: String,
    reference: String,
    description: String,
    webhook_url: String,
    return_url: Option<String>,
    status: PaymentStatus,
    captured_minor: i64,
    refunded_minor: i64,
    charged_currency: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    capture_method: CaptureMethod,
    authorized_at: Option<DateTime<Utc>>,
    origin: Value,
}

impl TryFrom<PaymentRow> for Payment {
    type Error = QueryError;

    fn try_from(row: PaymentRow) -> QueryResult<Self> {
        Ok(Self {
            id: row.id,
            idempotency_key: row.idempotency_key,
            token: row.token,
            amount_minor: row.amount_minor,
            currency: currency(&row.currency)?,
            reference: row.reference,
            description: row.description,
            webhook_url: row.webhook_url,
            return_url: row.return_url,
            status: row.status,
            captured_minor: row.captured_minor,
            refunded_minor: row.refunded_minor,
            charged_currency: row.charged_currency.as_deref().map(currency).transpose()?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            updated_at: row.updated_at,
            capture_method: row.capture_method,
            authorized_at: row.authorized_at,
            origin: request::Context::from_meta(&row.origin),
        })
    }
}

fn payment(row: Option<PaymentRow>) -> QueryResult<Option<Payment>> {
    row.map(Payment::try_from).transpose()
}

/// Writes a new payment into the book; `false` when its idempotency key is there already.
pub(crate) async fn insert_payment(conn: &mut PgConn, new: &Payment) -> QueryResult<bool> {
    let inserted = diesel::insert_into(payments::table)
        .values((
            payments::id.eq(new.id),
            payments::idempotency_key.eq(&new.idempotency_key),
            payments::token.eq(&new.token),
            payments::amount_minor.eq(new.amount_minor),
            payments::currency.eq(new.currency.code()),
            payments::reference.eq(&new.reference),
            payments::description.eq(&new.description),
            payments::webhook_url.eq(&new.webhook_url),
            payments::return_url.eq(new.return_url.as_deref()),
            payments::capture_method.eq(new.capture_method),
            payments::status.eq(new.status),
            payments::created_at.eq(new.created_at),
            payments::expires_at.eq(new.expires_at),
            payments::updated_at.eq(new.updated_at),
            payments::origin.eq(new.origin.to_meta()),
        ))
        .on_conflict(payments::idempotency_key)
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

pub(crate) async fn find_payment_by_key(conn: &mut PgConn, key: &str) -> QueryResult<Option<Payment>> {
    let found = payments::table.filter(payments::idempotency_key.eq(key)).select(PaymentRow::as_select());
    payment(found.first(conn).await.optional()?)
}

pub(crate) async fn find_payment(conn: &mut PgConn, id: PaymentId) -> QueryResult<Option<Payment>> {
    payment(payments::table.find(id).select(PaymentRow::as_select()).first(conn).await.optional()?)
}

pub(crate) async fn find_payment_by_token(conn: &mut PgConn, token: &str) -> QueryResult<Option<Payment>> {
    let found = payments::table.filter(payments::token.eq(token)).select(PaymentRow::as_select());
    payment(found.first(conn).await.optional()?)
}

/// The payment, locked until the transaction ends.
pub(crate) async fn lock_payment(conn: &mut PgConn, id: PaymentId) -> QueryResult<Option<Payment>> {
    let found = payments::table.find(id).select(PaymentRow::as_select()).for_update();
    payment(found.first(conn).await.optional()?)
}

/// Moves a payment on from where it `was`.
pub(crate) async fn move_payment(conn: &mut PgConn, moved: &Payment, was: PaymentStatus) -> QueryResult<()> {
    let changed = diesel::update(payments::table.find(moved.id).filter(payments::status.eq(was)))
        .set((
            payments::status.eq(moved.status),
            payments::captured_minor.eq(moved.captured_minor),
            payments::charged_currency.eq(moved.charged_currency.map(|currency| currency.code())),
            payments::authorized_at.eq(moved.authorized_at),
            payments::expires_at.eq(moved.expires_at),
            payments::updated_at.eq(moved.updated_at),
        ))
        .execute(conn)
        .await?;
    if changed == 1 { Ok(()) } else { Err(QueryError::NotFound) }
}

/// Adds to what went back of a payment; the CHECK behind it holds the sum within what came in.
pub(crate) async fn add_refunded(
    conn: &mut PgConn,
    id: PaymentId,
    amount_minor: i64,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let changed = diesel::update(payments::table.find(id).filter(payments::status.eq(PaymentStatus::Captured)))
        .set((payments::refunded_minor.eq(payments::refunded_minor + amount_minor), payments::updated_at.eq(at)))
        .execute(conn)
        .await?;
    if changed == 1 { Ok(()) } else { Err(QueryError::NotFound) }
}

/// The pending and the authorised payments whose time is over.
pub(crate) async fn overdue(conn: &mut PgConn, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<PaymentId>> {
    payments::table
        .filter(payments::status.eq_any([PaymentStatus::Pending, PaymentStatus::Authorized]))
        .filter(payments::expires_at.le(now))
        .order(payments::expires_at)
        .limit(limit)
        .select(payments::id)
        .load(conn)
        .await
}

/// The payments that the merchant knows by this name, oldest first.
pub(crate) async fn payments_called(conn: &mut PgConn, reference: &str, limit: i64) -> QueryResult<Vec<Payment>> {
    let rows: Vec<PaymentRow> = payments::table
        .filter(payments::reference.eq(reference))
        .order(payments::id)
        .limit(limit)
        .select(PaymentRow::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Payment::try_from).collect()
}

/// A page of the book, oldest first.
pub(crate) async fn payments_after(
    conn: &mut PgConn,
    after: Option<PaymentId>,
    limit: i64,
) -> QueryResult<Vec<Payment>> {
    let after = after.unwrap_or_else(|| PaymentId::from_uuid(kernel::uuid::Uuid::nil()));
    let rows: Vec<PaymentRow> = payments::table
        .filter(payments::id.gt(after))
        .order(payments::id)
        .limit(limit)
        .select(PaymentRow::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Payment::try_from).collect()
}

kernel::typed_id!(
    /// A line of the gateway's ledger.
    TransactionId
);

/// Appends to the ledger.
pub(crate) async fn record(
    conn: &mut PgConn,
    payment_id: PaymentId,
    refund_id: Option<RefundId>,
    kind: &'static str,
    amount_minor: i64,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(transactions::table)
        .values((
            transactions::id.eq(TransactionId::new()),
            transactions::payment_id.eq(payment_id),
            transactions::refund_id.eq(refund_id),
            transactions::kind.eq(kind),
            transactions::amount_minor.eq(amount_minor),
            transactions::recorded_at.eq(at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = captures, check_for_backend(diesel::pg::Pg))]
struct CaptureRow {
    id: CaptureId,
    payment_id: PaymentId,
    idempotency_key: String,
    amount_minor: i64,
    reference: String,
    created_at: DateTime<Utc>,
}

/// Writes a new capture into the book; `false` when its idempotency key is there already.
pub(crate) async fn insert_capture(conn: &mut PgConn, new: &Capture) -> QueryResult<bool> {
    let inserted = diesel::insert_into(captures::table)
        .values((
            captures::id.eq(new.id),
            captures::payment_id.eq(new.payment_id),
            captures::idempotency_key.eq(&new.idempotency_key),
            captures::amount_minor.eq(new.amount_minor),
            captures::reference.eq(&new.reference),
            captures::created_at.eq(new.created_at),
        ))
        .on_conflict(captures::idempotency_key)
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

pub(crate) async fn find_capture_by_key(conn: &mut PgConn, key: &str) -> QueryResult<Option<Capture>> {
    let found: Option<(CaptureRow, i64, String, Option<String>)> = captures::table
        .inner_join(payments::table)
        .filter(captures::idempotency_key.eq(key))
        .select((CaptureRow::as_select(), payments::captured_minor, payments::currency, payments::charged_currency))
        .first(conn)
        .await
        .optional()?;
    let Some((row, charged_minor, code, charged_code)) = found else { return Ok(None) };
    Ok(Some(Capture {
        id: row.id,
        payment_id: row.payment_id,
        idempotency_key: row.idempotency_key,
        amount_minor: row.amount_minor,
        charged: Money::new(charged_minor, currency(charged_code.as_deref().unwrap_or(&code))?),
        reference: row.reference,
        created_at: row.created_at,
    }))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = refunds, check_for_backend(diesel::pg::Pg))]
struct RefundRow {
    id: RefundId,
    payment_id: PaymentId,
    idempotency_key: String,
    amount_minor: i64,
    reference: String,
    status: RefundStatus,
    reason: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Self {
        Self {
            id: row.id,
            payment_id: row.payment_id,
            idempotency_key: row.idempotency_key,
            amount_minor: row.amount_minor,
            reference: row.reference,
            status: row.status,
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}

/// Writes a new refund into the book; `false` when its idempotency key is there already.
pub(crate) async fn insert_refund(conn: &mut PgConn, new: &Refund) -> QueryResult<bool> {
    let inserted = diesel::insert_into(refunds::table)
        .values((
            refunds::id.eq(new.id),
            refunds::payment_id.eq(new.payment_id),
            refunds::idempotency_key.eq(&new.idempotency_key),
            refunds::amount_minor.eq(new.amount_minor),
            refunds::reference.eq(&new.reference),
            refunds::status.eq(new.status),
            refunds::reason.eq(new.reason.as_deref()),
            refunds::created_at.eq(new.created_at),
        ))
        .on_conflict(refunds::idempotency_key)
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

pub(crate) async fn find_refund_by_key(conn: &mut PgConn, key: &str) -> QueryResult<Option<Refund>> {
    let found: Option<RefundRow> = refunds::table
        .filter(refunds::idempotency_key.eq(key))
        .select(RefundRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(Refund::from))
}

/// The refunds of these payments, oldest first.
pub(crate) async fn refunds_of(conn: &mut PgConn, payments: &[PaymentId]) -> QueryResult<Vec<Refund>> {
    let rows: Vec<RefundRow> = refunds::table
        .filter(refunds::payment_id.eq_any(payments))
        .order(refunds::id)
        .select(RefundRow::as_select())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Refund::from).collect())
}

/// A report to the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub payment_id: PaymentId,
    pub message_id: String,
    pub webhook_url: String,
    pub body: String,
    pub delivered_at: Option<DateTime<Utc>>,
    /// What goes wrong with it.
    pub chaos: Vec<ChaosMode>,
}

pub(crate) async fn insert_delivery(
    conn: &mut PgConn,
    id: DeliveryId,
    kind: &'static str,
    delivery: &Delivery,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(deliveries::table)
        .values((
            deliveries::id.eq(id),
            deliveries::message_id.eq(&delivery.message_id),
            deliveries::payment_id.eq(delivery.payment_id),
            deliveries::kind.eq(kind),
            deliveries::webhook_url.eq(&delivery.webhook_url),
            deliveries::body.eq(&delivery.body),
            deliveries::chaos.eq(delivery.chaos.iter().map(|mode| mode.as_str()).collect::<Vec<_>>()),
            deliveries::created_at.eq(at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

pub(crate) async fn find_delivery(conn: &mut PgConn, id: DeliveryId) -> QueryResult<Option<Delivery>> {
    type Row = (PaymentId, String, String, String, Option<DateTime<Utc>>, Vec<Option<String>>);
    let columns = (
        deliveries::payment_id,
        deliveries::message_id,
        deliveries::webhook_url,
        deliveries::body,
        deliveries::delivered_at,
        deliveries::chaos,
    );
    let row: Option<Row> = deliveries::table.find(id).select(columns).first(conn).await.optional()?;
    let Some((payment_id, message_id, webhook_url, body, delivered_at, chaos)) = row else { return Ok(None) };
    let chaos = chaos.into_iter().flatten().map(|name| named(&name)).collect::<QueryResult<_>>()?;
    Ok(Some(Delivery { payment_id, message_id, webhook_url, body, delivered_at, chaos }))
}

fn named(name: &str) -> QueryResult<ChaosMode> {
    let read: Result<_, NoSuchName> = serde::Deserialize::deserialize(name.into_deserializer());
    read.map_err(|error| QueryError::DeserializationError(Box::new(error)))
}

/// Whether a webhook about the payment is still to be sent; one that never will be does not count.
pub(crate) async fn is_delivery_waiting(conn: &mut PgConn, payment: PaymentId) -> QueryResult<bool> {
    let waiting = deliveries::table
        .filter(deliveries::payment_id.eq(payment))
        .filter(deliveries::delivered_at.is_null())
        .filter(diesel::dsl::not(deliveries::chaos.contains(vec![Some(ChaosMode::Drop.as_str())])));
    diesel::select(diesel::dsl::exists(waiting)).get_result(conn).await
}

/// Whether a later webhook about the payment than this one has arrived.
pub(crate) async fn is_overtaken(conn: &mut PgConn, payment: PaymentId, id: DeliveryId) -> QueryResult<bool> {
    let later = deliveries::table
        .filter(deliveries::payment_id.eq(payment))
        .filter(deliveries::id.gt(id))
        .filter(deliveries::delivered_at.is_not_null());
    diesel::select(diesel::dsl::exists(later)).get_result(conn).await
}

fn from_json<T: DeserializeOwned>(value: serde_json::Value) -> QueryResult<T> {
    serde_json::from_value(value).map_err(|error| QueryError::DeserializationError(Box::new(error)))
}

fn to_json(modes: &Chaos) -> QueryResult<serde_json::Value> {
    serde_json::to_value(modes).map_err(|error| QueryError::SerializationError(Box::new(error)))
}

/// What goes wrong with a payment: its own chaos, or else the whole gateway's.
pub(crate) async fn chaos_of(conn: &mut PgConn, payment: Option<PaymentId>) -> QueryResult<Chaos> {
    if let Some(id) = payment {
        let own = payments::table.find(id).select(payments::chaos_modes);
        let own: Option<Option<serde_json::Value>> = own.first(conn).await.optional()?;
        if let Some(own) = own.flatten() {
            return from_json(own);
        }
    }
    let general: Option<serde_json::Value> = chaos::table.select(chaos::modes).first(conn).await.optional()?;
    general.map_or_else(|| Ok(Chaos::default()), from_json)
}

/// From now on this goes wrong with the whole gateway.
pub(crate) async fn set_chaos(conn: &mut PgConn, modes: &Chaos, at: DateTime<Utc>) -> QueryResult<()> {
    let modes = to_json(modes)?;
    diesel::insert_into(chaos::table)
        .values((chaos::id.eq(true), chaos::modes.eq(&modes), chaos::updated_at.eq(at)))
        .on_conflict(chaos::id)
        .do_update()
        .set((chaos::modes.eq(&modes), chaos::updated_at.eq(at)))
        .execute(conn)
        .await
        .map(drop)
}

/// From now on this goes wrong with a payment, and nothing else; `false` when there is none.
pub(crate) async fn set_payment_chaos(conn: &mut PgConn, id: PaymentId, modes: &Chaos) -> QueryResult<bool> {
    let set = diesel::update(payments::table.find(id)).set(payments::chaos_modes.eq(to_json(modes)?));
    Ok(set.execute(conn).await? == 1)
}

/// Writes down how a sending went: delivered at a time, or why not.
pub(crate) async fn note_sending(
    conn: &mut PgConn,
    id: DeliveryId,
    outcome: &Result<DateTime<Utc>, String>,
) -> QueryResult<()> {
    let (delivered_at, error) = match outcome {
        Ok(at) => (Some(*at), None),
        Err(why) => (None, Some(why.chars().take(500).collect::<String>())),
    };
    diesel::update(deliveries::table.find(id).filter(deliveries::delivered_at.is_null()))
        .set((
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::delivered_at.eq(delivered_at),
            deliveries::last_error.eq(error),
        ))
        .execute(conn)
        .await
        .map(drop)
}
