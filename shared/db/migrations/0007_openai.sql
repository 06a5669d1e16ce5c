-- Our own API that speaks OpenAI's: files, and the fine-tuning jobs that run on our own queue. What a fine-tuning job is
-- doing is its Tuneyard job's state (table jobs): here is only what that table does not know.

CREATE TABLE openai_files (
    id          text COLLATE "C" PRIMARY KEY,     -- file-…, sorts by time
    filename    text NOT NULL,
    purpose     text NOT NULL CHECK (
        purpose IN ('assistants', 'batch', 'fine-tune', 'fine-tune-results', 'vision', 'user_data')
    ),
    sha256      text NOT NULL,                    -- of the bytes, which are a blob in the artifact store
    bytes       bigint NOT NULL,
    actor       text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    deleted_at  timestamptz                       -- the row stays: jobs name it
);
CREATE INDEX openai_files_kept ON openai_files (purpose, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE fine_tunes (
    id                text COLLATE "C" PRIMARY KEY,   -- ftjob-…, sorts by time
    job_id            text COLLATE "C" NOT NULL UNIQUE REFERENCES jobs (id),
    actor             text NOT NULL,
    base_model        text NOT NULL,
    method            text NOT NULL CHECK (method IN ('supervised', 'dpo')),
    training_file     text COLLATE "C" NOT NULL REFERENCES openai_files (id),
    validation_file   text COLLATE "C" REFERENCES openai_files (id),
    suffix            text,
    seed              bigint NOT NULL,
    hyperparameters   jsonb NOT NULL,                 -- as asked; what an engine chose itself is in the model's parameters
    metadata          jsonb,
    paused            boolean NOT NULL DEFAULT false,
    validated_at      timestamptz,                    -- the files were found good
    model_id          text COLLATE "C" REFERENCES models (id),
    fine_tuned_model  text UNIQUE,                    -- the name that completions ask for
    model_deleted_at  timestamptz,                    -- the registry keeps the model, for lineage
    trained_tokens    bigint,
    final_metrics     jsonb,                          -- step, loss and accuracy of the last step
    result_file       text COLLATE "C" REFERENCES openai_files (id),
    created_at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((model_id IS NULL) = (fine_tuned_model IS NULL))
);
CREATE INDEX fine_tunes_by_metadata ON fine_tunes USING gin (metadata jsonb_path_ops);
CREATE INDEX fine_tunes_by_model ON fine_tunes (model_id) WHERE model_id IS NOT NULL;
