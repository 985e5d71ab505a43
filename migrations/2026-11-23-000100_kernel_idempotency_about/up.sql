-- A command that asks somebody else commits its intent before it has an answer; a repeat finds by this what it had begun.
ALTER TABLE kernel.idempotency_keys ADD COLUMN about uuid;
