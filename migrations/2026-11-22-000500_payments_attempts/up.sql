CREATE SCHEMA payments;

-- One try to collect money for an order through one gateway. The counters repeat what the transactions say, so that the
-- rule "never give back more than came in" is a CHECK; `oms audit` compares the two.
CREATE TABLE payments.attempts (
    id                uuid        PRIMARY KEY,
    order_id          uuid        NOT NULL,
    gateway           text        NOT NULL CHECK (gateway ~ '^[a-z][a-z0-9_-]{0,31}$'),
    amount_minor      bigint      NOT NULL CHECK (amount_minor > 0),
    currency          text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state             text        NOT NULL CHECK (state IN
                          ('created', 'pending', 'authorized', 'captured', 'failed', 'voided', 'expired', 'unknown')),
    -- The gateway's name for it, and where the customer pays.
    reference         text        CHECK (length(reference) BETWEEN 1 AND 128),
    pay_url           text        CHECK (length(pay_url) BETWEEN 1 AND 2048),
    -- What really came in, which may be another amount or another currency than was asked for.
    captured_minor    bigint      NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),
    captured_currency text        CHECK (captured_currency ~ '^[A-Z]{3}$'),
    refunded_minor    bigint      NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
    -- Promised to refunds that have no final answer yet.
    refunding_minor   bigint      NOT NULL DEFAULT 0 CHECK (refunding_minor >= 0),
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    CONSTRAINT attempts_refunds_within_captured CHECK (refunded_minor + refunding_minor <= captured_minor),
    CONSTRAINT attempts_captured_has_money CHECK ((state = 'captured') = (captured_minor > 0)),
    CONSTRAINT attempts_captured_has_currency CHECK ((captured_minor > 0) = (captured_currency IS NOT NULL)),
    CONSTRAINT attempts_pending_has_reference CHECK (state <> 'pending' OR (reference IS NOT NULL AND pay_url IS NOT NULL))
);
CREATE INDEX attempts_order_id ON payments.attempts (order_id);
CREATE UNIQUE INDEX attempts_reference ON payments.attempts (gateway, reference) WHERE reference IS NOT NULL;
CREATE INDEX attempts_captured ON payments.attempts (gateway, id) WHERE state = 'captured';

-- Money on its way back. Reserved on the attempt while it has no final answer.
CREATE TABLE payments.refunds (
    id           uuid        PRIMARY KEY,
    attempt_id   uuid        NOT NULL REFERENCES payments.attempts (id),
    order_id     uuid        NOT NULL,
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    currency     text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state        text        NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed', 'unknown')),
    reason       text        NOT NULL CHECK (length(reason) <= 500),
    reference    text        CHECK (length(reference) BETWEEN 1 AND 128),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
CREATE INDEX refunds_order_id ON payments.refunds (order_id);
CREATE INDEX refunds_attempt_id ON payments.refunds (attempt_id);

-- Verified webhooks, byte for byte, once for each webhook id.
CREATE TABLE payments.inbox (
    id           uuid        PRIMARY KEY,
    gateway      text        NOT NULL CHECK (length(gateway) BETWEEN 1 AND 32),
    webhook_id   text        NOT NULL CHECK (length(webhook_id) BETWEEN 1 AND 128),
    body         bytea       NOT NULL CHECK (length(body) <= 65536),
    received_at  timestamptz NOT NULL,
    processed_at timestamptz,
    outcome      text        CHECK (length(outcome) <= 1000),
    CONSTRAINT inbox_webhook_id UNIQUE (gateway, webhook_id),
    CHECK ((processed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX inbox_unprocessed ON payments.inbox (received_at) WHERE processed_at IS NULL;

-- What happened to the money. Appended, never changed.
CREATE TABLE payments.transactions (
    id           uuid        PRIMARY KEY,
    attempt_id   uuid        NOT NULL REFERENCES payments.attempts (id),
    refund_id    uuid        REFERENCES payments.refunds (id),
    kind         text        NOT NULL CHECK (kind IN ('authorization', 'capture', 'refund', 'void', 'failure', 'chargeback')),
    amount_minor bigint      NOT NULL CHECK (amount_minor >= 0),
    currency     text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- The gateway's name for it.
    reference    text        CHECK (length(reference) BETWEEN 1 AND 128),
    -- The webhook it came with; none when it is the answer to a call of ours.
    event_id     uuid        REFERENCES payments.inbox (id),
    detail       text        CHECK (length(detail) <= 500),
    recorded_at  timestamptz NOT NULL,
    CHECK (kind NOT IN ('capture', 'refund', 'chargeback') OR amount_minor > 0),
    CHECK (kind <> 'refund' OR refund_id IS NOT NULL)
);
CREATE INDEX transactions_attempt_id ON payments.transactions (attempt_id);
CREATE INDEX transactions_event_id ON payments.transactions (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX transactions_refund_id ON payments.transactions (refund_id) WHERE refund_id IS NOT NULL;
-- At most one successful capture for each attempt, and one return of money for each refund.
CREATE UNIQUE INDEX transactions_one_capture ON payments.transactions (attempt_id) WHERE kind = 'capture';
CREATE UNIQUE INDEX transactions_one_refund ON payments.transactions (refund_id) WHERE kind = 'refund';

CREATE FUNCTION payments.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END
$$;
CREATE TRIGGER transactions_append_only BEFORE UPDATE OR DELETE ON payments.transactions
    FOR EACH ROW EXECUTE FUNCTION payments.refuse_change();
CREATE TRIGGER transactions_not_emptied BEFORE TRUNCATE ON payments.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION payments.refuse_change();
