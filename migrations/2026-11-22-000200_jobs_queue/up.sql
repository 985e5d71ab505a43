CREATE SCHEMA jobs;

CREATE TYPE jobs.job_state AS ENUM ('new', 'in_progress', 'retried', 'finished', 'failed', 'cancelled');

-- The queue. A job is inserted by the transaction that asks for it, claimed in one statement, and kept when it is dead.
CREATE TABLE jobs.jobs (
    id            bigint         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue         text           NOT NULL,
    kind          text           NOT NULL,
    args          jsonb          NOT NULL,
    state         jobs.job_state NOT NULL DEFAULT 'new',
    priority      smallint       NOT NULL DEFAULT 100,
    attempt       smallint       NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts  smallint       NOT NULL DEFAULT 20 CHECK (max_attempts > 0),
    scheduled_at  timestamptz    NOT NULL DEFAULT now(),
    lease_token   uuid,          -- the worker process that holds the job
    attempted_by  text,
    unique_key    text,
    errors        jsonb          NOT NULL DEFAULT '[]',
    meta          jsonb          NOT NULL DEFAULT '{}',
    created_at    timestamptz    NOT NULL DEFAULT now(),
    attempted_at  timestamptz,
    finished_at   timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX jobs_ready ON jobs.jobs (queue, priority, scheduled_at, id) WHERE state IN ('new', 'retried');
CREATE INDEX jobs_running ON jobs.jobs (lease_token) WHERE state = 'in_progress';
CREATE INDEX jobs_done ON jobs.jobs (finished_at) WHERE state IN ('finished', 'cancelled');
CREATE INDEX jobs_failed ON jobs.jobs (finished_at DESC) WHERE state = 'failed';
CREATE UNIQUE INDEX jobs_unique ON jobs.jobs (kind, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('new', 'retried', 'in_progress');

-- Worker processes and when they were last heard of. A job whose worker has gone silent is given back by the reaper.
CREATE TABLE jobs.workers (
    token        uuid        PRIMARY KEY,
    hostname     text        NOT NULL,
    pid          integer     NOT NULL,
    queues       text[]      NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Periodic jobs: ticked by every worker process under SKIP LOCKED, one job for each slot.
CREATE TABLE jobs.schedules (
    kind       text        PRIMARY KEY,
    queue      text        NOT NULL,
    args       jsonb       NOT NULL,
    every_ms   bigint      NOT NULL CHECK (every_ms > 0),
    next_at    timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
