-- The operator's desk: labels, notes, what is looked for, and files to take away.

ALTER TABLE orders.orders ADD COLUMN tags text[] NOT NULL DEFAULT '{}'
    CONSTRAINT orders_tags CHECK (tags = '{}' OR (cardinality(tags) <= 20 AND array_position(tags, NULL) IS NULL
        AND array_to_string(tags, ' ') ~ '^[a-z0-9_-]{1,40}( [a-z0-9_-]{1,40})*$'));

-- The words an order is found by. The signs that join words are blanks here, so that each word can be looked for by itself.
-- Not in SQL, which would be written out in the query and forget what it costs: PostgreSQL would rather compute the words of
-- order after order than ask the index. Not for parallel plans, which take longer to begin than a page takes to read.
CREATE FUNCTION orders.search_words(number text, ship_to jsonb, note text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE COST 1000 AS $$
BEGIN
    RETURN to_tsvector('pg_catalog.simple', translate(number || ' ' || coalesce(ship_to ->> 'name', '') || ' '
        || coalesce(ship_to ->> 'city', '') || ' ' || coalesce(note, ''), '-/@.:_+&<>''', '           '));
END $$;

-- Placing is the hot path: none of these is touched by an order that is new (pending, unpaid, unfulfilled, without returns,
-- not on hold, without tags). What they leave out is found among the newest orders, or among the pending ones, which are few.
CREATE INDEX orders_payment ON orders.orders (payment_status, id) WHERE payment_status <> 'unpaid';
CREATE INDEX orders_fulfillment ON orders.orders (fulfillment_status, id) WHERE fulfillment_status <> 'unfulfilled';
CREATE INDEX orders_returns ON orders.orders (return_status, id) WHERE return_status <> 'none';
CREATE INDEX orders_held ON orders.orders (id) WHERE hold_reason IS NOT NULL;
CREATE INDEX orders_to_ship ON orders.orders (id)
    WHERE status = 'confirmed' AND hold_reason IS NULL AND fulfillment_status IN ('unfulfilled', 'partially_fulfilled');
CREATE INDEX returns_open ON orders.returns (order_id) WHERE state IN ('requested', 'approved', 'received');
CREATE INDEX orders_completed ON orders.orders (payment_status, fulfillment_status, id) WHERE status = 'completed';
CREATE INDEX orders_tagged ON orders.orders USING gin (tags) WHERE tags <> '{}';
CREATE INDEX orders_placed ON orders.orders (placed_at, id) WHERE status <> 'pending';
CREATE INDEX orders_search ON orders.orders USING gin (orders.search_words(number, ship_to, note)) WHERE status <> 'pending';

-- A partial index tells nobody how common a word is.
CREATE STATISTICS orders.orders_words ON (orders.search_words(number, ship_to, note)) FROM orders.orders;

CREATE TABLE orders.notes (
    id          uuid        PRIMARY KEY,
    order_id    uuid        NOT NULL REFERENCES orders.orders (id),
    visibility  text        NOT NULL CHECK (visibility IN ('internal', 'customer')),
    body        text        NOT NULL CHECK (length(body) BETWEEN 1 AND 2000),
    author_kind text        NOT NULL CHECK (author_kind IN ('customer', 'operator', 'admin')),
    author_id   uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    CHECK (author_kind <> 'customer' OR visibility = 'customer')
);
CREATE INDEX notes_order ON orders.notes (order_id, id);
CREATE TRIGGER notes_append_only BEFORE UPDATE OR DELETE ON orders.notes
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

-- Files that operators asked for. The file itself lies in the object store; its link is derived, not stored.
CREATE TABLE orders.exports (
    id           uuid        PRIMARY KEY,
    requested_by uuid        NOT NULL,
    what         text        NOT NULL CHECK (what IN ('orders', 'lines')),
    filter       jsonb       NOT NULL,
    state        text        NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'expired')),
    row_count    bigint      CHECK (row_count >= 0),
    size_bytes   bigint      CHECK (size_bytes >= 0),
    created_at   timestamptz NOT NULL,
    started_at   timestamptz,
    finished_at  timestamptz,
    expires_at   timestamptz,
    CHECK ((state IN ('done', 'expired')) = (row_count IS NOT NULL AND size_bytes IS NOT NULL AND expires_at IS NOT NULL))
);
CREATE INDEX exports_of ON orders.exports (requested_by, id);
CREATE INDEX exports_due ON orders.exports (expires_at) WHERE state = 'done';
