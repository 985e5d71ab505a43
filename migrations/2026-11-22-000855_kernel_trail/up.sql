-- What staff did that has no ledger of its own. Whoever acts writes it in the transaction that acts.
CREATE TABLE kernel.trail (
    id           uuid        PRIMARY KEY, -- version 7: in the order of time
    at           timestamptz NOT NULL,
    actor_role   text        NOT NULL CHECK (actor_role IN ('operator', 'admin', 'console')),
    actor_id     uuid,
    api_key_id   uuid,
    request_id   text,
    action       text        NOT NULL CHECK (action ~ '^[a-z_]{1,40}\.[a-z_]{1,40}$'),
    subject_kind text        NOT NULL CHECK (subject_kind ~ '^[a-z_]{1,40}$'),
    subject_id   uuid        NOT NULL,
    changes      jsonb       NOT NULL,
    CONSTRAINT trail_somebody_did_it CHECK ((actor_role = 'console') = (actor_id IS NULL))
);
CREATE INDEX trail_actor ON kernel.trail (actor_id, id);
CREATE INDEX trail_subject ON kernel.trail (subject_id, id);
CREATE INDEX trail_action ON kernel.trail (action, id);

CREATE FUNCTION kernel.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER trail_append_only BEFORE UPDATE OR DELETE ON kernel.trail
    FOR EACH ROW EXECUTE FUNCTION kernel.refuse_change();
CREATE TRIGGER trail_not_emptied BEFORE TRUNCATE ON kernel.trail
    FOR EACH STATEMENT EXECUTE FUNCTION kernel.refuse_change();
