-- The same tables of moves as payments::attempt and payments::refunding, for whoever comes past the code. Each trigger names the
-- moves that it allows.
CREATE FUNCTION payments.guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state || ' ' || NEW.state <> ALL (TG_ARGV) THEN
        RAISE EXCEPTION '%.% cannot go from % to %', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_state_move';
    END IF;
    RETURN NEW;
END $$;

-- Money is believed from every state, because it is there; and one that was given up may turn out to have been opened.
CREATE TRIGGER attempts_guard_state BEFORE UPDATE OF state ON payments.attempts
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION payments.guard_state(
        'created pending', 'created authorized', 'created captured', 'created failed', 'created voided', 'created expired', 'created unknown',
        'pending authorized', 'pending captured', 'pending failed', 'pending voided', 'pending expired',
        'authorized captured', 'authorized failed', 'authorized voided', 'authorized expired',
        'unknown pending', 'unknown authorized', 'unknown captured', 'unknown failed', 'unknown voided', 'unknown expired',
        'failed pending', 'failed captured', 'voided captured', 'expired captured');

-- What the gateway declined may turn out to have been done.
CREATE TRIGGER refunds_guard_state BEFORE UPDATE OF state ON payments.refunds
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION payments.guard_state(
        'pending succeeded', 'pending failed', 'pending unknown', 'unknown succeeded', 'unknown failed', 'failed succeeded');
