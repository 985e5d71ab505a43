-- What is promised to refunds and captures that have no final answer yet, and how an order without a gateway is paid.
ALTER TABLE orders.orders
    ADD COLUMN offline_method  text CHECK (offline_method IN ('cash_on_delivery', 'bank_transfer', 'other')),
    ADD COLUMN capturing_minor bigint NOT NULL DEFAULT 0 CHECK (capturing_minor >= 0),
    ADD COLUMN refunding_minor bigint NOT NULL DEFAULT 0 CHECK (refunding_minor >= 0),
    ADD CONSTRAINT orders_refunds_within_captured CHECK (refunded_minor + refunding_minor <= captured_minor);

-- Where the units of a line are. Every unit is cancelled, in a parcel that is packed, sent, or still to be packed.
ALTER TABLE orders.lines
    ADD COLUMN packed_quantity    integer NOT NULL DEFAULT 0 CHECK (packed_quantity >= 0),
    ADD COLUMN delivered_quantity integer NOT NULL DEFAULT 0 CHECK (delivered_quantity >= 0),
    -- In returns that are still open.
    ADD COLUMN returning_quantity integer NOT NULL DEFAULT 0 CHECK (returning_quantity >= 0),
    -- Of what was not cancelled: units whose price was given back line by line.
    ADD COLUMN refunded_quantity  integer NOT NULL DEFAULT 0 CHECK (refunded_quantity >= 0),
    ADD CONSTRAINT lines_units_are_somewhere CHECK (cancelled_quantity + packed_quantity + shipped_quantity <= quantity),
    ADD CONSTRAINT lines_delivered_was_shipped CHECK (delivered_quantity <= shipped_quantity),
    ADD CONSTRAINT lines_returned_was_delivered CHECK (returned_quantity + returning_quantity <= delivered_quantity),
    ADD CONSTRAINT lines_refunded_was_kept CHECK (refunded_quantity <= quantity - cancelled_quantity);

-- A parcel of one seller.
CREATE TABLE orders.shipments (
    id              uuid        PRIMARY KEY,
    order_id        uuid        NOT NULL REFERENCES orders.orders (id),
    business_id     uuid        NOT NULL,
    -- Moved by commands only; see orders.guard_shipment.
    state           text        NOT NULL CHECK (state IN ('packed', 'shipped', 'delivered', 'cancelled', 'lost')),
    carrier         text        CHECK (length(carrier) BETWEEN 1 AND 100),
    tracking_number text        CHECK (length(tracking_number) BETWEEN 1 AND 100),
    tracking_url    text        CHECK (tracking_url ~ '^https?://' AND length(tracking_url) <= 2048),
    -- Why it was cancelled or is lost.
    reason          text        CHECK (length(reason) <= 500),
    packed_at       timestamptz NOT NULL,
    shipped_at      timestamptz,
    delivered_at    timestamptz,
    updated_at      timestamptz NOT NULL,
    CHECK ((state IN ('shipped', 'delivered', 'lost')) = (shipped_at IS NOT NULL)),
    CHECK ((state = 'delivered') = (delivered_at IS NOT NULL))
);
CREATE INDEX shipments_order ON orders.shipments (order_id);

CREATE TABLE orders.shipment_lines (
    shipment_id uuid     NOT NULL REFERENCES orders.shipments (id),
    position    smallint NOT NULL CHECK (position BETWEEN 1 AND 100),
    quantity    integer  NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
    PRIMARY KEY (shipment_id, position)
);

-- Goods that a buyer sends back to one seller.
CREATE TABLE orders.returns (
    id           uuid        PRIMARY KEY,
    order_id     uuid        NOT NULL REFERENCES orders.orders (id),
    business_id  uuid        NOT NULL,
    -- Moved by commands only; see orders.guard_return.
    state        text        NOT NULL CHECK (state IN ('requested', 'approved', 'rejected', 'received', 'closed', 'cancelled')),
    reason       text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    -- What the buyer was told when it was approved, rejected or closed.
    decision     text        CHECK (length(decision) <= 500),
    requested_by uuid,
    requested_at timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
CREATE INDEX returns_order ON orders.returns (order_id);

CREATE TABLE orders.return_lines (
    return_id           uuid     NOT NULL REFERENCES orders.returns (id),
    position            smallint NOT NULL CHECK (position BETWEEN 1 AND 100),
    quantity            integer  NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
    -- What came back: to be sold again, or not.
    resellable_quantity integer  NOT NULL DEFAULT 0 CHECK (resellable_quantity >= 0),
    damaged_quantity    integer  NOT NULL DEFAULT 0 CHECK (damaged_quantity >= 0),
    PRIMARY KEY (return_id, position),
    CHECK (resellable_quantity + damaged_quantity <= quantity)
);

-- The same tables of moves as orders::shipment and orders::returns, for whoever comes past the code.
CREATE FUNCTION orders.guard_shipment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (
        ('packed', 'shipped'), ('packed', 'cancelled'), ('shipped', 'delivered'), ('shipped', 'lost')
    ) THEN
        RAISE EXCEPTION 'a shipment cannot go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'shipments_state_move';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER shipments_guard_state BEFORE UPDATE OF state ON orders.shipments
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION orders.guard_shipment();

CREATE FUNCTION orders.guard_return() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (
        ('requested', 'approved'), ('requested', 'rejected'), ('requested', 'cancelled'),
        ('approved', 'received'), ('approved', 'closed'), ('approved', 'cancelled'), ('received', 'closed')
    ) THEN
        RAISE EXCEPTION 'a return cannot go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'returns_state_move';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER returns_guard_state BEFORE UPDATE OF state ON orders.returns
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION orders.guard_return();
