-- The same tables of moves as payments::attempt and payments::refunding, for whoever comes past the code.
CREATE FUNCTION payments.guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (
        ('created', 'pending'), ('created', 'authorized'), ('created', 'captured'), ('created', 'failed'), ('created', 'voided'),
        ('created', 'expired'), ('created', 'unknown'),
        ('pending', 'authorized'), ('pending', 'captured'), ('pending', 'failed'), ('pending', 'voided'), ('pending', 'expired'),
        ('authorized', 'captured'), ('authorized', 'failed'), ('authorized', 'voided'), ('authorized', 'expired'),
        ('unknown', 'pending'), ('unknown', 'authorized'), ('unknown', 'captured'), ('unknown', 'failed'), ('unknown', 'voided'),
        ('unknown', 'expired'),
        -- Money is believed from every state, because it is there; and one that was given up may turn out to have been opened.
        ('failed', 'pending'), ('failed', 'captured'), ('voided', 'captured'), ('expired', 'captured')
    ) THEN
        RAISE EXCEPTION 'a payment cannot go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attempts_state_move';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempts_guard_state BEFORE UPDATE OF state ON payments.attempts
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION payments.guard_attempt();

CREATE FUNCTION payments.guard_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (
        ('pending', 'succeeded'), ('pending', 'failed'), ('pending', 'unknown'), ('unknown', 'succeeded'), ('unknown', 'failed'),
        ('failed', 'succeeded')
    ) THEN
        RAISE EXCEPTION 'a refund cannot go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_state_move';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refunds_guard_state BEFORE UPDATE OF state ON payments.refunds
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION payments.guard_refund();
