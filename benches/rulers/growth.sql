-- :orders orders of a year in the shop of shop.sql, as placing and expiring would have left them: of every five, three have expired and two
-- cost nothing and are confirmed; the newest two hundred are pending. Three of five are of the hundred buyers of the shop, the others of
-- 1,900 more. User 2001 is an operator. Each order has a finished job.
SET session_replication_role = replica;
SET work_mem = '512MB';
SET maintenance_work_mem = '512MB';
SET synchronous_commit = off;

INSERT INTO accounts.users (id, username, email, password_hash, role, email_verified_at, created_at, updated_at)
SELECT lpad(to_hex(g), 32, '0')::uuid, 'buyer' || g, 'buyer' || g || '@example.com',
       '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo', CASE g WHEN 2001 THEN 'operator' ELSE 'customer' END,
       now(), now(), now()
FROM generate_series(101, 2001) g;

-- What is decided by chance is decided by a hash, so that every run has the same orders.
CREATE UNLOGGED TABLE public.bench_plan AS
SELECT g, at, status, total,
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(g & 4095), 3, '0') || '8'
           || lpad(to_hex(g), 15, '0'))::uuid AS id,
       lpad(to_hex(CASE WHEN g % 5 IN (0, 2, 3) THEN 1 + a % 100 ELSE 101 + a % 1900 END), 32, '0')::uuid AS buyer,
       ARRAY[2 + a % 3331, 3334 + b % 3333, 6667 + c % 3334]::int[] AS variants,
       jsonb_build_object(
           'name', (ARRAY['Alice', 'Binh', 'Chi', 'Dung', 'Emma', 'Felix', 'Giang', 'Hanna', 'Ivan', 'Julia', 'Khanh', 'Linh', 'Mai',
               'Nam', 'Olga', 'Paul', 'Quynh', 'Rosa', 'Son', 'Thao', 'Uwe', 'Vera', 'Wanda', 'Xuan', 'Yen'])[1 + b % 25]
               || ' ' || (ARRAY['Nguyen', 'Tran', 'Le', 'Pham', 'Hoang', 'Phan', 'Vu', 'Dang', 'Bui', 'Do'])[1 + c % 10] || a % 2000,
           'line1', 1 + b % 300 || ' Hang Bac',
           'city', (ARRAY['Hanoi', 'Hue', 'Danang', 'Saigon', 'Dalat', 'Vinh', 'Haiphong', 'Cantho', 'Berlin', 'Paris', 'Lisbon', 'Oslo', 'Rome',
               'Vienna', 'Prague', 'Madrid', 'Dublin', 'Athens', 'Warsaw', 'Zurich'])[1 + c % 20],
           'country', 'VN') AS ship_to
FROM generate_series(1, :orders) g
CROSS JOIN LATERAL (SELECT hashint8extended(g, 1) & 2147483647 AS a, hashint8extended(g, 2) & 2147483647 AS b,
                           hashint8extended(g, 3) & 2147483647 AS c) chance
CROSS JOIN LATERAL (SELECT CASE WHEN g > :orders - 200 THEN 'pending' WHEN g % 5 < 3 THEN 'expired' ELSE 'confirmed' END AS status,
                           date_trunc('milliseconds', now() - interval '1 hour' - interval '365 days' * ((:orders - g)::float8 / :orders)) AS at) d
CROSS JOIN LATERAL (SELECT CASE status WHEN 'confirmed' THEN 0 ELSE 300 END AS total) t;

INSERT INTO orders.orders (id, number, customer_id, status, payment_status, fulfillment_status, return_status, currency, total_minor,
    original_total_minor, ship_to, placed_at, expires_at, confirmed_at, closed_at, updated_at, last_event)
SELECT id, public.bench_number(g), buyer, status, 'unpaid', 'unfulfilled', 'none', 'USD', CASE status WHEN 'pending' THEN 300 ELSE 0 END, total,
       ship_to, at, CASE status WHEN 'pending' THEN now() + interval '1 day' WHEN 'expired' THEN at + interval '30 minutes' END,
       CASE status WHEN 'confirmed' THEN at END, CASE status WHEN 'expired' THEN at + interval '30 minutes' END, at,
       CASE status WHEN 'pending' THEN 1 ELSE 2 END
FROM public.bench_plan ORDER BY g;
SELECT setval('orders.number_seq', :orders + 1);

INSERT INTO orders.lines (order_id, position, variant_id, product_id, business_id, sku, name, quantity, cancelled_quantity, list_price_minor,
    unit_price_minor, total_minor)
SELECT id, n, lpad(to_hex(v), 32, '0')::uuid, lpad(to_hex(v), 32, '0')::uuid, lpad(to_hex(1), 32, '0')::uuid, 'SKU-' || v, 'Product ' || v, 1,
       CASE status WHEN 'expired' THEN 1 ELSE 0 END, total / 3, total / 3, total / 3
FROM public.bench_plan, unnest(variants) WITH ORDINALITY AS x(v, n) ORDER BY g;

INSERT INTO orders.events (order_id, seq, kind, actor_kind, actor_id, request_id, data, at)
SELECT id, e.seq, e.kind, CASE e.kind WHEN 'placed' THEN 'customer' ELSE 'system' END, CASE e.kind WHEN 'placed' THEN buyer END,
       id::text, CASE e.kind WHEN 'placed' THEN jsonb_build_object('total_minor', total, 'currency', 'USD', 'lines', 3) ELSE '{}' END,
       CASE e.kind WHEN 'expired' THEN at + interval '30 minutes' ELSE at END
FROM public.bench_plan, unnest(CASE status WHEN 'pending' THEN ARRAY['placed'] ELSE ARRAY['placed', status] END) WITH ORDINALITY AS e(kind, seq)
ORDER BY g;

-- Every order takes its units, and those that have expired give them back at once. Goods came in before (version 1).
INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, version_after, order_id,
    actor, at)
SELECT lpad(to_hex(v), 32, '0')::uuid, CASE delta WHEN 1 THEN 'reserve' ELSE 'release' END, 0, delta, 1000000000,
       sum(delta) OVER running, 1 + row_number() OVER running, id, buyer, at
FROM public.bench_plan, unnest(variants) AS v, unnest(CASE status WHEN 'expired' THEN ARRAY[1, -1] ELSE ARRAY[1] END) AS delta
WINDOW running AS (PARTITION BY v ORDER BY g, delta DESC);
UPDATE catalog.stock s SET reserved = m.reserved, version = m.version
FROM (SELECT variant_id, sum(reserved_delta) AS reserved, max(version_after) AS version FROM catalog.stock_movements GROUP BY 1) m
WHERE m.variant_id = s.variant_id AND m.version > 1;

INSERT INTO jobs.jobs (queue, kind, args, state, attempt, meta, scheduled_at, created_at, attempted_at, finished_at)
SELECT 'bulk', 'orders.send_mail', jsonb_build_object('order_id', id, 'mail', 'placed', 'about', NULL), 'finished', 1,
       jsonb_build_object('request_id', id), at, at, at, at + interval '1 second'
FROM public.bench_plan ORDER BY g;

DROP TABLE public.bench_plan;
SET session_replication_role = origin;
