-- A shop for benchmarks: 10,000 variants with plenty of each, 100 buyers. Ids are numbers, so that pgbench can name them.
SET session_replication_role = replica;

INSERT INTO accounts.users (id, username, email, password_hash, role, email_verified_at, created_at, updated_at)
SELECT lpad(to_hex(g), 32, '0')::uuid, 'buyer' || g, 'buyer' || g || '@example.com',
       '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo', 'customer', now(), now(), now()
FROM generate_series(1, 100) g;

INSERT INTO catalog.businesses (id, name, city, country, created_at, updated_at)
VALUES (lpad(to_hex(1), 32, '0')::uuid, 'The business', 'Hanoi', 'VN', now(), now());
INSERT INTO catalog.members (business_id, user_id, role, added_at)
VALUES (lpad(to_hex(1), 32, '0')::uuid, lpad(to_hex(1), 32, '0')::uuid, 'owner', now());
INSERT INTO catalog.products (id, business_id, name, currency, from_price_minor, created_at, updated_at)
SELECT lpad(to_hex(g), 32, '0')::uuid, lpad(to_hex(1), 32, '0')::uuid, 'Product ' || g, 'USD', 100, now(), now()
FROM generate_series(1, 10000) g;
INSERT INTO catalog.variants (id, product_id, business_id, sku, price_minor, position, created_at, updated_at)
SELECT lpad(to_hex(g), 32, '0')::uuid, lpad(to_hex(g), 32, '0')::uuid, lpad(to_hex(1), 32, '0')::uuid, 'SKU-' || g, 100, 0, now(), now()
FROM generate_series(1, 10000) g;
INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, version_after, at)
SELECT lpad(to_hex(g), 32, '0')::uuid, 'receive', 1000000000, 0, 1000000000, 0, 1, now() FROM generate_series(1, 10000) g;
SET session_replication_role = origin;
INSERT INTO catalog.stock (variant_id, on_hand, reserved, version)
SELECT lpad(to_hex(g), 32, '0')::uuid, 1000000000, 0, 1 FROM generate_series(1, 10000) g;

-- What an order's number looks like; the program's own numbers, made of the same sequence by another rule, never have a U.
CREATE FUNCTION public.bench_number(sequence bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'U' || substr(n, 1, 3) || '-' || substr(n, 4) FROM (SELECT lpad(upper(to_hex(sequence)), 7, '0') AS n) x $$;
