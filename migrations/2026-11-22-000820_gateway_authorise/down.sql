-- Refused by the old CHECKs as long as the book holds an authorisation: what went before cannot express it.
ALTER TABLE gateway.deliveries
    DROP CONSTRAINT deliveries_kind_check,
    ADD CONSTRAINT deliveries_kind_check
        CHECK (kind IN ('payment.captured', 'payment.failed', 'refund.succeeded', 'refund.failed'));
DROP INDEX gateway.transactions_one_authorization;
DROP INDEX gateway.transactions_one_end;
ALTER TABLE gateway.transactions
    DROP CONSTRAINT transactions_kind_check,
    ADD CONSTRAINT transactions_kind_check CHECK (kind IN ('capture', 'decline', 'void', 'expiry', 'refund'));
CREATE UNIQUE INDEX transactions_one_end ON gateway.transactions (payment_id) WHERE kind <> 'refund';
DROP TABLE gateway.captures;
DROP INDEX gateway.payments_open;
ALTER TABLE gateway.payments
    DROP CONSTRAINT payments_captured_within_amount,
    DROP CONSTRAINT payments_authorized,
    DROP CONSTRAINT payments_status_check,
    ADD CONSTRAINT payments_status_check CHECK (status IN ('pending', 'captured', 'failed', 'voided', 'expired')),
    DROP COLUMN authorized_at,
    DROP COLUMN capture_method;
CREATE INDEX payments_open ON gateway.payments (expires_at) WHERE status = 'pending';
