CREATE SCHEMA orders;

-- Order numbers are a permutation of this sequence, so that they are unique without a look-up and tell nobody how many
-- orders there are. Gaps are fine.
CREATE SEQUENCE orders.number_seq CACHE 1;

CREATE TABLE orders.orders (
    id                   uuid        PRIMARY KEY,
    number               text        NOT NULL CHECK (number ~ '^[0-9A-Z]{4}-[0-9A-Z]{4}$'),
    customer_id          uuid        NOT NULL,
    -- Moved by commands only; see orders.guard_status.
    status               text        NOT NULL CHECK (status IN ('pending', 'confirmed', 'completed', 'cancelled', 'expired')),
    -- Functions of the ledgers' sums, kept for filtering and rewritten in the transaction that changes a sum.
    payment_status       text        NOT NULL CHECK (payment_status IN ('unpaid', 'partially_authorized', 'authorized', 'voided',
                                         'refunded', 'overpaid', 'partially_refunded', 'partially_paid', 'paid')),
    fulfillment_status   text        NOT NULL CHECK (fulfillment_status IN ('unfulfilled', 'partially_fulfilled', 'fulfilled', 'delivered')),
    return_status        text        NOT NULL CHECK (return_status IN ('none', 'requested', 'partially_returned', 'returned')),
    hold_reason          text        CHECK (length(hold_reason) <= 500),
    currency             text        NOT NULL CHECK (length(currency) = 3),
    total_minor          bigint      NOT NULL CHECK (total_minor >= 0),
    original_total_minor bigint      NOT NULL CHECK (original_total_minor >= 0),
    authorized_minor     bigint      NOT NULL DEFAULT 0 CHECK (authorized_minor >= 0),
    captured_minor       bigint      NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),
    refunded_minor       bigint      NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0 AND refunded_minor <= captured_minor),
    ship_to              jsonb       NOT NULL,
    note                 text        CHECK (length(note) <= 1000),
    placed_at            timestamptz NOT NULL,
    expires_at           timestamptz,
    confirmed_at         timestamptz,
    closed_at            timestamptz,
    updated_at           timestamptz NOT NULL,
    -- The sequence of the last event; every change of the row appends one.
    last_event           integer     NOT NULL CHECK (last_event > 0)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX orders_number ON orders.orders (number);
CREATE INDEX orders_customer ON orders.orders (customer_id, id);
CREATE INDEX orders_status ON orders.orders (status, id);
CREATE INDEX orders_due ON orders.orders (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;

-- What was ordered: a copy of what the catalog said at that moment. No foreign key: lines are written on the hot path, in
-- the statement beside their order's, and the audit checks that each has one.
CREATE TABLE orders.lines (
    order_id           uuid     NOT NULL,
    position           smallint NOT NULL CHECK (position BETWEEN 1 AND 100),
    variant_id         uuid     NOT NULL,
    product_id         uuid     NOT NULL,
    business_id        uuid     NOT NULL,
    sku                text     NOT NULL,
    name               text     NOT NULL,
    quantity           integer  NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
    cancelled_quantity integer  NOT NULL DEFAULT 0 CHECK (cancelled_quantity >= 0),
    shipped_quantity   integer  NOT NULL DEFAULT 0 CHECK (shipped_quantity >= 0),
    returned_quantity  integer  NOT NULL DEFAULT 0 CHECK (returned_quantity BETWEEN 0 AND shipped_quantity),
    list_price_minor   bigint   NOT NULL CHECK (list_price_minor >= 0),
    unit_price_minor   bigint   NOT NULL CHECK (unit_price_minor >= 0),
    total_minor        bigint   NOT NULL CHECK (total_minor = unit_price_minor * quantity),
    PRIMARY KEY (order_id, position),
    CHECK (cancelled_quantity + shipped_quantity <= quantity)
) WITH (fillfactor = 80);
CREATE INDEX lines_business ON orders.lines (business_id, order_id);

-- Charges raise the total, credits lower it: shipping fee, tax, discount, goodwill. Append-only.
CREATE TABLE orders.adjustments (
    id           uuid        PRIMARY KEY,
    order_id     uuid        NOT NULL REFERENCES orders.orders (id),
    side         text        NOT NULL CHECK (side IN ('charge', 'credit')),
    kind         text        NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    label        text        NOT NULL CHECK (length(label) BETWEEN 1 AND 200),
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    created_at   timestamptz NOT NULL
);
CREATE INDEX adjustments_order ON orders.adjustments (order_id);

-- The history. Append-only, numbered from 1 without gaps. No foreign key: written on the hot path (see lines).
CREATE TABLE orders.events (
    order_id   uuid        NOT NULL,
    seq        integer     NOT NULL CHECK (seq > 0),
    kind       text        NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    actor_kind text        NOT NULL CHECK (actor_kind IN ('customer', 'seller', 'operator', 'admin', 'system')),
    actor_id   uuid,
    request_id text,
    data       jsonb       NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (order_id, seq)
);

CREATE FUNCTION orders.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON orders.events
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();
CREATE TRIGGER adjustments_append_only BEFORE UPDATE OR DELETE ON orders.adjustments
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

-- The same table of moves as orders::status, for whoever comes past the code.
CREATE FUNCTION orders.guard_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('pending', 'confirmed'), ('pending', 'cancelled'), ('pending', 'expired'),
        ('confirmed', 'completed'), ('confirmed', 'cancelled'),
        ('expired', 'confirmed'), ('cancelled', 'confirmed')
    ) THEN
        RAISE EXCEPTION 'an order cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_status_move';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_guard_status BEFORE UPDATE OF status ON orders.orders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION orders.guard_status();
