-- The spine: jobs and their events, schedules, datasets, models, promotions, predictions, keys.
-- The router's own tables are in 0002. Every statement runs in one transaction with its entry in schema_migrations.

-- ids are text in byte order, so that they sort the same here and in Python
-- ---------------------------------------------------------------- jobs

CREATE TYPE job_state AS ENUM ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled');

CREATE TABLE jobs (
    id            text COLLATE "C" PRIMARY KEY,
    kind          text NOT NULL,                 -- the step, as router.train
    queue         text NOT NULL,
    params        jsonb NOT NULL,
    actor         text NOT NULL,                 -- who asked
    state         job_state NOT NULL DEFAULT 'queued',
    attempt       integer NOT NULL DEFAULT 0,    -- fencing token: grows with every claim
    failures      integer NOT NULL DEFAULT 0,    -- attempts that failed or were lost
    max_attempts  integer NOT NULL,
    run_at        timestamptz NOT NULL DEFAULT now(),  -- not before; year 9999 while a flow's children run
    lease_until   timestamptz,                   -- while running: whose time is up is rescued
    worker        text,
    cancel_requested boolean NOT NULL DEFAULT false,
    sent_at       timestamptz,                   -- last wake-up handed to the broker; NULL: the relay sends it
    unique_key    text,
    parent_id     text COLLATE "C" REFERENCES jobs (id),
    position      integer,                       -- place among the parent's steps, from 0
    progress      real NOT NULL DEFAULT 0,
    message       text NOT NULL DEFAULT '',
    counters      jsonb NOT NULL DEFAULT '{}',
    result        jsonb,
    error         jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK ((parent_id IS NULL) = (position IS NULL))
);
CREATE UNIQUE INDEX jobs_unique_key ON jobs (unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('queued', 'running', 'waiting');
CREATE UNIQUE INDEX jobs_children ON jobs (parent_id, position) WHERE parent_id IS NOT NULL;
CREATE INDEX jobs_due ON jobs (run_at) WHERE state IN ('queued', 'waiting');
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_by_kind ON jobs (kind, id DESC);

CREATE TABLE job_events (
    job_id   text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq      bigint GENERATED ALWAYS AS IDENTITY, -- grows within a job: every writer holds the job's row lock
    attempt  integer NOT NULL,
    type     text NOT NULL,                       -- a state, or progress, rescued, retry, cancel-requested, alert
    message  text NOT NULL DEFAULT '',
    data     jsonb NOT NULL DEFAULT '{}',
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE schedule_slots (
    entry    text NOT NULL,
    slot     bigint NOT NULL,                     -- whole periods since the entry's slot 0
    at       timestamptz NOT NULL DEFAULT now(),
    job_id   text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    PRIMARY KEY (entry, slot)
);

-- What does not belong to one job but must be seen: an unreadable model, a lost part.
CREATE TABLE alerts (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind     text NOT NULL,
    subject  text NOT NULL,
    message  text NOT NULL,
    data     jsonb NOT NULL DEFAULT '{}',
    at       timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------- front

CREATE TABLE api_keys (
    id          text COLLATE "C" PRIMARY KEY,
    name        text NOT NULL,
    hash        bytea NOT NULL UNIQUE,            -- SHA-256 of a 256-bit random key: nothing to guess
    scopes      text[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);

CREATE TABLE idempotency_keys (
    actor         text NOT NULL,
    key           text NOT NULL,
    request_hash  bytea NOT NULL,
    job_id        text COLLATE "C",               -- no foreign key: claimed just before its job is written
    status        integer,                        -- the stored answer of a POST that is no job
    body          jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- ---------------------------------------------------------------- loop

CREATE TABLE datasets (
    id           text COLLATE "C" PRIMARY KEY,    -- derived from its rows, seed and split policy
    pipeline     text NOT NULL,
    surface      text NOT NULL,
    manifest     text NOT NULL,                   -- SHA-256 of the artifact's manifest
    row_count    bigint NOT NULL,
    split_counts jsonb NOT NULL,                  -- {"train": n, "test": m}
    seed         bigint NOT NULL,
    job_id       text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX datasets_by_pipeline ON datasets (pipeline, surface, created_at DESC);

CREATE TABLE models (
    id          text COLLATE "C" PRIMARY KEY,
    pipeline    text NOT NULL,
    surface     text NOT NULL,
    version     text NOT NULL,                    -- as v20260101_120000
    state       text NOT NULL DEFAULT 'candidate' CHECK (state IN ('candidate', 'active', 'retired')),
    manifest    text NOT NULL,                    -- SHA-256 of the artifact's manifest: the model's hash
    dataset_id  text COLLATE "C" NOT NULL REFERENCES datasets (id),
    job_id      text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    parameters  jsonb NOT NULL,
    libraries   jsonb NOT NULL,
    metrics     jsonb NOT NULL DEFAULT '{}',      -- of its latest evaluation, by window
    card        text,                             -- SHA-256 of the model card
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (pipeline, surface, version)
);
CREATE UNIQUE INDEX models_one_active ON models (pipeline, surface) WHERE state = 'active';

CREATE TABLE evaluations (
    id          text COLLATE "C" PRIMARY KEY,
    model_id    text COLLATE "C" NOT NULL REFERENCES models (id),
    active_id   text COLLATE "C" REFERENCES models (id),   -- what it was compared with
    dataset_id  text COLLATE "C" NOT NULL REFERENCES datasets (id),
    job_id      text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    metrics     jsonb NOT NULL,                   -- {window: {"rows": n, "candidate": {...}, "active": {...} | null}}
    verdicts    jsonb NOT NULL,
    report      text NOT NULL,                    -- SHA-256 of the report
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX evaluations_by_model ON evaluations (model_id, created_at DESC);

CREATE TABLE promotions (
    id             text COLLATE "C" PRIMARY KEY,
    pipeline       text NOT NULL,
    surface        text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('promote', 'activate', 'rollback', 'deactivate')),
    from_model     text COLLATE "C" REFERENCES models (id),
    to_model       text COLLATE "C" REFERENCES models (id),
    evaluation_id  text COLLATE "C" REFERENCES evaluations (id),
    verdicts       jsonb NOT NULL DEFAULT '[]',
    actor          text NOT NULL,
    reason         text NOT NULL,
    job_id         text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX promotions_by_surface ON promotions (pipeline, surface, id DESC);
CREATE INDEX promotions_by_model ON promotions (to_model);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'promotions are append-only: roll back by a new promotion' USING ERRCODE = 'insufficient_privilege';
END $$;
-- job_id may still be cleared when old jobs are deleted; nothing else may change
CREATE TRIGGER promotions_append_only BEFORE UPDATE OF id, pipeline, surface, kind, from_model, to_model,
    evaluation_id, verdicts, actor, reason, at OR DELETE ON promotions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The input of a prediction may hold personal data: it is in the pipeline's own table (router: queries), not here.
CREATE TABLE predictions (
    id          text COLLATE "C" PRIMARY KEY,
    pipeline    text NOT NULL,
    surface     text NOT NULL,
    model_id    text COLLATE "C" REFERENCES models (id),
    path        text NOT NULL,
    confidence  real NOT NULL,
    output      jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX predictions_by_model ON predictions (model_id, id DESC);

-- ---------------------------------------------------------------- the label firewall

-- Training data is read as this role. It is granted label views, one by one, and nothing else:
-- a model is trained on what people said, never on what a model said.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tuneyard_trainer') THEN
        CREATE ROLE tuneyard_trainer NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of this server made it at the same moment
END $$;
GRANT USAGE ON SCHEMA public TO tuneyard_trainer;
DO $$
BEGIN
    EXECUTE format('GRANT tuneyard_trainer TO %I', current_user);
END $$;
