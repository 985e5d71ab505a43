-- Sessions that end at once, and keys for programs.

-- An access token carries the version it was issued at, and holds while that is the user's. The time bounds what a process
-- has to know: a token that is older than its lifetime does not hold anyway.
ALTER TABLE accounts.users
    ADD COLUMN sessions_version integer NOT NULL DEFAULT 0 CONSTRAINT users_sessions_version CHECK (sessions_version >= 0),
    ADD COLUMN sessions_changed_at timestamptz;
CREATE INDEX users_sessions_changed ON accounts.users (sessions_changed_at) WHERE sessions_changed_at IS NOT NULL;

-- Staff look for the beginning of a name or an address.
CREATE INDEX users_username_begins ON accounts.users (lower(username) text_pattern_ops);
CREATE INDEX users_email_begins ON accounts.users (email text_pattern_ops);
CREATE INDEX users_staff ON accounts.users (role, id) WHERE role <> 'customer';

ALTER TABLE accounts.sessions DROP CONSTRAINT sessions_end_reason_check;
ALTER TABLE accounts.sessions ADD CONSTRAINT sessions_end_reason_check
    CHECK (end_reason IN ('logout', 'token_reuse', 'password_change', 'password_reset', 'disabled', 'role_change'));

-- A key acts as its owner, in a role that is not above theirs, within its scopes. Only the SHA-256 of its secret is kept.
CREATE TABLE accounts.api_keys (
    id           uuid        PRIMARY KEY,
    prefix       text        NOT NULL CHECK (prefix ~ '^oms_live_[0-9a-f]{12}$'), -- shown to people, tells which key it is
    secret_hash  bytea       NOT NULL CHECK (length(secret_hash) = 32),
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    owner_id     uuid        NOT NULL REFERENCES accounts.users (id) ON DELETE CASCADE,
    role         text        NOT NULL CHECK (role IN ('customer', 'operator')),
    scopes       text[]      NOT NULL CONSTRAINT api_keys_scopes CHECK (cardinality(scopes) BETWEEN 1 AND 6
        AND array_position(scopes, NULL) IS NULL AND scopes <@ ARRAY['orders:read', 'orders:write', 'catalog:read',
            'catalog:write', 'stock:read', 'stock:write']),
    created_by   uuid        NOT NULL REFERENCES accounts.users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz CHECK (expires_at > created_at),
    last_used_at timestamptz, -- to the minute
    revoked_at   timestamptz CHECK (revoked_at >= created_at)
);
CREATE UNIQUE INDEX api_keys_prefix_key ON accounts.api_keys (prefix);
CREATE INDEX api_keys_owner ON accounts.api_keys (owner_id);
CREATE INDEX api_keys_created_by ON accounts.api_keys (created_by);
CREATE INDEX api_keys_live ON accounts.api_keys (id) WHERE revoked_at IS NULL;
