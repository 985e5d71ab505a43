CREATE SCHEMA accounts;

CREATE TABLE accounts.users (
    id                uuid        PRIMARY KEY,
    username          text        NOT NULL CHECK (username ~ '^[A-Za-z0-9][A-Za-z0-9._-]{2,29}$'),
    email             text        NOT NULL CHECK (length(email) BETWEEN 6 AND 254 AND email = lower(email) AND email LIKE '_%@_%'),
    password_hash     text        NOT NULL CHECK (password_hash LIKE '$argon2id$v=19$%' AND length(password_hash) <= 256),
    role              text        NOT NULL CHECK (role IN ('customer', 'operator', 'admin')),
    display_name      text        CHECK (length(display_name) BETWEEN 1 AND 100),
    phone             text        CHECK (phone ~ '^\+[1-9][0-9]{3,14}$'),
    email_verified_at timestamptz,
    disabled_at       timestamptz, -- may not log in or refresh; what they did stays
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_username_key ON accounts.users (lower(username));
CREATE UNIQUE INDEX users_email_key ON accounts.users (lower(email));

-- One login. Its refresh tokens are one chain; when one of them is used twice the whole session ends.
CREATE TABLE accounts.sessions (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES accounts.users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz,
    end_reason text        CHECK (end_reason IN ('logout', 'token_reuse', 'password_change', 'password_reset')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_open ON accounts.sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON accounts.sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_user ON accounts.sessions (user_id);

-- Only the SHA-256 of a refresh token is kept. A rotated one stays until it expires, so that its second use is noticed.
CREATE TABLE accounts.refresh_tokens (
    id           uuid        PRIMARY KEY,
    session_id   uuid        NOT NULL REFERENCES accounts.sessions (id) ON DELETE CASCADE,
    token_hash   bytea       NOT NULL CHECK (length(token_hash) = 32),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL CHECK (expires_at > created_at),
    rotated_at   timestamptz CHECK (rotated_at >= created_at),
    successor_id uuid        REFERENCES accounts.refresh_tokens (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT refresh_tokens_rotated_first CHECK (successor_id IS NULL OR rotated_at IS NOT NULL)
);
CREATE UNIQUE INDEX refresh_tokens_token_hash_key ON accounts.refresh_tokens (token_hash);
CREATE UNIQUE INDEX refresh_tokens_one_live ON accounts.refresh_tokens (session_id) WHERE rotated_at IS NULL;
CREATE INDEX refresh_tokens_session ON accounts.refresh_tokens (session_id);
CREATE INDEX refresh_tokens_successor ON accounts.refresh_tokens (successor_id) WHERE successor_id IS NOT NULL;
CREATE INDEX refresh_tokens_expires_at ON accounts.refresh_tokens (expires_at);

-- Links that are good once: the token itself is computed from the row and a key that is not in the database.
CREATE TABLE accounts.one_time_tokens (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES accounts.users (id) ON DELETE CASCADE,
    purpose    text        NOT NULL CHECK (purpose IN ('verify_email', 'reset_password')),
    email      text        NOT NULL, -- where it was sent: it proves this address and no other
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at    timestamptz CHECK (used_at >= created_at)
);
CREATE INDEX one_time_tokens_user ON accounts.one_time_tokens (user_id, purpose, created_at DESC);
CREATE INDEX one_time_tokens_expires_at ON accounts.one_time_tokens (expires_at);
