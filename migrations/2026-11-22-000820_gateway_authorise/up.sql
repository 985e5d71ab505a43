-- Payments that are approved first and captured later, once, for at most what was approved.
ALTER TABLE gateway.payments
    ADD COLUMN capture_method text NOT NULL DEFAULT 'automatic'
        CONSTRAINT payments_capture_method CHECK (capture_method IN ('automatic', 'manual')),
    -- When the customer approved it; its time ends seven days later.
    ADD COLUMN authorized_at  timestamptz,
    DROP CONSTRAINT payments_status_check,
    ADD CONSTRAINT payments_status_check
        CHECK (status IN ('pending', 'authorized', 'captured', 'failed', 'voided', 'expired')),
    ADD CONSTRAINT payments_authorized CHECK (status <> 'authorized' OR (capture_method = 'manual' AND authorized_at IS NOT NULL)),
    ADD CONSTRAINT payments_captured_within_amount CHECK (captured_minor <= amount_minor);
DROP INDEX gateway.payments_open;
CREATE INDEX payments_open ON gateway.payments (expires_at) WHERE status IN ('pending', 'authorized');

-- What merchants took of authorised payments: once for each payment, and once for each idempotency key.
CREATE TABLE gateway.captures (
    id              uuid        PRIMARY KEY,
    payment_id      uuid        NOT NULL CONSTRAINT captures_payment_id UNIQUE REFERENCES gateway.payments (id),
    idempotency_key text        NOT NULL CONSTRAINT captures_idempotency_key UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    amount_minor    bigint      NOT NULL CHECK (amount_minor > 0),
    reference       text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 128),
    created_at      timestamptz NOT NULL
);
CREATE TRIGGER captures_append_only BEFORE UPDATE OR DELETE ON gateway.captures
    FOR EACH ROW EXECUTE FUNCTION gateway.refuse_change();
CREATE TRIGGER captures_not_emptied BEFORE TRUNCATE ON gateway.captures
    FOR EACH STATEMENT EXECUTE FUNCTION gateway.refuse_change();

-- An authorisation is a movement and not an end: what ends a payment comes after it.
ALTER TABLE gateway.transactions
    DROP CONSTRAINT transactions_kind_check,
    ADD CONSTRAINT transactions_kind_check
        CHECK (kind IN ('authorization', 'capture', 'decline', 'void', 'expiry', 'refund'));
DROP INDEX gateway.transactions_one_end;
CREATE UNIQUE INDEX transactions_one_end ON gateway.transactions (payment_id) WHERE kind NOT IN ('refund', 'authorization');
CREATE UNIQUE INDEX transactions_one_authorization ON gateway.transactions (payment_id) WHERE kind = 'authorization';

ALTER TABLE gateway.deliveries
    DROP CONSTRAINT deliveries_kind_check,
    ADD CONSTRAINT deliveries_kind_check
        CHECK (kind IN ('payment.authorized', 'payment.captured', 'payment.failed', 'refund.succeeded', 'refund.failed'));
