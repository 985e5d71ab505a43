-- A sound shop with :orders orders of two lines each. Of every six orders: three confirmed and paid, one pending, one
-- cancelled (every other one after it was paid, and refunded), one expired.
SET session_replication_role = replica;

INSERT INTO accounts.users (id, username, email, password_hash, role, email_verified_at, created_at, updated_at)
SELECT md5('user' || g)::uuid, 'user' || g, 'user' || g || '@example.com',
       '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo', 'customer', now(), now(), now()
FROM generate_series(1, 100) g;

INSERT INTO catalog.businesses (id, name, city, country, created_at, updated_at)
VALUES (md5('business')::uuid, 'The business', 'Hanoi', 'VN', now(), now());
INSERT INTO catalog.members (business_id, user_id, role, added_at)
VALUES (md5('business')::uuid, md5('user1')::uuid, 'owner', now());
INSERT INTO catalog.products (id, business_id, name, currency, from_price_minor, created_at, updated_at)
SELECT md5('product' || g)::uuid, md5('business')::uuid, 'Product ' || g, 'USD', 100 * g, now(), now()
FROM generate_series(1, 50) g;
INSERT INTO catalog.variants (id, product_id, business_id, sku, price_minor, position, created_at, updated_at)
SELECT md5('variant' || g)::uuid, md5('product' || g)::uuid, md5('business')::uuid, 'SKU-' || g, 100 * g, 0, now(), now()
FROM generate_series(1, 50) g;

CREATE TEMP TABLE plan AS
SELECT g AS n, md5('order' || g)::uuid AS id, md5('attempt' || g)::uuid AS attempt_id, md5('refund' || g)::uuid AS refund_id,
       upper(lpad(to_hex(g / 65536), 4, '0') || '-' || lpad(to_hex(g % 65536), 4, '0')) AS number,
       md5('user' || (g % 100 + 1))::uuid AS customer_id,
       g % 50 + 1 AS v1, (g + 7) % 50 + 1 AS v2,
       (ARRAY['confirmed', 'confirmed', 'confirmed', 'pending', 'cancelled', 'expired'])[g % 6 + 1] AS status,
       g % 12 = 4 AS refunded,
       100 * (g % 50 + 1) * 2 + 100 * ((g + 7) % 50 + 1) AS total
FROM generate_series(1, :orders) g;

INSERT INTO orders.orders (id, number, customer_id, status, payment_status, fulfillment_status, return_status, currency,
    total_minor, original_total_minor, captured_minor, refunded_minor, ship_to, placed_at, expires_at, confirmed_at, closed_at,
    updated_at, last_event)
SELECT id, number, customer_id, status,
       CASE WHEN status = 'confirmed' THEN 'paid' WHEN refunded THEN 'refunded' ELSE 'unpaid' END,
       'unfulfilled', 'none', 'USD',
       CASE WHEN status IN ('confirmed', 'pending') THEN total ELSE 0 END, total,
       CASE WHEN status = 'confirmed' OR refunded THEN total ELSE 0 END, CASE WHEN refunded THEN total ELSE 0 END,
       '{"name": "A", "line1": "B", "city": "C", "country": "VN"}', now(),
       CASE WHEN status IN ('pending', 'expired') THEN now() + interval '30 minutes' END,
       CASE WHEN status = 'confirmed' OR refunded THEN now() END,
       CASE WHEN status IN ('cancelled', 'expired') THEN now() END, now(),
       CASE WHEN refunded THEN 6 WHEN status = 'confirmed' THEN 3 WHEN status = 'pending' THEN 1 ELSE 2 END
FROM plan;

INSERT INTO orders.lines (order_id, position, variant_id, product_id, business_id, sku, name, quantity, cancelled_quantity,
    list_price_minor, unit_price_minor, total_minor)
SELECT id, p, md5('variant' || v)::uuid, md5('product' || v)::uuid, md5('business')::uuid, 'SKU-' || v, 'Product ' || v, q,
       CASE WHEN status IN ('cancelled', 'expired') THEN q ELSE 0 END, 100 * v, 100 * v, 100 * v * q
FROM plan, LATERAL (VALUES (1, v1, 2), (2, v2, 1)) AS l(p, v, q);

INSERT INTO orders.events (order_id, seq, kind, actor_kind, data, at)
SELECT id, e.seq, e.kind, 'system', '{}', now()
FROM plan, LATERAL unnest(CASE
    WHEN refunded THEN ARRAY['placed', 'payment_captured', 'confirmed', 'cancelled', 'refund_requested', 'refunded']
    WHEN status = 'confirmed' THEN ARRAY['placed', 'payment_captured', 'confirmed']
    WHEN status = 'pending' THEN ARRAY['placed']
    ELSE ARRAY['placed', status] END) WITH ORDINALITY AS e(kind, seq);

INSERT INTO payments.attempts (id, order_id, gateway, amount_minor, currency, state, reference, pay_url, captured_minor,
    captured_currency, refunded_minor, created_at, updated_at)
SELECT attempt_id, id, 'mock', total, 'USD', 'captured', 'ref-' || n, 'http://127.0.0.1/pay', total, 'USD',
       CASE WHEN refunded THEN total ELSE 0 END, now(), now()
FROM plan WHERE status = 'confirmed' OR refunded;
INSERT INTO payments.refunds (id, attempt_id, order_id, amount_minor, currency, state, reason, created_at, updated_at)
SELECT refund_id, attempt_id, id, total, 'USD', 'succeeded', 'order cancelled', now(), now() FROM plan WHERE refunded;
INSERT INTO payments.transactions (id, attempt_id, kind, amount_minor, currency, recorded_at)
SELECT md5('capture' || n)::uuid, attempt_id, 'capture', total, 'USD', now() FROM plan WHERE status = 'confirmed' OR refunded;
INSERT INTO payments.transactions (id, attempt_id, refund_id, kind, amount_minor, currency, recorded_at)
SELECT md5('refunded' || n)::uuid, attempt_id, refund_id, 'refund', total, 'USD', now() FROM plan WHERE refunded;

-- Stock: goods come in, then every order takes its units, and closed orders give them back.
CREATE TEMP TABLE moves AS
SELECT v, 0 AS n, 0 AS step, 'receive' AS kind, 1000000 AS on_hand_delta, 0 AS reserved_delta, NULL::uuid AS order_id
FROM generate_series(1, 50) v
UNION ALL
SELECT l.v, n, 1, 'reserve', 0, l.q, id FROM plan, LATERAL (VALUES (v1, 2), (v2, 1)) AS l(v, q)
UNION ALL
SELECT l.v, n, 2, 'release', 0, -l.q, id FROM plan, LATERAL (VALUES (v1, 2), (v2, 1)) AS l(v, q)
WHERE status IN ('cancelled', 'expired');

INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after,
    version_after, order_id, at)
SELECT md5('variant' || v)::uuid, kind, on_hand_delta, reserved_delta,
       sum(on_hand_delta) OVER running, sum(reserved_delta) OVER running, row_number() OVER running, order_id, now()
FROM moves WINDOW running AS (PARTITION BY v ORDER BY n, step);
SET session_replication_role = origin;
INSERT INTO catalog.stock (variant_id, on_hand, reserved, version)
SELECT md5('variant' || v)::uuid, sum(on_hand_delta), sum(reserved_delta), count(*) FROM moves GROUP BY v;
