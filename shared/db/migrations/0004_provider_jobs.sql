-- Fine-tunes at a provider. A row is a run: one thing that we mean to pay for once, whoever asks for it how often.

CREATE TABLE provider_jobs (
    id                text COLLATE "C" PRIMARY KEY,  -- pj_…; the provider's metadata carry it as tuneyard_run
    job_id            text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,  -- the job that drives it now
    request_hash      text NOT NULL,                 -- equal requests have equal hashes
    state             text NOT NULL DEFAULT 'preflight' CHECK (state IN (
                          'preflight', 'upload', 'creating', 'create_unknown', 'polling',
                          'succeeded', 'failed', 'failed_after_training', 'cancelled', 'provider_closed')),
    -- what is asked, of whom
    pipeline          text NOT NULL,
    surface           text NOT NULL,
    dataset_id        text COLLATE "C" NOT NULL REFERENCES datasets (id),
    provider          text NOT NULL,                 -- openai, local, or a host
    server            text NOT NULL,                 -- the same, with the address where a host may have several
    base_model        text NOT NULL,
    method            text NOT NULL,
    suffix            text NOT NULL,
    seed              bigint,
    hyperparameters   jsonb NOT NULL DEFAULT '{}',
    files             jsonb NOT NULL,                -- the stored training file and manifest (shared/files.py)
    file_sha256       text NOT NULL,
    row_count         bigint NOT NULL,
    tokens            bigint NOT NULL,               -- to be trained on, all epochs, by our estimate
    estimated_usd     double precision NOT NULL,
    -- paying once
    file_id           text,                          -- uploaded for this run alone
    creates           integer NOT NULL DEFAULT 0,    -- requests to create it that may have been accepted
    creating_since    timestamptz,                   -- the last of them
    empty_lists       integer NOT NULL DEFAULT 0,    -- lists since then that did not show the job
    parked_at         timestamptz,                   -- waits for a person
    cancel_requested  boolean NOT NULL DEFAULT false,
    -- what the provider says
    provider_job_id   text,
    provider_status   text,
    fine_tuned_model  text,
    trained_tokens    bigint,
    cost_usd          double precision,
    error             jsonb,
    events_at         timestamptz,                   -- when its events were last asked for
    last_seen_at      timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz,
    CHECK ((state IN ('succeeded', 'failed', 'failed_after_training', 'cancelled', 'provider_closed'))
           = (finished_at IS NOT NULL)),
    CHECK (state NOT IN ('polling', 'succeeded') OR provider_job_id IS NOT NULL)
);
-- An identical request finds the run that stands for it, under way or succeeded; only a dead one makes room.
CREATE UNIQUE INDEX provider_jobs_request ON provider_jobs (request_hash)
    WHERE state IN ('preflight', 'upload', 'creating', 'create_unknown', 'polling', 'succeeded');
CREATE UNIQUE INDEX provider_jobs_theirs ON provider_jobs (server, provider_job_id) WHERE provider_job_id IS NOT NULL;
CREATE INDEX provider_jobs_open ON provider_jobs (server, created_at)
    WHERE state IN ('preflight', 'upload', 'creating', 'create_unknown', 'polling');
CREATE INDEX provider_jobs_by_job ON provider_jobs (job_id);

CREATE TABLE provider_events (
    run_id   text COLLATE "C" NOT NULL REFERENCES provider_jobs (id) ON DELETE CASCADE,
    event_id text NOT NULL,                          -- the provider's
    at       timestamptz NOT NULL,                   -- the provider's, to the second
    level    text NOT NULL,
    message  text NOT NULL,
    step     integer,
    loss     double precision,
    data     jsonb NOT NULL DEFAULT '{}',            -- figures only
    PRIMARY KEY (run_id, event_id)
);
