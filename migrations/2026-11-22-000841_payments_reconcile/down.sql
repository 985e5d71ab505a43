DROP INDEX payments.attempts_unsettled;
ALTER TABLE payments.attempts DROP COLUMN checked_at;
