//! Rows and statements. Every function joins the caller's transaction.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, Insertable, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl, QueryResult,
    Queryable, Selectable, SelectableHelper, result::Error as QueryError,
};
use diesel_async::RunQueryDsl;
use kernel::{Currency, Money, OrderId, PgConn};

use crate::{
    Attempt, AttemptId, AttemptState, CaptureId, CaptureMethod, EventId, Refund, RefundId, RefundState,
    schema::payments::{attempts, inbox, refunds, transactions},
};

fn money(minor: i64, currency: &str) -> QueryResult<Money> {
    match Currency::parse(currency) {
        Ok(currency) => Ok(Money::new(minor, currency)),
        Err(error) => Err(QueryError::DeserializationError(Box::new(error))),
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = attempts, check_for_backend(diesel::pg::Pg))]
struct AttemptRow {
    id: AttemptId,
    order_id: OrderId,
    gateway: String,
    amount_minor: i64,
    currency: String,
    state: AttemptState,
    reference: Option<String>,
    pay_url: Option<String>,
    captured_minor: i64,
    captured_currency: Option<String>,
    refunded_minor: i64,
    refunding_minor: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    capture_method: CaptureMethod,
    capturing_minor: i64,
    capture_id: Option<CaptureId>,
    voiding: bool,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = QueryError;

