//! What `oms audit` asks of payments: the counters against the ledger, the ledger against the refunds, and nothing left
//! lying in the inbox.

use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Difference, PgConn, cached_sql};

/// Differences of one kind at most; whoever has more than these has enough to begin with.
const AT_MOST: i64 = 1_000;

type Row = (st::Text, st::Text, st::Text);

cached_sql! {
    /// The counters of every attempt against its transactions and its refunds, in one pass over each table. What is
    /// broken is found first and described afterwards: describing a hundred thousand sound rows takes two seconds.
    Counters(limit: st::BigInt = i64) -> Row,
    "WITH ledger AS ( \
         SELECT attempt_id, \
                coalesce(sum(amount_minor) FILTER (WHERE kind = 'capture'), 0) AS captured, \
                coalesce(sum(amount_minor) FILTER (WHERE kind = 'refund'), 0) AS refunded, \
                min(currency) FILTER (WHERE kind = 'capture') AS currency, \
                bool_or(kind = 'void') AS voided, bool_or(kind = 'failure' AND refund_id IS NULL) AS failed \
         FROM payments.transactions GROUP BY attempt_id), \
     promised AS ( \
         SELECT attempt_id, \
                coalesce(sum(amount_minor) FILTER (WHERE state = 'succeeded'), 0) AS succeeded, \
                coalesce(sum(amount_minor) FILTER (WHERE state IN ('pending', 'unknown')), 0) AS open \
         FROM payments.refunds GROUP BY attempt_id), \
     sums AS ( \
         SELECT a.id, a.state, a.captured_minor, a.captured_currency, a.refunded_minor, a.refunding_minor, \
                coalesce(l.captured, 0) AS captured, coalesce(l.refunded, 0) AS refunded, l.currency, \
                CASE WHEN a.state = 'voided' THEN coalesce(l.voided, false) WHEN a.state IN ('failed', 'expired') THEN coalesce(l.failed, false) \
                     WHEN a.state = 'captured' THEN true ELSE NOT coalesce(l.voided, false) END AS is_told, \
                coalesce(p.succeeded, 0) AS succeeded, coalesce(p.open, 0) AS open \
         FROM payments.attempts a LEFT JOIN ledger l ON l.attempt_id = a.id LEFT JOIN promised p ON p.attempt_id = a.id), \
     broken AS MATERIALIZED ( \
         SELECT * FROM sums WHERE captured_minor <> captured OR captured_currency IS DISTINCT FROM currency \
             OR (state = 'captured') <> (captured > 0) OR NOT is_told OR refunded_minor <> refunded OR refunded_minor <> succeeded \
             OR refunding_minor <> open OR refunded + open > captured) \
     SELECT d.name, 'attempt ' || s.id, d.detail FROM broken s CROSS JOIN LATERAL (VALUES \
         ('payments.captured_equals_transactions', s.captured_minor <> s.captured, \
          format('the attempt says %s, its transactions say %s', s.captured_minor, s.captured)), \
         ('payments.captured_currency_equals_transactions', s.captured_currency IS DISTINCT FROM s.currency, \
          format('the attempt says %s, its transactions say %s', s.captured_currency, s.currency)), \
         ('payments.state_equals_transactions', (s.state = 'captured') <> (s.captured > 0), \
          format('the attempt is %s, its transactions captured %s', s.state, s.captured)), \
         ('payments.end_equals_transactions', NOT s.is_told, \
          format('the attempt is %s, its transactions say otherwise', s.state)), \
         ('payments.refunded_equals_transactions', s.refunded_minor <> s.refunded, \
          format('the attempt says %s, its transactions say %s', s.refunded_minor, s.refunded)), \
         ('payments.refunded_equals_refunds', s.refunded_minor <> s.succeeded, \
          format('the attempt says %s, its refunds say %s', s.refunded_minor, s.succeeded)), \
         ('payments.refunding_equals_refunds', s.refunding_minor <> s.open, \
          format('the attempt promises %s, its open refunds add up to %s', s.refunding_minor, s.open)), \
         ('payments.refunds_within_captured', s.refunded + s.open > s.captured, \
          format('%s went back or is promised, %s came in', s.refunded + s.open, s.captured)) \
     ) AS d(name, broken, detail) WHERE d.broken ORDER BY s.id LIMIT $1"
}

