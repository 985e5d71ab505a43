CREATE SCHEMA kernel;

-- One row for each Idempotency-Key in use; commits with the effect and the stored answer (design.md §5).
CREATE TABLE kernel.idempotency_keys (
    caller_id   uuid        NOT NULL,
    key         text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint bytea       NOT NULL CHECK (length(fingerprint) = 32),
    status      smallint    CHECK (status BETWEEN 200 AND 299),
    body        bytea,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (caller_id, key),
    CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_keys_created_at ON kernel.idempotency_keys (created_at);
