-- When the gateway was last asked how an attempt stands, so that those that wait longest are asked first.
ALTER TABLE payments.attempts ADD COLUMN checked_at timestamptz;
-- The attempts that are not settled: few of all that there ever were.
CREATE INDEX attempts_unsettled ON payments.attempts (id)
    WHERE state IN ('created', 'pending', 'unknown', 'authorized') OR refunding_minor > 0;
