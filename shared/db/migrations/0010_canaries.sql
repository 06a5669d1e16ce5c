-- Who answers besides the active model: a candidate that has a share of the traffic, or the fallback on purpose.

-- At most one canary of a surface runs (ended_at IS NULL); those that ended stay, for their report.
CREATE TABLE canaries (
    id          text COLLATE "C" PRIMARY KEY,
    pipeline    text NOT NULL,
    surface     text NOT NULL,
    model_id    text COLLATE "C" NOT NULL REFERENCES models (id),
    active_id   text COLLATE "C" REFERENCES models (id),   -- whom it shares with; NULL: the fallback
    percent     integer NOT NULL CHECK (percent BETWEEN 1 AND 100),
    actor       text NOT NULL,
    reason      text NOT NULL,
    job_id      text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    ended_by    text,
    ended_why   text,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE UNIQUE INDEX canaries_one_runs ON canaries (pipeline, surface) WHERE ended_at IS NULL;
CREATE INDEX canaries_by_surface ON canaries (pipeline, surface, id DESC);

-- The answers of both to the same input, which is here by its hash only: each input of a canary's share once.
CREATE TABLE canary_pairs (
    canary_id          text COLLATE "C" NOT NULL REFERENCES canaries (id) ON DELETE CASCADE,
    key                text COLLATE "C" NOT NULL,
    canary_path        text NOT NULL,
    canary_confidence  real NOT NULL,
    canary_output      jsonb NOT NULL,
    active_path        text NOT NULL,
    active_confidence  real NOT NULL,
    active_output      jsonb NOT NULL,
    agreement          real NOT NULL CHECK (agreement BETWEEN 0 AND 1),  -- share of the fields that are equal
    at                 timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (canary_id, key)
);
COMMENT ON TABLE canary_pairs IS 'Prediction log. Never trained on: the training role cannot read it.';

-- Surfaces that answer with their fallback whatever model is active. Past pins stay, with who ended them.
CREATE TABLE pins (
    id          text COLLATE "C" PRIMARY KEY,
    pipeline    text NOT NULL,
    surface     text NOT NULL,
    actor       text NOT NULL,
    reason      text NOT NULL,
    job_id      text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    pinned_at   timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    ended_by    text,
    ended_why   text,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE UNIQUE INDEX pins_one_holds ON pins (pipeline, surface) WHERE ended_at IS NULL;
