-- What must agree between modules: the only SQL of the composition root, and it only reads. Every statement answers
-- (subject, detail) of the rows that break the invariant named above it.

-- check: audit.reserved_equals_open_orders
SELECT 'variant ' || coalesce(s.variant_id, o.variant_id),
       'reserved is ' || coalesce(s.reserved, 0) || ', open orders hold ' || coalesce(o.units, 0)
FROM catalog.stock s
FULL JOIN (
    SELECT l.variant_id, sum(l.quantity - l.cancelled_quantity - l.shipped_quantity) AS units
    FROM orders.lines l JOIN orders.orders o ON o.id = l.order_id
    WHERE o.status IN ('pending', 'confirmed')
    GROUP BY l.variant_id
) o ON o.variant_id = s.variant_id
WHERE coalesce(s.reserved, 0) <> coalesce(o.units, 0);

-- check: audit.reservations_equal_order_lines
SELECT 'order ' || coalesce(m.order_id, l.order_id) || ', variant ' || coalesce(m.variant_id, l.variant_id),
       'its movements hold ' || coalesce(m.units, 0) || ', its lines ' || coalesce(l.units, 0)
FROM (
    SELECT order_id, variant_id, sum(reserved_delta) AS units
    FROM catalog.stock_movements WHERE order_id IS NOT NULL GROUP BY order_id, variant_id
) m
FULL JOIN (
    SELECT l.order_id, l.variant_id,
           sum(CASE WHEN o.status IN ('pending', 'confirmed') THEN l.quantity - l.cancelled_quantity - l.shipped_quantity ELSE 0 END) AS units
    FROM orders.lines l JOIN orders.orders o ON o.id = l.order_id
    GROUP BY l.order_id, l.variant_id
) l ON l.order_id = m.order_id AND l.variant_id = m.variant_id
WHERE coalesce(m.units, 0) <> coalesce(l.units, 0);

-- check: audit.order_sums_equal_payments
SELECT 'order ' || o.number,
       format('the order says authorised %s, capturing %s, captured %s, refunding %s, refunded %s, and payments say %s, %s, %s, %s, %s',
              o.authorized_minor, o.capturing_minor, o.captured_minor, o.refunding_minor, o.refunded_minor,
              coalesce(p.authorized, 0), coalesce(p.capturing, 0), coalesce(p.captured, 0), coalesce(p.refunding, 0), coalesce(p.refunded, 0))
FROM orders.orders o
LEFT JOIN (
    -- Money in another currency than was asked for is in none of an order's sums.
    SELECT order_id,
           sum(amount_minor) FILTER (WHERE state = 'authorized' AND capturing_minor = 0 AND NOT voiding) AS authorized,
           sum(capturing_minor) AS capturing,
           sum(captured_minor) FILTER (WHERE captured_currency = currency) AS captured,
           sum(refunding_minor) FILTER (WHERE captured_currency = currency) AS refunding,
           sum(refunded_minor) FILTER (WHERE captured_currency = currency) AS refunded
    FROM payments.attempts GROUP BY order_id
) p ON p.order_id = o.id
WHERE (o.authorized_minor, o.capturing_minor, o.captured_minor, o.refunding_minor, o.refunded_minor)
   <> (coalesce(p.authorized, 0), coalesce(p.capturing, 0), coalesce(p.captured, 0), coalesce(p.refunding, 0), coalesce(p.refunded, 0));

-- check: audit.voided_orders_have_a_voided_payment
SELECT 'order ' || o.number, format('it is %s, and of its payments %s were given up', o.payment_status, coalesce(p.voided, 0))
FROM orders.orders o
LEFT JOIN (SELECT order_id, count(*) AS voided FROM payments.attempts WHERE state = 'voided' GROUP BY order_id) p ON p.order_id = o.id
WHERE (o.payment_status = 'voided' AND p.voided IS NULL) OR (o.payment_status = 'unpaid' AND p.voided > 0);

-- check: audit.payments_are_in_the_orders_currency
SELECT 'attempt ' || a.id, format('it asks for %s, its order is in %s', a.currency, o.currency)
FROM payments.attempts a JOIN orders.orders o ON o.id = a.order_id WHERE a.currency <> o.currency;

-- check: audit.payments_have_their_order
SELECT 'attempt ' || a.id, 'there is no order ' || a.order_id
FROM payments.attempts a WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = a.order_id);

-- check: audit.nothing_is_kept_beyond_the_total
SELECT 'order ' || o.number,
       -- What came back is refunded by a command of its own and kept until then, and so is what the gateway would not give back.
       format('%s more than its total is kept and is not on its way back, goods for %s came back and refunds of %s were declined',
              o.captured_minor - o.refunded_minor - o.refunding_minor - o.total_minor, l.returned, r.declined)
FROM orders.orders o
CROSS JOIN LATERAL (SELECT sum(unit_price_minor * returned_quantity) AS returned FROM orders.lines WHERE order_id = o.id) l
CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS declined FROM payments.refunds WHERE order_id = o.id AND state = 'failed') r
WHERE o.captured_minor - o.refunded_minor - o.refunding_minor > o.total_minor
  AND o.captured_minor - o.refunded_minor - o.refunding_minor > o.total_minor + l.returned + r.declined;

