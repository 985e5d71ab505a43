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
             WHEN o.captured_minor = 0 AND o.authorized_minor + o.capturing_minor = 0 AND o.payment_status = 'voided' THEN 'voided'
             WHEN o.captured_minor = 0 AND o.authorized_minor + o.capturing_minor = 0 THEN 'unpaid'
             WHEN o.captured_minor = 0 AND o.authorized_minor + o.capturing_minor < o.total_minor THEN 'partially_authorized'
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
        "SELECT 'order ' || o.number AS subject,
                'fulfillment_status ' || o.fulfillment_status || ', shipped ' || l.shipped || ' and delivered ' || l.delivered || ' of ' || l.active AS detail
         FROM orders.orders o
         JOIN (SELECT order_id, sum(quantity - cancelled_quantity) AS active, sum(shipped_quantity) AS shipped,
                      sum(delivered_quantity) AS delivered
               FROM orders.lines GROUP BY order_id) l ON l.order_id = o.id
         WHERE o.fulfillment_status <> CASE WHEN l.shipped = 0 THEN 'unfulfilled' WHEN l.shipped < l.active THEN 'partially_fulfilled'
                                            WHEN l.delivered < l.active THEN 'fulfilled' ELSE 'delivered' END",
    ),
    (
        "orders.return_status_follows_lines",
        "SELECT 'order ' || o.number AS subject,
                'return_status ' || o.return_status || ', returned ' || l.returned || ' of ' || l.shipped || ', announced ' || l.returning AS detail
         FROM orders.orders o
         JOIN (SELECT order_id, sum(shipped_quantity) AS shipped, sum(returned_quantity) AS returned,
                      sum(returning_quantity) AS returning
               FROM orders.lines GROUP BY order_id) l ON l.order_id = o.id
         WHERE o.return_status <> CASE WHEN l.returned = 0 AND l.returning = 0 THEN 'none' WHEN l.returned = 0 THEN 'requested'
                                       WHEN l.returned < l.shipped THEN 'partially_returned' ELSE 'returned' END",
    ),
    (
        "orders.lines_equal_shipments",
        "SELECT 'line ' || coalesce(l.order_id, s.order_id) || '/' || coalesce(l.position, s.position) AS subject,
                format('the line says packed %s, shipped %s, delivered %s; its parcels say %s, %s, %s', l.packed_quantity,
                       l.shipped_quantity, l.delivered_quantity, s.packed, s.shipped, s.delivered) AS detail
         FROM orders.lines l
         FULL JOIN (SELECT p.order_id, u.position, sum(u.quantity) FILTER (WHERE p.state = 'packed') AS packed,
                           sum(u.quantity) FILTER (WHERE p.state IN ('shipped', 'delivered')) AS shipped,
                           sum(u.quantity) FILTER (WHERE p.state = 'delivered') AS delivered
                    FROM orders.shipments p JOIN orders.shipment_lines u ON u.shipment_id = p.id
                    GROUP BY p.order_id, u.position) s ON s.order_id = l.order_id AND s.position = l.position
         WHERE (coalesce(l.packed_quantity, -1), l.shipped_quantity, l.delivered_quantity)
               IS DISTINCT FROM (coalesce(s.packed, 0), coalesce(s.shipped, 0), coalesce(s.delivered, 0))",
    ),
    (
        "orders.lines_equal_returns",
        "SELECT 'line ' || coalesce(l.order_id, r.order_id) || '/' || coalesce(l.position, r.position) AS subject,
                format('the line says announced %s, returned %s; its returns say %s, %s', l.returning_quantity,
                       l.returned_quantity, r.returning, r.returned) AS detail
         FROM orders.lines l
         FULL JOIN (SELECT g.order_id, u.position,
                           sum(u.quantity - u.resellable_quantity - u.damaged_quantity)
                               FILTER (WHERE g.state IN ('requested', 'approved', 'received')) AS returning,
                           sum(u.resellable_quantity + u.damaged_quantity) AS returned
                    FROM orders.returns g JOIN orders.return_lines u ON u.return_id = g.id
                    GROUP BY g.order_id, u.position) r ON r.order_id = l.order_id AND r.position = l.position
         WHERE (coalesce(l.returning_quantity, -1), l.returned_quantity)
               IS DISTINCT FROM (coalesce(r.returning, 0), coalesce(r.returned, 0))",
    ),
    (
        "orders.parcels_and_returns_are_one_sellers",
        "SELECT 'parcel or return ' || x.id AS subject, 'line ' || x.position || ' of it is not of business ' || x.business_id AS detail
         FROM (SELECT p.id, p.order_id, p.business_id, u.position FROM orders.shipments p JOIN orders.shipment_lines u ON u.shipment_id = p.id
               UNION ALL
               SELECT g.id, g.order_id, g.business_id, u.position FROM orders.returns g JOIN orders.return_lines u ON u.return_id = g.id) x
         LEFT JOIN orders.lines l ON l.order_id = x.order_id AND l.position = x.position
         WHERE l.business_id IS DISTINCT FROM x.business_id",
    ),
    (
        "orders.events_add_up",
        "SELECT 'order ' || o.number AS subject,
                format('stored %s, its history adds up to %s', stored.sums, told.sums) AS detail
         FROM orders.orders o
         JOIN (SELECT order_id, sum(cancelled_quantity) AS cancelled, sum(packed_quantity) AS packed, sum(shipped_quantity) AS shipped,
                      sum(delivered_quantity) AS delivered, sum(returning_quantity) AS returning, sum(returned_quantity) AS returned,
                      sum(refunded_quantity) AS refunded
               FROM orders.lines GROUP BY order_id) l ON l.order_id = o.id
         JOIN (SELECT e.order_id,
                      sum((e.data #>> '{effects,money,total}')::bigint) AS total, sum((e.data #>> '{effects,money,authorized}')::bigint) AS authorized,
                      sum((e.data #>> '{effects,money,capturing}')::bigint) AS capturing, sum((e.data #>> '{effects,money,captured}')::bigint) AS captured,
                      sum((e.data #>> '{effects,money,refunding}')::bigint) AS refunding, sum((e.data #>> '{effects,money,refunded}')::bigint) AS refunded,
                      sum(x.cancelled) AS lines_cancelled, sum(x.packed) AS lines_packed, sum(x.shipped) AS lines_shipped,
                      sum(x.delivered) AS lines_delivered, sum(x.returning) AS lines_returning, sum(x.returned) AS lines_returned,
                      sum(x.refunded) AS lines_refunded
               FROM orders.events e
               LEFT JOIN LATERAL (
                   SELECT sum((line ->> 'cancelled')::int) AS cancelled, sum((line ->> 'packed')::int) AS packed, sum((line ->> 'shipped')::int) AS shipped,
                          sum((line ->> 'delivered')::int) AS delivered, sum((line ->> 'returning')::int) AS returning,
                          sum((line ->> 'returned')::int) AS returned, sum((line ->> 'refunded')::int) AS refunded
                   FROM jsonb_array_elements(e.data #> '{effects,lines}') AS line) x ON true
               WHERE e.data ? 'effects' GROUP BY e.order_id) t ON t.order_id = o.id
         CROSS JOIN LATERAL (SELECT ARRAY[o.total_minor - o.original_total_minor, o.authorized_minor, o.capturing_minor, o.captured_minor,
             o.refunding_minor, o.refunded_minor, l.cancelled, l.packed, l.shipped, l.delivered, l.returning, l.returned, l.refunded]::numeric[] AS sums) stored
         CROSS JOIN LATERAL (SELECT ARRAY[coalesce(t.total, 0), coalesce(t.authorized, 0), coalesce(t.capturing, 0), coalesce(t.captured, 0),
             coalesce(t.refunding, 0), coalesce(t.refunded, 0), coalesce(t.lines_cancelled, 0), coalesce(t.lines_packed, 0),
             coalesce(t.lines_shipped, 0), coalesce(t.lines_delivered, 0), coalesce(t.lines_returning, 0), coalesce(t.lines_returned, 0),
             coalesce(t.lines_refunded, 0)]::numeric[] AS sums) told
         WHERE stored.sums <> told.sums
           -- Before histories told their effects there were none to add up.
           AND NOT EXISTS (SELECT FROM orders.events e WHERE e.order_id = o.id AND NOT e.data ? 'effects'
                           AND e.kind IN ('payment_captured', 'refunded', 'expired'))",
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
         WHERE o.status = 'confirmed' AND o.original_total_minor > 0 AND o.offline_method IS NULL
           AND o.captured_minor + o.authorized_minor + o.capturing_minor = 0
           -- What was held may have been given up, or have run out.
           AND NOT EXISTS (SELECT FROM orders.events e WHERE e.order_id = o.id AND e.kind IN ('payment_voided', 'void_requested', 'payment_failed'))",
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
