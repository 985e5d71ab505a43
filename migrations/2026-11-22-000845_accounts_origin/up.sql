-- From where a session was opened, as a MAC of user and address that only we can compute: whoever logged in from there lately
-- is not kept out while others guess at their password from elsewhere.
ALTER TABLE accounts.sessions ADD COLUMN origin bytea CHECK (length(origin) = 32);