-- check: audit.shelf_moves_equal_order_lines
SELECT 'order ' || coalesce(m.order_id, l.order_id) || ', variant ' || coalesce(m.variant_id, l.variant_id),
       format('its movements took %s off the shelf and brought %s back, and its parcels say %s, its returns %s',
              coalesce(m.gone, 0), coalesce(m.back, 0), coalesce(l.gone, 0), coalesce(l.back, 0))
FROM (
    SELECT order_id, variant_id, -sum(on_hand_delta) FILTER (WHERE kind = 'ship') AS gone, sum(on_hand_delta) FILTER (WHERE kind = 'return') AS back
    FROM catalog.stock_movements WHERE order_id IS NOT NULL AND kind IN ('ship', 'return') GROUP BY order_id, variant_id
) m
FULL JOIN (
    SELECT l.order_id, l.variant_id, sum(u.gone) AS gone, sum(u.back) AS back
    FROM orders.lines l
    JOIN (
        SELECT p.order_id, s.position, s.quantity AS gone, 0 AS back
        FROM orders.shipments p JOIN orders.shipment_lines s ON s.shipment_id = p.id WHERE p.shipped_at IS NOT NULL
        UNION ALL
        SELECT g.order_id, r.position, 0, r.resellable_quantity
        FROM orders.returns g JOIN orders.return_lines r ON r.return_id = g.id
    ) u ON u.order_id = l.order_id AND u.position = l.position
    GROUP BY l.order_id, l.variant_id
) l ON l.order_id = m.order_id AND l.variant_id = m.variant_id
WHERE coalesce(m.gone, 0) <> coalesce(l.gone, 0) OR coalesce(m.back, 0) <> coalesce(l.back, 0);

-- check: audit.customers_exist
SELECT 'order ' || o.number, 'there is no user ' || o.customer_id
FROM orders.orders o WHERE NOT EXISTS (SELECT FROM accounts.users u WHERE u.id = o.customer_id);

-- check: audit.ordered_variants_exist
SELECT 'order line ' || l.order_id || '/' || l.position, 'there is no variant ' || l.variant_id
FROM orders.lines l WHERE NOT EXISTS (SELECT FROM catalog.variants v WHERE v.id = l.variant_id AND v.business_id = l.business_id);

-- check: audit.members_exist
SELECT 'business ' || m.business_id, 'there is no user ' || m.user_id
FROM catalog.members m WHERE NOT EXISTS (SELECT FROM accounts.users u WHERE u.id = m.user_id);

-- check: audit.open_refunds_have_a_job
SELECT 'refund ' || r.id, 'it is ' || r.state || ' and no job is going to send it'
FROM payments.refunds r
WHERE r.state IN ('pending', 'unknown')
  AND NOT EXISTS (
      SELECT FROM jobs.jobs j
      WHERE j.kind = 'payments.send_refund' AND j.state IN ('new', 'retried', 'in_progress') AND j.args ->> 'refund_id' = r.id::text);

-- check: audit.open_captures_and_voids_have_a_job
SELECT 'attempt ' || a.id, CASE WHEN a.voiding THEN 'it is to be voided' ELSE 'it is to be captured' END || ' and no job is going to see to it'
FROM payments.attempts a
WHERE (a.capturing_minor > 0 OR a.voiding) AND a.state = 'authorized'
  AND NOT EXISTS (
      SELECT FROM jobs.jobs j
      WHERE j.kind IN ('payments.send_capture', 'payments.send_void') AND j.state IN ('new', 'retried', 'in_progress')
        AND j.args ->> 'attempt_id' = a.id::text);

-- check: audit.open_webhooks_have_a_job
SELECT 'event ' || i.id, 'it is not settled and no job is going to settle it'
FROM payments.inbox i
WHERE i.processed_at IS NULL
  AND NOT EXISTS (
      SELECT FROM jobs.jobs j
      WHERE j.kind = 'payments.settle_payment' AND j.state IN ('new', 'retried', 'in_progress') AND j.args ->> 'event_id' = i.id::text);

-- check: audit.answers_have_their_order
SELECT 'idempotency key ' || k.key || ' of ' || k.caller_id, 'its answer names an order that does not exist'
FROM kernel.idempotency_keys k
CROSS JOIN LATERAL (SELECT convert_from(k.body, 'UTF8')::jsonb AS body) a
WHERE k.status = 201 AND a.body ? 'number' AND a.body ? 'original_total'
  AND NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = (a.body ->> 'id')::uuid AND o.customer_id = k.caller_id);

-- check: audit.answers_have_their_effect
SELECT 'idempotency key ' || k.key || ' of ' || k.caller_id, 'its answer names a parcel, a return or a payment that does not exist'
FROM kernel.idempotency_keys k
CROSS JOIN LATERAL (SELECT convert_from(k.body, 'UTF8')::jsonb AS body) a
WHERE k.status IN (200, 201)
  AND ((a.body ? 'shipment' AND NOT EXISTS (SELECT FROM orders.shipments p WHERE p.id = (a.body #>> '{shipment,id}')::uuid))
    OR (a.body ? 'return' AND NOT EXISTS (SELECT FROM orders.returns r WHERE r.id = (a.body #>> '{return,id}')::uuid))
    OR (a.body ? 'pay_url' AND NOT EXISTS (SELECT FROM payments.attempts p WHERE p.id = (a.body ->> 'id')::uuid)));