cached_sql! {
    /// What is held, and what is under way with it. Few attempts are: whatever is neither held nor says that something is
    /// under way is not looked at twice.
    Holds(limit: st::BigInt = i64) -> Row,
    "SELECT d.name, 'attempt ' || s.id, d.detail FROM payments.attempts s CROSS JOIN LATERAL (VALUES \
         ('payments.authorized_has_transaction', s.state = 'authorized' AND NOT EXISTS ( \
              SELECT FROM payments.transactions t WHERE t.attempt_id = s.id AND t.kind = 'authorization'), \
          'the attempt is authorized; no transaction says that its money was ever held'), \
         ('payments.underway_only_while_authorized', (s.capturing_minor <> 0 OR s.voiding) AND s.state <> 'authorized', \
          format('the attempt is %s; a capture of %s is under way, voiding: %s', s.state, s.capturing_minor, s.voiding)), \
         ('payments.capture_or_void', s.capturing_minor <> 0 AND s.voiding, \
          format('a capture of %s is under way, and a void as well', s.capturing_minor)), \
         ('payments.capturing_within_amount', s.capturing_minor NOT BETWEEN 0 AND s.amount_minor \
              OR (s.capturing_minor > 0 AND s.capture_id IS NULL), \
          format('%s is promised to the capture %s, %s was asked for', s.capturing_minor, s.capture_id, s.amount_minor)) \
     ) AS d(name, broken, detail) \
     WHERE (s.state = 'authorized' OR s.capturing_minor <> 0 OR s.voiding) AND d.broken ORDER BY s.id LIMIT $1"
}

cached_sql! {
    /// Refunds against the attempts they belong to and the transactions that made them.
    Refunds(limit: st::BigInt = i64) -> Row,
    "WITH broken AS MATERIALIZED ( \
         SELECT r.id, r.state, r.order_id, r.attempt_id, a.order_id AS attempts_order, r.amount_minor, r.currency, \
                t.id AS transaction_id, t.amount_minor AS made_minor, t.currency AS made_currency \
         FROM payments.refunds r \
         LEFT JOIN payments.attempts a ON a.id = r.attempt_id \
         LEFT JOIN payments.transactions t ON t.refund_id = r.id AND t.kind = 'refund' \
         WHERE a.order_id IS DISTINCT FROM r.order_id OR (r.state = 'succeeded') <> (t.id IS NOT NULL) \
             OR t.amount_minor <> r.amount_minor OR t.currency <> r.currency) \
     SELECT d.name, 'refund ' || r.id, d.detail FROM broken r CROSS JOIN LATERAL (VALUES \
         ('payments.refund_has_attempt', r.attempts_order IS DISTINCT FROM r.order_id, \
          format('it belongs to order %s; its attempt %s to order %s', r.order_id, r.attempt_id, r.attempts_order)), \
         ('payments.refund_equals_transaction', (r.state = 'succeeded') <> (r.transaction_id IS NOT NULL), \
          format('it is %s; a transaction %s', r.state, \
                 CASE WHEN r.transaction_id IS NULL THEN 'is missing' ELSE 'says it was made' END)), \
         ('payments.refund_equals_transaction', r.made_minor <> r.amount_minor OR r.made_currency <> r.currency, \
          format('it is over %s %s; its transaction says %s %s', r.amount_minor, r.currency, r.made_minor, r.made_currency)) \
     ) AS d(name, broken, detail) WHERE d.broken ORDER BY r.id LIMIT $1"
}

cached_sql! {
    /// Transactions that belong to nothing.
    Orphans(limit: st::BigInt = i64) -> Row,
    "SELECT 'payments.transaction_has_attempt', 'transaction ' || t.id, format('there is no attempt %s', t.attempt_id) \
     FROM payments.transactions t LEFT JOIN payments.attempts a ON a.id = t.attempt_id WHERE a.id IS NULL \
     ORDER BY t.id LIMIT $1"
}

cached_sql! {
    /// Webhooks that nobody settled for ten minutes.
    Inbox(limit: st::BigInt = i64) -> Row,
    "SELECT 'payments.inbox_processed', 'event ' || id, \
            format('received at %s and not settled; look at the jobs payments.settle_payment', received_at) \
     FROM payments.inbox WHERE processed_at IS NULL AND received_at < now() - interval '10 minutes' \
     ORDER BY received_at LIMIT $1"
}

/// The checks a row can name; a `Difference` carries a static name.
const CHECKS: &[&str] = &[
    "payments.captured_equals_transactions",
    "payments.captured_currency_equals_transactions",
    "payments.state_equals_transactions",
    "payments.end_equals_transactions",
    "payments.authorized_has_transaction",
    "payments.underway_only_while_authorized",
    "payments.capture_or_void",
    "payments.capturing_within_amount",
    "payments.refunded_equals_transactions",
    "payments.refunded_equals_refunds",
    "payments.refunding_equals_refunds",
    "payments.refunds_within_captured",
    "payments.refund_has_attempt",
    "payments.refund_equals_transaction",
    "payments.transaction_has_attempt",
    "payments.inbox_processed",
];

/// Every place where payments contradict themselves. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn audit(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let limit = &AT_MOST;
    let mut rows: Vec<(String, String, String)> = Counters { limit }.load(conn).await?;
    rows.extend(Holds { limit }.load::<(String, String, String)>(conn).await?);
    rows.extend(Refunds { limit }.load::<(String, String, String)>(conn).await?);
    rows.extend(Orphans { limit }.load::<(String, String, String)>(conn).await?);
    rows.extend(Inbox { limit }.load::<(String, String, String)>(conn).await?);
    Ok(rows
        .into_iter()
        .map(|(name, subject, detail)| {
            let check = CHECKS.iter().copied().find(|check| *check == name).unwrap_or("payments");
            Difference::new(check, subject, detail)
        })
        .collect())
}
