CREATE SCHEMA jobs;

-- The queue. A job is inserted by the transaction that asks for it, claimed in one statement, and kept when it is dead.
CREATE TABLE jobs.jobs (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue         text        NOT NULL CHECK (queue <> '' AND length(queue) <= 40),
    kind          text        NOT NULL CHECK (kind <> '' AND length(kind) <= 100),
    args          jsonb       NOT NULL,
    state         text        NOT NULL DEFAULT 'new',
    attempt       smallint    NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts  smallint    NOT NULL DEFAULT 20 CHECK (max_attempts > 0),
    scheduled_at  timestamptz NOT NULL DEFAULT now(),
    lease_token   uuid,                                         -- the worker process that holds the job
    attempted_by  text,
    unique_key    text        CHECK (length(unique_key) <= 200),
    errors        jsonb       NOT NULL DEFAULT '[]',            -- the last ten: {at, attempt, error}
    meta          jsonb       NOT NULL DEFAULT '{}',            -- {request_id, traceparent} of the request that asked for it
    created_at    timestamptz NOT NULL DEFAULT now(),
    attempted_at  timestamptz,
    finished_at   timestamptz,
    CONSTRAINT jobs_state_known CHECK (state IN ('new', 'in_progress', 'retried', 'finished', 'failed', 'cancelled')),
    CONSTRAINT jobs_running_is_leased CHECK ((state = 'in_progress') = (lease_token IS NOT NULL)),
    CONSTRAINT jobs_ended_has_time CHECK ((state IN ('finished', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT jobs_errors_is_list CHECK (jsonb_typeof(errors) = 'array'),
    CONSTRAINT jobs_meta_is_object CHECK (jsonb_typeof(meta) = 'object')
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX jobs_ready ON jobs.jobs (queue, scheduled_at, id) WHERE state IN ('new', 'retried');
CREATE INDEX jobs_running ON jobs.jobs (lease_token) WHERE state = 'in_progress';
CREATE INDEX jobs_done ON jobs.jobs (finished_at) WHERE state IN ('finished', 'cancelled');
CREATE INDEX jobs_failed ON jobs.jobs (finished_at DESC) WHERE state = 'failed';
CREATE UNIQUE INDEX jobs_unique ON jobs.jobs (kind, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('new', 'retried', 'in_progress');

-- Worker processes and when they were last heard of. One that is silent for longer than its lease loses its row, and
-- with it its jobs: a job in progress whose lease has no row here is given back by the reaper.
CREATE TABLE jobs.workers (
    token        uuid        PRIMARY KEY,
    hostname     text        NOT NULL,
    pid          integer     NOT NULL,
    queues       text[]      NOT NULL,
    lease_ms     bigint      NOT NULL CHECK (lease_ms > 0),
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Periodic jobs: ticked by every process that knows the kind, under SKIP LOCKED, one job for each slot.
CREATE TABLE jobs.schedules (
    kind       text        PRIMARY KEY,
    queue      text        NOT NULL,
    args       jsonb       NOT NULL,
    every_ms   bigint      NOT NULL CHECK (every_ms > 0),
    next_at    timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz,                                     -- the slot of the last job
    updated_at timestamptz NOT NULL DEFAULT now()               -- when a process last vouched for it
);
