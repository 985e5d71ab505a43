//! What must be true of orders by themselves; what must be true between modules is checked by `oms audit`.

use diesel::{QueryResult, QueryableByName, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Difference, PgConn};

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = st::Text)]
    subject: String,
    #[diesel(sql_type = st::Text)]
    detail: String,
}

/// Name of the invariant, and a statement that answers the rows that break it. Whole-table aggregates, which the query
/// builder cannot write.
const CHECKS: &[(&str, &str)] = &[
    (
        "orders.total_equals_lines_and_adjustments",
        "SELECT 'order ' || o.number AS subject, 'total ' || o.total_minor || ', computed ' || c.total AS detail
         FROM orders.orders o
         LEFT JOIN (SELECT order_id, sum(unit_price_minor * (quantity - cancelled_quantity - returned_quantity)) AS minor
                    FROM orders.lines GROUP BY order_id) l ON l.order_id = o.id
         LEFT JOIN (SELECT order_id, sum(CASE side WHEN 'charge' THEN amount_minor ELSE -amount_minor END) AS minor
                    FROM orders.adjustments GROUP BY order_id) a ON a.order_id = o.id
         CROSS JOIN LATERAL (SELECT greatest(coalesce(l.minor, 0) + coalesce(a.minor, 0), 0) AS total) c
         WHERE o.total_minor <> c.total",
    ),
    (
        "orders.every_order_has_lines",
        "SELECT 'order ' || o.number AS subject, 'it has no lines' AS detail
         FROM orders.orders o WHERE NOT EXISTS (SELECT FROM orders.lines l WHERE l.order_id = o.id)",
    ),
    (
        "orders.every_line_has_its_order",
        "SELECT 'line ' || l.order_id || '/' || l.position AS subject, 'its order is missing' AS detail
         FROM orders.lines l WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = l.order_id)",
    ),
    (
        "orders.payment_status_follows_sums",
        "SELECT 'order ' || o.number AS subject, 'payment_status ' || o.payment_status || ', computed ' || c.status AS detail
         FROM orders.orders o
         CROSS JOIN LATERAL (SELECT o.captured_minor - o.refunded_minor AS net) n
         CROSS JOIN LATERAL (SELECT CASE
             WHEN o.captured_minor = 0 AND o.authorized_minor = 0 AND o.payment_status = 'voided' THEN 'voided'
             WHEN o.captured_minor = 0 AND o.authorized_minor = 0 THEN 'unpaid'
             WHEN o.captured_minor = 0 AND o.authorized_minor < o.total_minor THEN 'partially_authorized'
             WHEN o.captured_minor = 0 THEN 'authorized'
             WHEN n.net = 0 THEN 'refunded'
             WHEN n.net > o.total_minor THEN 'overpaid'
             WHEN o.refunded_minor > 0 THEN 'partially_refunded'
             WHEN n.net < o.total_minor THEN 'partially_paid'
             ELSE 'paid' END AS status) c
         WHERE o.payment_status <> c.status",
    ),
    (
        "orders.fulfillment_status_follows_lines",
        "SELECT 'order ' || o.number AS subject, 'fulfillment_status ' || o.fulfillment_status || ', shipped ' || l.shipped || ' of ' || l.active AS detail
         FROM orders.orders o
         JOIN (SELECT order_id, sum(quantity - cancelled_quantity) AS active, sum(shipped_quantity) AS shipped
               FROM orders.lines GROUP BY order_id) l ON l.order_id = o.id
         WHERE (o.fulfillment_status = 'unfulfilled') <> (l.shipped = 0)
            OR (o.fulfillment_status = 'partially_fulfilled') <> (l.shipped > 0 AND l.shipped < l.active)",
    ),
    (
        "orders.closed_orders_hold_nothing",
        "SELECT 'order ' || o.number AS subject, 'it is ' || o.status || ' and line ' || l.position || ' is not cancelled' AS detail
         FROM orders.orders o JOIN orders.lines l ON l.order_id = o.id
         WHERE o.status IN ('cancelled', 'expired') AND l.quantity - l.cancelled_quantity - l.shipped_quantity <> 0",
    ),
    (
        "orders.confirmed_orders_are_covered",
        "SELECT 'order ' || o.number AS subject, 'it is confirmed since ' || o.confirmed_at || ' and was never paid' AS detail
         FROM orders.orders o
         WHERE o.status = 'confirmed' AND o.original_total_minor > 0 AND o.captured_minor + o.authorized_minor = 0",
    ),
    (
        "orders.pending_orders_expire_and_confirmed_ones_do_not",
        "SELECT 'order ' || o.number AS subject, 'it is ' || o.status || ', expires_at ' || coalesce(o.expires_at::text, 'never') AS detail
         FROM orders.orders o
         WHERE (o.status = 'confirmed' AND o.expires_at IS NOT NULL)
            OR (o.status IN ('confirmed', 'completed') AND o.confirmed_at IS NULL)
            OR (o.status IN ('cancelled', 'expired', 'completed') AND o.closed_at IS NULL)",
    ),
    (
        "orders.events_have_no_gaps",
        "SELECT 'order ' || o.number AS subject,
                'last event ' || o.last_event || ', found ' || coalesce(e.found, 0) || ' up to ' || coalesce(e.last, 0) AS detail
         FROM orders.orders o
         LEFT JOIN (SELECT order_id, count(*) AS found, max(seq) AS last FROM orders.events GROUP BY order_id) e ON e.order_id = o.id
         WHERE coalesce(e.found, 0) <> o.last_event OR coalesce(e.last, 0) <> o.last_event",
    ),
    (
        "orders.every_event_has_its_order",
        "SELECT 'event ' || e.order_id || '/' || e.seq AS subject, 'its order is missing' AS detail
         FROM orders.events e WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = e.order_id)",
    ),
    (
        "orders.status_is_the_last_one_told",
        "SELECT 'order ' || o.number AS subject, 'status ' || o.status || ', its history says ' || h.status AS detail
         FROM orders.orders o
         JOIN (SELECT DISTINCT ON (order_id) order_id,
                      CASE kind WHEN 'placed' THEN 'pending' WHEN 'revived' THEN 'confirmed' ELSE kind END AS status
               FROM orders.events WHERE kind IN ('placed', 'confirmed', 'cancelled', 'expired', 'revived', 'completed')
               ORDER BY order_id, seq DESC) h ON h.order_id = o.id
         WHERE o.status <> h.status",
    ),
];

/// Checks everything the module promises about its own tables. None: all is well.
///
/// # Errors
/// What the database said.
pub async fn audit(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let mut differences = Vec::new();
    for (check, sql) in CHECKS {
        let found: Vec<Found> = diesel::sql_query(*sql).load(conn).await?;
        differences.extend(found.into_iter().map(|found| Difference::new(check, found.subject, found.detail)));
    }
    Ok(differences)
}
