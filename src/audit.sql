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
       format('the order says captured %s, refunded %s, and payments say captured %s, refunded %s',
              o.captured_minor, o.refunded_minor, coalesce(p.captured, 0), coalesce(p.refunded, 0))
FROM orders.orders o
LEFT JOIN (
    -- Money in another currency than was asked for is in none of an order's sums.
    SELECT order_id, sum(captured_minor) AS captured, sum(refunded_minor) AS refunded
    FROM payments.attempts WHERE captured_currency = currency GROUP BY order_id
) p ON p.order_id = o.id
WHERE o.captured_minor <> coalesce(p.captured, 0) OR o.refunded_minor <> coalesce(p.refunded, 0);

-- check: audit.payments_have_their_order
SELECT 'attempt ' || a.id, 'there is no order ' || a.order_id
FROM payments.attempts a WHERE NOT EXISTS (SELECT FROM orders.orders o WHERE o.id = a.order_id);

-- check: audit.nothing_is_kept_beyond_the_total
SELECT 'order ' || o.number,
       format('%s more than its total was captured and is not on its way back', o.captured_minor - o.refunded_minor - o.total_minor - p.refunding)
FROM orders.orders o
JOIN (SELECT order_id, sum(refunding_minor) AS refunding FROM payments.attempts WHERE captured_currency = currency GROUP BY order_id) p ON p.order_id = o.id
WHERE o.captured_minor - o.refunded_minor - p.refunding > o.total_minor
  AND NOT EXISTS (SELECT FROM payments.refunds r WHERE r.order_id = o.id AND r.state = 'failed');

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
