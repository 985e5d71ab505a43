-- How the gateway misbehaves on purpose, in percent by mode: as a whole, and for single payments.
CREATE TABLE gateway.chaos (
    -- There is one row at most: the whole gateway's.
    id         boolean     PRIMARY KEY DEFAULT true CHECK (id),
    modes      jsonb       NOT NULL CHECK (jsonb_typeof(modes) = 'object'),
    updated_at timestamptz NOT NULL
);

ALTER TABLE gateway.payments
    -- Counts instead of the whole gateway's. (The column `chaos` was never more than a place for this; a later migration drops it.)
    ADD COLUMN chaos_modes      jsonb CHECK (jsonb_typeof(chaos_modes) = 'object'),
    -- What was really taken, when that is another currency than was asked for.
    ADD COLUMN charged_currency text  CHECK (charged_currency ~ '^[A-Z]{3}$'),
    -- A payment that is charged wrongly on purpose may bring more than was asked for.
    DROP CONSTRAINT payments_captured_within_amount,
    ADD CONSTRAINT payments_captured_within_twice_the_amount CHECK (captured_minor <= 2 * amount_minor);

-- Merchants look payments up by their own name for them.
CREATE INDEX payments_reference ON gateway.payments (reference);

-- What goes wrong with a webhook is decided when it is written down, so that it stays so.
ALTER TABLE gateway.deliveries ADD COLUMN chaos text[] NOT NULL DEFAULT '{}';
