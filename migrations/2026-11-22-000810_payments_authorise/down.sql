ALTER TABLE payments.attempts
    DROP COLUMN voiding,
    DROP COLUMN capture_id,
    DROP COLUMN capturing_minor,
    DROP COLUMN capture_method;
