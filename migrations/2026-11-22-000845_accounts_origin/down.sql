ALTER TABLE accounts.sessions DROP COLUMN origin;
