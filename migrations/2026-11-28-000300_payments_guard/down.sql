DROP TRIGGER refunds_guard_state ON payments.refunds;
DROP TRIGGER attempts_guard_state ON payments.attempts;
DROP FUNCTION payments.guard_state();
