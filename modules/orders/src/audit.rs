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

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = st::Text)]
    check: String,
    #[diesel(sql_type = st::Text)]
    subject: String,
    #[diesel(sql_type = st::Text)]
    detail: String,
}

/// What every order must be, given its lines, adjustments and history: each table is read once, what is broken is found first
/// and described afterwards.
const OF_EVERY_ORDER: &str = "
    WITH l AS MATERIALIZED (
        SELECT order_id, sum(unit_price_minor * (quantity - cancelled_quantity - returned_quantity))::bigint AS minor,
               sum(quantity - cancelled_quantity) AS active, sum(shipped_quantity) AS shipped, sum(delivered_quantity) AS delivered,
               sum(returned_quantity) AS returned, sum(returning_quantity) AS returning,
               bool_or(quantity - cancelled_quantity - shipped_quantity <> 0) AS holds,
               sum(cancelled_quantity + packed_quantity + shipped_quantity + returning_quantity + returned_quantity + refunded_quantity) AS touched
        FROM orders.lines GROUP BY order_id),
    a AS MATERIALIZED (
        SELECT order_id, sum(CASE side WHEN 'charge' THEN amount_minor ELSE -amount_minor END)::bigint AS minor
        FROM orders.adjustments GROUP BY order_id),
    e AS MATERIALIZED (
        -- The last word about its status: the place in the history and the status in one number.
        SELECT order_id, count(*) AS found, max(seq) AS last,
               max(seq * 8 + CASE kind WHEN 'placed' THEN 1 WHEN 'confirmed' THEN 2 WHEN 'revived' THEN 2 WHEN 'completed' THEN 3
                                       WHEN 'cancelled' THEN 4 WHEN 'expired' THEN 5 END) % 8 AS told,
               coalesce(max(seq * 2 + CASE kind WHEN 'held' THEN 1 WHEN 'released' THEN 0 WHEN 'cancelled' THEN 0 END) % 2, 0) = 1 AS is_held,
               max(CASE kind WHEN 'confirmed' THEN data ->> 'offline_method' END) AS method,
               bool_and(kind IN ('placed', 'payment_started', 'confirmed')) AS is_fresh
        FROM orders.events GROUP BY order_id),
    computed AS (
        SELECT o.id, o.number, o.status, o.payment_status, o.fulfillment_status, o.return_status, o.total_minor, o.last_event,
               l.order_id IS NOT NULL AS has_lines, l.shipped, l.delivered, l.active, l.returned, l.returning,
               coalesce(l.holds, false) AS holds, coalesce(e.found, 0) AS found, coalesce(e.last, 0) AS last,
               greatest(coalesce(l.minor, 0) + coalesce(a.minor, 0), 0) AS total,
               (ARRAY['pending', 'confirmed', 'completed', 'cancelled', 'expired'])[e.told] AS told,
               o.hold_reason, coalesce(e.is_held, false) AS is_held, o.offline_method, e.method,
               -- Nothing has happened to it yet, or something has that its history does not tell.
               coalesce(e.is_fresh, false) AND (l.touched <> 0 OR o.total_minor <> o.original_total_minor
                   OR (o.authorized_minor, o.capturing_minor, o.captured_minor, o.refunding_minor, o.refunded_minor) <> (0, 0, 0, 0, 0)) AS is_touched,
               CASE WHEN o.captured_minor = 0 AND h.held = 0 AND o.payment_status = 'voided' THEN 'voided'
                    WHEN o.captured_minor = 0 AND h.held = 0 THEN 'unpaid'
                    WHEN o.captured_minor = 0 AND h.held < o.total_minor THEN 'partially_authorized'
                    WHEN o.captured_minor = 0 THEN 'authorized'
                    WHEN h.net = 0 THEN 'refunded'
                    WHEN h.net > o.total_minor THEN 'overpaid'
                    WHEN o.refunded_minor > 0 THEN 'partially_refunded'
                    WHEN h.net < o.total_minor THEN 'partially_paid'
                    ELSE 'paid' END AS paid,
               CASE WHEN l.shipped = 0 THEN 'unfulfilled' WHEN l.shipped < l.active THEN 'partially_fulfilled'
                    WHEN l.delivered < l.active THEN 'fulfilled' ELSE 'delivered' END AS sent,
               CASE WHEN l.returned = 0 AND l.returning = 0 THEN 'none' WHEN l.returned = 0 THEN 'requested'
                    WHEN l.returned < l.shipped THEN 'partially_returned' ELSE 'returned' END AS back
        FROM orders.orders o
        CROSS JOIN LATERAL (SELECT o.authorized_minor + o.capturing_minor AS held, o.captured_minor - o.refunded_minor AS net) h
        LEFT JOIN l ON l.order_id = o.id LEFT JOIN a ON a.order_id = o.id LEFT JOIN e ON e.order_id = o.id),
    broken AS MATERIALIZED (
        SELECT * FROM computed
        WHERE total_minor <> total OR NOT has_lines OR payment_status <> paid OR fulfillment_status <> sent OR return_status <> back
           OR (holds AND status IN ('cancelled', 'expired')) OR found <> last_event OR last <> last_event OR status <> told
           OR (hold_reason IS NOT NULL) <> is_held OR offline_method IS DISTINCT FROM method OR is_touched)
    SELECT d.check, 'order ' || b.number AS subject, d.detail FROM broken b CROSS JOIN LATERAL (VALUES
        ('orders.total_equals_lines_and_adjustments', b.total_minor <> b.total,
         format('total %s, computed %s', b.total_minor, b.total)),
        ('orders.every_order_has_lines', NOT b.has_lines, 'it has no lines'),
        ('orders.payment_status_follows_sums', b.payment_status <> b.paid,
         format('payment_status %s, computed %s', b.payment_status, b.paid)),
        ('orders.fulfillment_status_follows_lines', b.has_lines AND b.fulfillment_status <> b.sent,
         format('fulfillment_status %s, shipped %s and delivered %s of %s', b.fulfillment_status, b.shipped, b.delivered, b.active)),
        ('orders.return_status_follows_lines', b.has_lines AND b.return_status <> b.back,
         format('return_status %s, returned %s of %s, announced %s', b.return_status, b.returned, b.shipped, b.returning)),
        ('orders.closed_orders_hold_nothing', b.holds AND b.status IN ('cancelled', 'expired'),
         format('it is %s and not all of it is cancelled', b.status)),
        ('orders.events_have_no_gaps', b.found <> b.last_event OR b.last <> b.last_event,
         format('last event %s, found %s up to %s', b.last_event, b.found, b.last)),
        ('orders.status_is_the_last_one_told', b.status <> b.told,
         format('status %s, its history says %s', b.status, b.told)),
        ('orders.hold_is_as_told', (b.hold_reason IS NOT NULL) <> b.is_held,
         format('hold reason %s, its history says that it is %s', coalesce(b.hold_reason, 'none'), CASE WHEN b.is_held THEN 'held' ELSE 'not held' END)),
        ('orders.offline_method_is_as_told', b.offline_method IS DISTINCT FROM b.method,
         format('offline method %s, its history says %s', coalesce(b.offline_method, 'none'), coalesce(b.method, 'none'))),
        ('orders.events_add_up', b.is_touched, 'sums or quantities have changed, and its history tells of nothing that changes any')
    ) AS d(\"check\", broken, detail) WHERE d.broken ORDER BY b.id LIMIT 1000";

/// The checks that it names; a `Difference` carries a static name.
const NAMES: &[&str] = &[
    "orders.total_equals_lines_and_adjustments",
    "orders.every_order_has_lines",
    "orders.payment_status_follows_sums",
    "orders.fulfillment_status_follows_lines",
    "orders.return_status_follows_lines",
    "orders.closed_orders_hold_nothing",
    "orders.events_have_no_gaps",
    "orders.status_is_the_last_one_told",
    "orders.hold_is_as_told",
    "orders.offline_method_is_as_told",
    "orders.events_add_up",
];

/// Name of the invariant, and a statement that answers the rows that break it. Whole-table aggregates, which the query
/// builder cannot write.
const CHECKS: &[(&str, &str)] = &[
    (
        "orders.every_line_has_its_order",
        "SELECT 'line ' || l.order_id || '/' || l.position AS subject, 'its order is missing' AS detail
         FROM orders.lines l WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = l.order_id)",
    ),
    (
        "orders.placed_as_told",
        "SELECT 'order ' || o.number AS subject,
                format('placed by %s for %s %s; its history says by %s for %s %s', o.customer_id, o.original_total_minor, o.currency,
                       e.actor_id, e.data ->> 'total_minor', e.data ->> 'currency') AS detail
         FROM orders.orders o JOIN orders.events e ON e.order_id = o.id AND e.seq = 1
         WHERE e.data ? 'currency' AND (e.data ->> 'currency' <> o.currency OR e.actor_id IS DISTINCT FROM o.customer_id
             OR (e.data ->> 'total_minor')::bigint <> o.original_total_minor)",
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
        "orders.history_is_a_legal_path",
        // The table of `OrderStatus::after`, as pairs of words of the history.
        "SELECT 'order ' || h.order_id AS subject, format('event %s says %s after %s', h.seq, h.kind, coalesce(h.before, 'nothing')) AS detail
         FROM (SELECT order_id, seq, kind, lag(kind) OVER (PARTITION BY order_id ORDER BY seq) AS before
               FROM orders.events WHERE kind IN ('placed', 'confirmed', 'revived', 'completed', 'cancelled', 'expired')) h
         WHERE (coalesce(h.before, ''), h.kind) NOT IN (
             ('', 'placed'), ('placed', 'confirmed'), ('placed', 'cancelled'), ('placed', 'expired'), ('confirmed', 'completed'),
             ('confirmed', 'cancelled'), ('revived', 'completed'), ('revived', 'cancelled'), ('cancelled', 'revived'), ('expired', 'revived'))",
    ),
    (
        "orders.parcels_are_as_told",
        "SELECT 'parcel ' || coalesce(p.id::text, t.id) AS subject, format('it is %s, its history says %s', p.state, t.told) AS detail
         FROM orders.shipments p
         FULL JOIN (SELECT data ->> 'shipment_id' AS id, string_agg(substr(kind, 10), ', ' ORDER BY seq) AS told
                    FROM orders.events WHERE kind LIKE 'shipment\\_%' GROUP BY 1) t ON t.id = p.id::text
         WHERE (p.state, t.told) NOT IN (
             ('packed', 'packed'), ('shipped', 'packed, shipped'), ('delivered', 'packed, shipped, delivered'),
             ('cancelled', 'packed, cancelled'), ('lost', 'packed, shipped, lost')) OR p.id IS NULL OR t.id IS NULL",
    ),
    (
        "orders.returns_are_as_told",
        "SELECT 'return ' || coalesce(r.id::text, t.id) AS subject, format('it is %s, its history says %s', r.state, t.told) AS detail
         FROM orders.returns r
         FULL JOIN (SELECT data ->> 'return_id' AS id, string_agg(substr(kind, 8), ', ' ORDER BY seq) AS told
                    FROM orders.events WHERE kind LIKE 'return\\_%' GROUP BY 1) t ON t.id = r.id::text
         WHERE r.id IS NULL OR t.id IS NULL OR t.told !~ CASE r.state
             WHEN 'requested' THEN '^requested$' WHEN 'approved' THEN '^requested, approved$' WHEN 'rejected' THEN '^requested, rejected$'
             WHEN 'received' THEN '^requested, approved(, received)+$' WHEN 'closed' THEN '^requested, approved(, received)*, closed$'
             ELSE '^requested(, approved)?, cancelled$' END",
    ),
    (
        "orders.confirmed_orders_are_covered",
        "SELECT 'order ' || o.number AS subject, 'it is confirmed since ' || o.confirmed_at || ' and was never paid' AS detail
         FROM orders.orders o
         WHERE o.status = 'confirmed' AND o.total_minor > 0 AND o.offline_method IS NULL
           AND o.captured_minor + o.authorized_minor + o.capturing_minor = 0
           -- What was held may have been given up, or have run out.
           AND NOT EXISTS (SELECT FROM orders.events e WHERE e.order_id = o.id AND e.kind IN ('payment_voided', 'void_requested', 'payment_failed'))",
    ),
    (
        "orders.pending_orders_expire_and_confirmed_ones_do_not",
        "SELECT 'order ' || o.number AS subject, 'it is ' || o.status || ', expires_at ' || coalesce(o.expires_at::text, 'never') AS detail
         FROM orders.orders o
         WHERE (o.status = 'confirmed' AND o.expires_at IS NOT NULL)
            OR (o.status = 'pending' AND o.expires_at IS NULL)
            OR (o.status IN ('confirmed', 'completed') AND o.confirmed_at IS NULL)
            OR (o.status IN ('cancelled', 'expired', 'completed') AND o.closed_at IS NULL)",
    ),
    (
        "orders.every_event_has_its_order",
        "SELECT 'event ' || e.order_id || '/' || e.seq AS subject, 'its order is missing' AS detail
         FROM orders.events e WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = e.order_id)",
    ),
];

/// Checks everything the module promises about its own tables. None: all is well.
///
/// # Errors
/// What the database said.
pub async fn audit(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let found: Vec<Named> = diesel::sql_query(OF_EVERY_ORDER).load(conn).await?;
    let mut differences: Vec<Difference> = found
        .into_iter()
        .map(|found| {
            let check = NAMES.iter().copied().find(|name| *name == found.check).unwrap_or("orders");
            Difference::new(check, found.subject, found.detail)
        })
        .collect();
    for (check, sql) in CHECKS {
        let found: Vec<Found> = diesel::sql_query(*sql).load(conn).await?;
        differences.extend(found.into_iter().map(|found| Difference::new(check, found.subject, found.detail)));
    }
    Ok(differences)
}
