DROP TABLE accounts.api_keys;
UPDATE accounts.sessions SET end_reason = 'logout' WHERE end_reason IN ('disabled', 'role_change');
ALTER TABLE accounts.sessions DROP CONSTRAINT sessions_end_reason_check;
ALTER TABLE accounts.sessions ADD CONSTRAINT sessions_end_reason_check
    CHECK (end_reason IN ('logout', 'token_reuse', 'password_change', 'password_reset'));
DROP INDEX accounts.users_staff;
DROP INDEX accounts.users_email_begins;
DROP INDEX accounts.users_username_begins;
ALTER TABLE accounts.users DROP COLUMN sessions_changed_at, DROP COLUMN sessions_version;
