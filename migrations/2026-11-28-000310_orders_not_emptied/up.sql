-- What is appended only is not emptied either.
CREATE TRIGGER events_not_emptied BEFORE TRUNCATE ON orders.events
    FOR EACH STATEMENT EXECUTE FUNCTION orders.refuse_change();
CREATE TRIGGER adjustments_not_emptied BEFORE TRUNCATE ON orders.adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION orders.refuse_change();
CREATE TRIGGER notes_not_emptied BEFORE TRUNCATE ON orders.notes
    FOR EACH STATEMENT EXECUTE FUNCTION orders.refuse_change();
