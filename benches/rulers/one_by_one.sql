-- Ruler A: an order of three lines with the statements of `oms`, one for each round trip, one order for each transaction.
-- What a perfect client without HTTP, tokens, JSON or rules would reach. :hot = 1 puts the same variant into every order. Orders
-- have ids in the order of time, as those of `oms` have.
\set p1 random(2, 3333)
\if :hot
\set p1 1
\endif
\set p2 random(3334, 6666)
\set p3 random(6667, 10000)
\set c random(1, 100)
\set k random(1, 9000000000000000000)
BEGIN;
SELECT s.variant_id, v.product_id, v.business_id, v.sku, CASE WHEN v.name IS NULL THEN p.name ELSE p.name || ', ' || v.name END, v.unit_price_minor, v.price_minor, p.currency, p.active AND p.deleted_at IS NULL AND v.deleted_at IS NULL, s.on_hand, s.reserved, s.backorder_limit, s.version FROM catalog.stock s JOIN catalog.variants v ON v.id = s.variant_id JOIN catalog.products p ON p.id = v.product_id WHERE s.variant_id = ANY(ARRAY[lpad(to_hex(:p1::int), 32, '0')::uuid, lpad(to_hex(:p2::int), 32, '0')::uuid, lpad(to_hex(:p3::int), 32, '0')::uuid]) ORDER BY s.variant_id FOR UPDATE OF s;
SELECT i.caller_id, i.key, i.fingerprint, i.status, i.body FROM kernel.idempotency_keys i WHERE i.caller_id = lpad(to_hex(:c::int), 32, '0')::uuid AND i.key = 'a-' || :k::bigint;
SELECT nextval('orders.number_seq') AS number \gset
WITH moved AS (UPDATE catalog.stock SET reserved = reserved + 1, version = version + 1 WHERE variant_id = ANY(ARRAY[lpad(to_hex(:p1::int), 32, '0')::uuid, lpad(to_hex(:p2::int), 32, '0')::uuid, lpad(to_hex(:p3::int), 32, '0')::uuid]) RETURNING variant_id, on_hand, reserved, version) INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, version_after, order_id, actor, at) SELECT variant_id, 'reserve', 0, 1, on_hand, reserved, version, lpad(to_hex(:number::bigint), 32, '0')::uuid, lpad(to_hex(:c::int), 32, '0')::uuid, now() FROM moved;
INSERT INTO orders.orders (id, number, customer_id, status, payment_status, fulfillment_status, return_status, currency, total_minor, original_total_minor, ship_to, placed_at, expires_at, updated_at, last_event) VALUES (lpad(to_hex(:number::bigint), 32, '0')::uuid, public.bench_number(:number), lpad(to_hex(:c::int), 32, '0')::uuid, 'pending', 'unpaid', 'unfulfilled', 'none', 'USD', 300, 300, '{"name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "country": "VN"}', now(), now() + interval '30 minutes', now(), 1);
INSERT INTO orders.lines (order_id, position, variant_id, product_id, business_id, sku, name, quantity, list_price_minor, unit_price_minor, total_minor) VALUES (lpad(to_hex(:number::bigint), 32, '0')::uuid, 1, lpad(to_hex(:p1::int), 32, '0')::uuid, lpad(to_hex(:p1::int), 32, '0')::uuid, lpad(to_hex(1), 32, '0')::uuid, 'SKU-' || :p1::int, 'Product ' || :p1::int, 1, 100, 100, 100), (lpad(to_hex(:number::bigint), 32, '0')::uuid, 2, lpad(to_hex(:p2::int), 32, '0')::uuid, lpad(to_hex(:p2::int), 32, '0')::uuid, lpad(to_hex(1), 32, '0')::uuid, 'SKU-' || :p2::int, 'Product ' || :p2::int, 1, 100, 100, 100), (lpad(to_hex(:number::bigint), 32, '0')::uuid, 3, lpad(to_hex(:p3::int), 32, '0')::uuid, lpad(to_hex(:p3::int), 32, '0')::uuid, lpad(to_hex(1), 32, '0')::uuid, 'SKU-' || :p3::int, 'Product ' || :p3::int, 1, 100, 100, 100);
INSERT INTO orders.events (order_id, seq, kind, actor_kind, actor_id, request_id, data, at) VALUES (lpad(to_hex(:number::bigint), 32, '0')::uuid, 1, 'placed', 'customer', lpad(to_hex(:c::int), 32, '0')::uuid, '01a203d1-09cd-779f-9093-1892b88d49ed', '{"total_minor": 300, "currency": "USD", "lines": 3}', now());
INSERT INTO jobs.jobs (queue, kind, args, max_attempts, meta, scheduled_at) VALUES ('bulk', 'orders.send_mail', '{"order_id": "01a203d1-09cd-779f-9093-1892b88d49ed", "mail": "placed", "about": null}', 20, '{"request_id": "01a203d1-09cd-779f-9093-1892b88d49ed", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}', now());
INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, status, body, created_at) VALUES (lpad(to_hex(:c::int), 32, '0')::uuid, 'a-' || :k::bigint, decode(repeat('ab', 32), 'hex'), 201, convert_to('{"id": "' || lpad(to_hex(:number::bigint), 32, '0')::uuid || '", "number": "7K3M-9QXA", "original_total": 300, "rest": "' || repeat('x', 1300) || '"}', 'UTF8'), now()) ON CONFLICT DO NOTHING;
COMMIT;
