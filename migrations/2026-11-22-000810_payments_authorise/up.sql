-- Money that is held first and taken later. An authorised attempt is captured once, for at most its amount; the intent is
-- written down before the gateway is asked.
ALTER TABLE payments.attempts
    ADD COLUMN capture_method  text    NOT NULL DEFAULT 'automatic'
        CONSTRAINT attempts_capture_method CHECK (capture_method IN ('automatic', 'manual')),
    -- What the capture under way is to bring; 0 when there is none.
    ADD COLUMN capturing_minor bigint  NOT NULL DEFAULT 0,
    -- The last capture that was asked for: its idempotency key at the gateway.
    ADD COLUMN capture_id      uuid,
    -- It is to be taken back; the gateway has not said that it is.
    ADD COLUMN voiding         boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT attempts_capturing_within_amount CHECK (capturing_minor BETWEEN 0 AND amount_minor),
    ADD CONSTRAINT attempts_capturing_authorized CHECK (capturing_minor = 0 OR state = 'authorized'),
    ADD CONSTRAINT attempts_capturing_has_id CHECK (capturing_minor = 0 OR capture_id IS NOT NULL),
    ADD CONSTRAINT attempts_voiding_authorized CHECK (NOT voiding OR (state = 'authorized' AND capturing_minor = 0));