    fn try_from(row: AttemptRow) -> QueryResult<Self> {
        Ok(Self {
            id: row.id,
            order_id: row.order_id,
            amount: money(row.amount_minor, &row.currency)?,
            gateway: row.gateway,
            state: row.state,
            reference: row.reference,
            pay_url: row.pay_url,
            captured_minor: row.captured_minor,
            captured_currency: row.captured_currency,
            refunded_minor: row.refunded_minor,
            refunding_minor: row.refunding_minor,
            capture_method: row.capture_method,
            capturing_minor: row.capturing_minor,
            capture_id: row.capture_id,
            voiding: row.voiding,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

pub(crate) async fn insert_attempt(conn: &mut PgConn, attempt: &Attempt) -> QueryResult<()> {
    diesel::insert_into(attempts::table)
        .values((
            attempts::id.eq(attempt.id),
            attempts::order_id.eq(attempt.order_id),
            attempts::gateway.eq(&attempt.gateway),
            attempts::amount_minor.eq(attempt.amount.minor),
            attempts::currency.eq(attempt.amount.currency.code()),
            attempts::state.eq(attempt.state),
            attempts::capture_method.eq(attempt.capture_method),
            attempts::reference.eq(attempt.reference.as_deref()),
            attempts::captured_minor.eq(attempt.captured_minor),
            attempts::captured_currency.eq(attempt.captured_currency.as_deref()),
            attempts::created_at.eq(attempt.created_at),
            attempts::updated_at.eq(attempt.updated_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

pub(crate) async fn find_attempt(conn: &mut PgConn, id: AttemptId) -> QueryResult<Option<Attempt>> {
    let row: Option<AttemptRow> =
        attempts::table.filter(attempts::id.eq(id)).select(AttemptRow::as_select()).first(conn).await.optional()?;
    row.map(Attempt::try_from).transpose()
}

/// The attempt, locked until the transaction ends.
pub(crate) async fn lock_attempt(conn: &mut PgConn, id: AttemptId) -> QueryResult<Option<Attempt>> {
    let row: Option<AttemptRow> = attempts::table
        .filter(attempts::id.eq(id))
        .select(AttemptRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()?;
    row.map(Attempt::try_from).transpose()
}

/// The attempts of an order, oldest first.
pub(crate) async fn attempts_of(conn: &mut PgConn, order_id: OrderId) -> QueryResult<Vec<Attempt>> {
    let rows: Vec<AttemptRow> = attempts::table
        .filter(attempts::order_id.eq(order_id))
        .order(attempts::id)
        .select(AttemptRow::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(Attempt::try_from).collect()
}

/// The attempts of an order in `state`, oldest first, locked until the transaction ends.
pub(crate) async fn lock_in_state(
    conn: &mut PgConn,
    order_id: OrderId,
    state: AttemptState,
) -> QueryResult<Vec<Attempt>> {
    let rows: Vec<AttemptRow> = attempts::table
        .filter(attempts::order_id.eq(order_id))
        .filter(attempts::state.eq(state))
        .order(attempts::id)
        .select(AttemptRow::as_select())
        .for_update()
        .load(conn)
        .await?;
    rows.into_iter().map(Attempt::try_from).collect()
}

pub(crate) async fn order_of_attempt(conn: &mut PgConn, id: AttemptId, gateway: &str) -> QueryResult<Option<OrderId>> {
    attempts::table
        .filter(attempts::id.eq(id))
        .filter(attempts::gateway.eq(gateway))
        .select(attempts::order_id)
        .first(conn)
        .await
        .optional()
}

/// Whether the gateway's payment `reference` is known as that of another attempt than `attempt`.
pub(crate) async fn is_taken(conn: &mut PgConn, attempt: &Attempt, reference: &str) -> QueryResult<bool> {
    if attempt.reference.as_deref() == Some(reference) {
        return Ok(false);
    }
    let others = attempts::table
        .filter(attempts::gateway.eq(&attempt.gateway))
        .filter(attempts::reference.eq(reference))
        .filter(attempts::id.ne(attempt.id));
    diesel::select(diesel::dsl::exists(others)).get_result(conn).await
}

/// Writes back what can change of a locked attempt.
pub(crate) async fn save_attempt(conn: &mut PgConn, attempt: &Attempt) -> QueryResult<()> {
    let saved = diesel::update(attempts::table.filter(attempts::id.eq(attempt.id)))
        .set((
            attempts::state.eq(attempt.state),
            attempts::reference.eq(attempt.reference.as_deref()),
            attempts::pay_url.eq(attempt.pay_url.as_deref()),
            attempts::captured_minor.eq(attempt.captured_minor),
            attempts::captured_currency.eq(attempt.captured_currency.as_deref()),
            attempts::refunded_minor.eq(attempt.refunded_minor),
            attempts::refunding_minor.eq(attempt.refunding_minor),
            attempts::capturing_minor.eq(attempt.capturing_minor),
            attempts::capture_id.eq(attempt.capture_id),
            attempts::voiding.eq(attempt.voiding),
            attempts::updated_at.eq(attempt.updated_at),
        ))
        .execute(conn)
        .await?;
    if saved == 1 { Ok(()) } else { Err(QueryError::NotFound) }
}

/// A line of the append-only ledger.
#[derive(Debug)]
pub(crate) struct NewTransaction<'a> {
    pub attempt_id: AttemptId,
    pub refund_id: Option<RefundId>,
    pub kind: &'static str,
    pub amount_minor: i64,
    pub currency: &'a str,
    pub reference: Option<&'a str>,
    pub event_id: Option<EventId>,
    pub detail: Option<&'a str>,
    pub recorded_at: DateTime<Utc>,
}

kernel::typed_id!(
    /// A line of the ledger.
    TransactionId
);

pub(crate) async fn record(conn: &mut PgConn, line: &NewTransaction<'_>) -> QueryResult<()> {
    diesel::insert_into(transactions::table)
        .values((
            transactions::id.eq(TransactionId::new()),
            transactions::attempt_id.eq(line.attempt_id),
            transactions::refund_id.eq(line.refund_id),
            transactions::kind.eq(line.kind),
            transactions::amount_minor.eq(line.amount_minor),
            transactions::currency.eq(line.currency),
            transactions::reference.eq(line.reference),
            transactions::event_id.eq(line.event_id),
            transactions::detail.eq(line.detail.map(|detail| shorten(detail, 500))),
            transactions::recorded_at.eq(line.recorded_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// At most `max` characters, without the NUL that PostgreSQL cannot keep.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    text.chars().filter(|&letter| letter != '\0').take(max).collect()
}

#[derive(Insertable)]
#[diesel(table_name = refunds)]
struct NewRefundRow<'a> {
    id: RefundId,
    attempt_id: AttemptId,
    order_id: OrderId,
    amount_minor: i64,
    currency: &'a str,
    state: RefundState,
    reason: &'a str,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

pub(crate) async fn insert_refunds(conn: &mut PgConn, new: &[Refund]) -> QueryResult<()> {
    let rows: Vec<_> = new
        .iter()
        .map(|refund| NewRefundRow {
            id: refund.id,
            attempt_id: refund.attempt_id,
            order_id: refund.order_id,
            amount_minor: refund.amount.minor,
            currency: refund.amount.currency.code(),
            state: refund.state,
            reason: &refund.reason,
            created_at: refund.created_at,
            updated_at: refund.updated_at,
        })
        .collect();
    diesel::insert_into(refunds::table).values(&rows).execute(conn).await.map(drop)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = refunds, check_for_backend(diesel::pg::Pg))]
struct RefundRow {
    id: RefundId,
    attempt_id: AttemptId,
    order_id: OrderId,
    amount_minor: i64,
    currency: String,
    state: RefundState,
    reason: String,
    reference: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

type RefundWithPayment = (RefundRow, Option<String>, Option<String>);

fn refund((row, gateway, payment_reference): RefundWithPayment) -> QueryResult<Refund> {
    Ok(Refund {
        id: row.id,
        attempt_id: row.attempt_id,
        order_id: row.order_id,
        amount: money(row.amount_minor, &row.currency)?,
        state: row.state,
        reason: row.reason,
        reference: row.reference,
        gateway: gateway.unwrap_or_default(),
        payment_reference,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

pub(crate) async fn find_refund(conn: &mut PgConn, id: RefundId) -> QueryResult<Option<Refund>> {
    let row: Option<RefundWithPayment> = refunds::table
        .left_join(attempts::table.on(attempts::id.eq(refunds::attempt_id)))
        .filter(refunds::id.eq(id))
        .select((RefundRow::as_select(), attempts::gateway.nullable(), attempts::reference.nullable()))
        .first(conn)
        .await
        .optional()?;
    row.map(refund).transpose()
}

pub(crate) async fn refunds_of(conn: &mut PgConn, order_id: OrderId) -> QueryResult<Vec<Refund>> {
    let rows: Vec<RefundWithPayment> = refunds::table
        .left_join(attempts::table.on(attempts::id.eq(refunds::attempt_id)))
        .filter(refunds::order_id.eq(order_id))
        .order(refunds::id)
        .select((RefundRow::as_select(), attempts::gateway.nullable(), attempts::reference.nullable()))
        .load(conn)
        .await?;
    rows.into_iter().map(refund).collect()
}

/// Writes back what can change of a refund whose attempt is locked.
pub(crate) async fn save_refund(conn: &mut PgConn, refund: &Refund, was: RefundState) -> QueryResult<()> {
    let saved = diesel::update(refunds::table.filter(refunds::id.eq(refund.id)).filter(refunds::state.eq(was)))
        .set((
            refunds::state.eq(refund.state),
            refunds::reference.eq(refund.reference.as_deref()),
            refunds::updated_at.eq(refund.updated_at),
        ))
        .execute(conn)
        .await?;
    if saved == 1 { Ok(()) } else { Err(QueryError::NotFound) }
}

/// Puts a verified webhook into the inbox; `false` when it is there already.
pub(crate) async fn insert_event(
    conn: &mut PgConn,
    id: EventId,
    gateway: &str,
    webhook_id: &str,
    body: &[u8],
    at: DateTime<Utc>,
) -> QueryResult<bool> {
    let inserted = diesel::insert_into(inbox::table)
        .values((
            inbox::id.eq(id),
            inbox::gateway.eq(gateway),
            inbox::webhook_id.eq(webhook_id),
            inbox::body.eq(body),
            inbox::received_at.eq(at),
        ))
        .on_conflict((inbox::gateway, inbox::webhook_id))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

/// A webhook of the inbox.
#[derive(Queryable, Selectable)]
#[diesel(table_name = inbox, check_for_backend(diesel::pg::Pg))]
pub(crate) struct EventRow {
    pub gateway: String,
    pub body: Vec<u8>,
    pub processed_at: Option<DateTime<Utc>>,
}

pub(crate) async fn find_event(conn: &mut PgConn, id: EventId) -> QueryResult<Option<EventRow>> {
    inbox::table.filter(inbox::id.eq(id)).select(EventRow::as_select()).first(conn).await.optional()
}

/// The event, locked until the transaction ends.
pub(crate) async fn lock_event(conn: &mut PgConn, id: EventId) -> QueryResult<Option<EventRow>> {
    inbox::table.filter(inbox::id.eq(id)).select(EventRow::as_select()).for_update().first(conn).await.optional()
}

pub(crate) async fn finish_event(conn: &mut PgConn, id: EventId, outcome: &str, at: DateTime<Utc>) -> QueryResult<()> {
    let finished = diesel::update(inbox::table.filter(inbox::id.eq(id)).filter(inbox::processed_at.is_null()))
        .set((inbox::processed_at.eq(at), inbox::outcome.eq(shorten(outcome, 1000))))
        .execute(conn)
        .await?;
    if finished == 1 { Ok(()) } else { Err(QueryError::NotFound) }
}
