CREATE SCHEMA gateway;

-- The mock gateway's own book. It belongs to another program: nothing of `oms` reads it but over HTTP.
CREATE TABLE gateway.payments (
    id              uuid        PRIMARY KEY,
    idempotency_key text        NOT NULL CONSTRAINT payments_idempotency_key UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    -- Opens the pay page; random, unlike the id.
    token           text        NOT NULL CONSTRAINT payments_token UNIQUE CHECK (length(token) = 43),
    amount_minor    bigint      NOT NULL CHECK (amount_minor > 0),
    currency        text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    reference       text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 128),
    description     text        NOT NULL CHECK (length(description) BETWEEN 1 AND 200),
    webhook_url     text        NOT NULL CHECK (webhook_url ~ '^https?://' AND length(webhook_url) <= 2048),
    return_url      text        CHECK (return_url ~ '^https?://' AND length(return_url) <= 2048),
    status          text        NOT NULL CHECK (status IN ('pending', 'captured', 'failed', 'voided', 'expired')),
    captured_minor  bigint      NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),
    refunded_minor  bigint      NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
    chaos           text        NOT NULL DEFAULT 'none' CHECK (chaos IN ('none')),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL CHECK (expires_at > created_at),
    updated_at      timestamptz NOT NULL,
    CONSTRAINT payments_refunds_within_captured CHECK (refunded_minor <= captured_minor),
    CHECK ((status = 'captured') = (captured_minor > 0))
);
CREATE INDEX payments_open ON gateway.payments (expires_at) WHERE status = 'pending';

CREATE TABLE gateway.refunds (
    id              uuid        PRIMARY KEY,
    payment_id      uuid        NOT NULL REFERENCES gateway.payments (id),
    idempotency_key text        NOT NULL CONSTRAINT refunds_idempotency_key UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    amount_minor    bigint      NOT NULL CHECK (amount_minor > 0),
    reference       text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 128),
    status          text        NOT NULL CHECK (status IN ('succeeded', 'failed')),
    reason          text        CHECK (length(reason) <= 200),
    created_at      timestamptz NOT NULL,
    CHECK ((status = 'failed') = (reason IS NOT NULL))
);
CREATE INDEX refunds_payment_id ON gateway.refunds (payment_id);

-- Every movement of every payment. Appended, never changed.
CREATE TABLE gateway.transactions (
    id           uuid        PRIMARY KEY,
    payment_id   uuid        NOT NULL REFERENCES gateway.payments (id),
    refund_id    uuid        REFERENCES gateway.refunds (id),
    kind         text        NOT NULL CHECK (kind IN ('capture', 'decline', 'void', 'expiry', 'refund')),
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    recorded_at  timestamptz NOT NULL,
    CHECK ((kind = 'refund') = (refund_id IS NOT NULL))
);
CREATE INDEX transactions_payment_id ON gateway.transactions (payment_id);
CREATE INDEX transactions_refund_id ON gateway.transactions (refund_id) WHERE refund_id IS NOT NULL;
-- A payment ends once: as captured, declined, voided or expired.
CREATE UNIQUE INDEX transactions_one_end ON gateway.transactions (payment_id) WHERE kind <> 'refund';

-- Webhooks: the very bytes that are signed and sent, and how the sending went.
CREATE TABLE gateway.deliveries (
    id           uuid        PRIMARY KEY,
    message_id   text        NOT NULL CONSTRAINT deliveries_message_id UNIQUE CHECK (length(message_id) BETWEEN 5 AND 64),
    payment_id   uuid        NOT NULL REFERENCES gateway.payments (id),
    kind         text        NOT NULL CHECK (kind IN ('payment.captured', 'payment.failed', 'refund.succeeded', 'refund.failed')),
    webhook_url  text        NOT NULL CHECK (webhook_url ~ '^https?://'),
    body         text        NOT NULL CHECK (length(body) <= 65536),
    attempts     integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_error   text        CHECK (length(last_error) <= 500),
    created_at   timestamptz NOT NULL,
    delivered_at timestamptz
);
CREATE INDEX deliveries_payment_id ON gateway.deliveries (payment_id);

CREATE FUNCTION gateway.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END
$$;
CREATE TRIGGER transactions_append_only BEFORE UPDATE OR DELETE ON gateway.transactions
    FOR EACH ROW EXECUTE FUNCTION gateway.refuse_change();
CREATE TRIGGER transactions_not_emptied BEFORE TRUNCATE ON gateway.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION gateway.refuse_change();
