-- Dedup's own tables (seed 002): what sources say (insights), which of them look alike (neighbours, clusters), what
-- people said of those (decisions, pairs), and what models thought (pair_predictions). In the schema and with the names
-- that the seed's SQL uses.
CREATE EXTENSION IF NOT EXISTS vector;

-- ---------------------------------------------------------------- insights and where they come from

CREATE TABLE sources (
    id          text COLLATE "C" PRIMARY KEY,     -- src_…, derived from the name
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE insights (
    id               text COLLATE "C" PRIMARY KEY,  -- ins_…, derived from the normalised statement
    number           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,  -- in the order in which they came, with gaps
    statement        text NOT NULL,               -- normalised; may hold personal data
    embedding        vector,                      -- of length 1; of embedding_model's dimensions
    embedding_model  text COLLATE "C",            -- name@version; vectors of different ones are never compared
    compared         boolean NOT NULL DEFAULT false,  -- its neighbours among the insights compared so far are known
    merged_into      text COLLATE "C" REFERENCES insights (id),  -- the same thing, said earlier: people approved it, or
    created_at       timestamptz NOT NULL DEFAULT now(),         -- a model merged it and no person has parted them
    CHECK ((embedding IS NULL) = (embedding_model IS NULL)),
    CHECK (merged_into <> id)
);
CREATE INDEX insights_not_compared ON insights (number) WHERE NOT compared;
CREATE INDEX insights_by_model ON insights (embedding_model);
CREATE INDEX insights_merged ON insights (merged_into) WHERE merged_into IS NOT NULL;

-- A statement that was merged by a model when it came in: no insight, unless a person looks at the merge.
CREATE TABLE merged_statements (
    id               text COLLATE "C" PRIMARY KEY,  -- the id of the insight that it would be
    insight_id       text COLLATE "C" NOT NULL REFERENCES insights (id),  -- what it was merged with
    statement        text NOT NULL,
    embedding        vector NOT NULL,
    embedding_model  text COLLATE "C" NOT NULL,
    prediction_id    text COLLATE "C" REFERENCES predictions (id),  -- why
    confidence       real NOT NULL,
    at               timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX merged_statements_by_insight ON merged_statements (insight_id);
CREATE INDEX merged_statements_by_model ON merged_statements (embedding_model);

-- New vectors of statements (insights and merged ones) while all are embedded anew: they are swapped in together.
CREATE TABLE reembedded (
    id               text COLLATE "C" PRIMARY KEY,  -- of the insight, or the merged statement
    embedding        vector NOT NULL,
    embedding_model  text COLLATE "C" NOT NULL
);

CREATE TABLE insight_sources (
    insight_id   text COLLATE "C" NOT NULL REFERENCES insights (id),
    source_id    text COLLATE "C" NOT NULL REFERENCES sources (id),
    run_id       text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,  -- the job that took it in
    locator      text NOT NULL,                   -- where in the source
    merged_from  text COLLATE "C" REFERENCES merged_statements (id),  -- it said this, which was merged
    at           timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (insight_id, source_id, locator, merged_from)
);
CREATE INDEX insight_sources_by_source ON insight_sources (source_id);
CREATE INDEX insight_sources_merged ON insight_sources (merged_from) WHERE merged_from IS NOT NULL;

-- Statements that were taken in and are not insights yet. What became of them is told when all of a run's are through.
CREATE TABLE incoming_statements (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      text COLLATE "C" NOT NULL REFERENCES jobs (id),  -- the job that took it in
    insight_id  text COLLATE "C" NOT NULL,
    statement   text NOT NULL,
    source_id   text COLLATE "C" NOT NULL REFERENCES sources (id),
    locator     text NOT NULL,
    outcome     text CHECK (outcome IN ('new', 'known', 'merged', 'proposed')),  -- NULL: it waits
    UNIQUE (run_id, insight_id, source_id, locator)
);
CREATE INDEX incoming_statements_waiting ON incoming_statements (run_id, number) WHERE outcome IS NULL;

-- ---------------------------------------------------------------- clusters

-- Pairs of insights that are similar enough to be looked at.
CREATE TABLE neighbours (
    a                text COLLATE "C" NOT NULL REFERENCES insights (id),
    b                text COLLATE "C" NOT NULL REFERENCES insights (id),
    similarity       real NOT NULL,               -- cosine
    embedding_model  text COLLATE "C" NOT NULL,
    PRIMARY KEY (a, b),
    CHECK (a < b)
);
CREATE INDEX neighbours_b ON neighbours (b);

-- Which neighbours are known: all pairs of compared insights from this similarity on, but of each insight no more than
-- the closest so many among those that came before it.
CREATE TABLE neighbour_scans (
    embedding_model  text COLLATE "C" PRIMARY KEY,
    threshold        real NOT NULL,
    max_neighbours   integer NOT NULL CHECK (max_neighbours > 0)
);

CREATE TABLE clusters (
    id                 text COLLATE "C" PRIMARY KEY,  -- cl_…
    origin             text NOT NULL CHECK (origin IN ('clustering', 'ingest')),  -- ingest: a proposal about a new insight
    state              text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'decided', 'retired')),
    embedding_model    text COLLATE "C" NOT NULL,
    linkage            text CHECK (linkage IN ('complete', 'average')),  -- NULL: a proposal
    threshold          real,
    similarity_min     real NOT NULL,             -- over the pairs of its members
    similarity_mean    real NOT NULL,
    similarity_max     real NOT NULL,
    merge_probability  real,                      -- mean over its pairs, where a model was asked
    prediction_id      text COLLATE "C" REFERENCES predictions (id),  -- of a proposal: why it was made
    job_id             text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX clusters_open ON clusters (similarity_mean, id) WHERE state = 'open' AND merge_probability IS NULL;
CREATE INDEX clusters_open_asked ON clusters (merge_probability, id) WHERE state = 'open' AND merge_probability IS NOT NULL;

-- Members of a cluster that somebody has answered (state decided, or a standing response) never change.
CREATE TABLE cluster_members (
    cluster_id  text COLLATE "C" NOT NULL REFERENCES clusters (id) ON DELETE CASCADE,
    insight_id  text COLLATE "C" NOT NULL REFERENCES insights (id),
    PRIMARY KEY (cluster_id, insight_id)
);
CREATE INDEX cluster_members_by_insight ON cluster_members (insight_id);

-- ---------------------------------------------------------------- what people said

-- The responses of people to clusters and to merges that a model made (item_id: a cluster's or a statement's id).
CREATE VIEW decisions AS
    SELECT id,
           kind,
           item_id AS cluster_id,
           decision ->> 'decision' AS decision,   -- approve, partial, reject
           coalesce(decision -> 'subset', '[]'::jsonb) AS subset,
           reviewer AS person,
           blind,
           at,
           retracted_at
    FROM review_responses
    WHERE pipeline = 'dedup';

-- What each standing response says of each pair. Derived: written and removed with the response.
CREATE TABLE pair_votes (
    a            text COLLATE "C" NOT NULL REFERENCES insights (id),
    b            text COLLATE "C" NOT NULL REFERENCES insights (id),
    decision_id  text COLLATE "C" NOT NULL REFERENCES review_responses (id),
    item_id      text COLLATE "C" NOT NULL,       -- the cluster, or the merged statement
    label        text NOT NULL CHECK (label IN ('merge', 'separate')),
    person       text NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (a, b, decision_id),
    CHECK (a < b)
);
CREATE INDEX pair_votes_b ON pair_votes (b);
CREATE INDEX pair_votes_by_item ON pair_votes (item_id);

-- The labels: pairs on which enough people agree (policy.toml). Derived from pair_votes in the same transaction. The
-- only source of training data; no model writes here.
CREATE TABLE pairs (
    id           text COLLATE "C" PRIMARY KEY,    -- ex_…, derived from a and b
    a            text COLLATE "C" NOT NULL REFERENCES insights (id),
    b            text COLLATE "C" NOT NULL REFERENCES insights (id),
    label        text NOT NULL CHECK (label IN ('merge', 'separate')),
    cluster_id   text COLLATE "C" NOT NULL,       -- provenance: the latest response that says so
    decision_id  text COLLATE "C" NOT NULL REFERENCES review_responses (id),
    person       text NOT NULL,
    at           timestamptz NOT NULL,
    component    text COLLATE "C" NOT NULL,       -- the smallest id among all insights that decided pairs connect
    conflict     boolean NOT NULL DEFAULT false,  -- it is part of a contradiction (pair_conflicts)
    UNIQUE (a, b),
    CHECK (a < b)
);
CREATE INDEX pairs_b ON pairs (b);
CREATE INDEX pairs_by_component ON pairs (component);
CREATE INDEX pairs_by_time ON pairs (at);
COMMENT ON TABLE pairs IS 'Ground truth from people. The only source of dedup''s training data.';

-- Two insights that people keep separate, and a chain of merges that makes them one.
CREATE TABLE pair_conflicts (
    a          text COLLATE "C" NOT NULL,
    b          text COLLATE "C" NOT NULL,
    chain      text[] NOT NULL,                   -- ids from a to b, each merged with the next; the shortest
    component  text COLLATE "C" NOT NULL,
    found_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (a, b),
    FOREIGN KEY (a, b) REFERENCES pairs (a, b) ON DELETE CASCADE
);

-- The shape in which the loop reads labelled examples. The similarity is of today's vectors, as a model is asked with it.
CREATE VIEW dedup_examples AS
    SELECT p.id,
           'default'::text AS surface,
           p.component AS "group",
           jsonb_build_object(
               'a', i.statement, 'b', j.statement,
               'similarity', CASE WHEN i.embedding_model = j.embedding_model
                                  THEN round((1 - (i.embedding <=> j.embedding))::numeric, 4) END
           ) AS input,
           p.label,
           p.at
    FROM pairs p JOIN insights i ON i.id = p.a JOIN insights j ON j.id = p.b
    WHERE NOT p.conflict;
GRANT SELECT ON dedup_examples TO tuneyard_trainer;

-- ---------------------------------------------------------------- what models said

-- What a prediction was about; the ids need not be insights: a statement can be checked before, or without, being one.
CREATE TABLE pair_predictions (
    prediction_id      text COLLATE "C" PRIMARY KEY REFERENCES predictions (id),
    insight1_id        text COLLATE "C" NOT NULL,
    insight2_id        text COLLATE "C" NOT NULL,
    similarity_score   real NOT NULL,
    prediction         boolean NOT NULL,          -- to be merged
    merge_probability  real NOT NULL CHECK (merge_probability BETWEEN 0 AND 1),
    CHECK (insight1_id < insight2_id)
);
CREATE INDEX pair_predictions_by_pair ON pair_predictions (insight1_id, insight2_id, prediction_id DESC);
COMMENT ON TABLE pair_predictions IS 'Prediction log. Never trained on: the training role cannot read it.';

-- The seed's own names and columns. What people decide, and take back, shows here by itself.
CREATE VIEW model_predictions AS
    SELECT p.id,
           p.model_id,
           pp.insight1_id,
           pp.insight2_id,
           pp.prediction,
           p.confidence,
           pp.similarity_score,
           p.path,
           pairs.label = 'merge' AS actual_label,
           (pairs.label = 'merge') = pp.prediction AS is_correct,
           p.created_at
    FROM pair_predictions pp
    JOIN predictions p ON p.id = pp.prediction_id
    LEFT JOIN pairs ON pairs.a = pp.insight1_id AND pairs.b = pp.insight2_id AND NOT pairs.conflict;

CREATE VIEW deduplication_models AS
    SELECT m.id,
           row_number() OVER (ORDER BY m.created_at, m.id)::integer AS version,  -- the seed's modelVersion
           m.version AS model_version,
           m.parameters ->> 'provider' AS provider,
           m.parameters ->> 'base_model' AS base_model,
           m.parameters ->> 'provider_model' AS provider_model,
           (SELECT j.provider_job_id FROM provider_jobs j
            WHERE j.pipeline = m.pipeline AND j.fine_tuned_model = m.parameters ->> 'provider_model'
            ORDER BY j.id DESC LIMIT 1) AS fine_tune_job_id,
           m.job_id,
           m.state = 'active' AS is_active,
           (SELECT max(t.at) FROM promotions t WHERE t.to_model = m.id) AS activated_at,
           m.metrics,
           m.created_at
    FROM models m
    WHERE m.pipeline = 'dedup';

-- Thresholds that a person put in the place of policy.toml's. The latest counts.
CREATE TABLE dedup_thresholds (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    auto_merge     real NOT NULL,                 -- confidence from which auto merges
    propose        real NOT NULL,                 -- confidence from which a person is asked
    evaluation_id  text COLLATE "C" REFERENCES evaluations (id),  -- whose curve proposed them
    actor          text NOT NULL,
    reason         text NOT NULL,
    at             timestamptz NOT NULL DEFAULT now(),
    CHECK (0 < propose AND propose <= auto_merge AND auto_merge <= 1)
);

CREATE OR REPLACE VIEW example_origins AS
    SELECT id, 'router'::text AS pipeline, label, source, labelled_by, labelled_at, query_id AS prediction_id
    FROM ml_data
    UNION ALL
    SELECT example_id, 'gold'::text, 'gold'::text, origin, labelled_by, labelled_at, NULL::text
    FROM ml.gold
    UNION ALL
    SELECT n.id, 'gold'::text, 'negative'::text, n.origin, n.labelled_by, n.labelled_at, o.prediction_id
    FROM ml.negatives n JOIN ml.offenders o ON o.id = n.offender_id
    UNION ALL
    SELECT id, 'stages'::text, 'approved'::text, source, decided_by, decided_at, NULL::text
    FROM stage_rows WHERE approved
    UNION ALL
    SELECT p.id, 'dedup'::text, p.label, 'decision'::text, p.person, p.at, pp.prediction_id
    FROM pairs p LEFT JOIN pair_predictions pp ON pp.insight1_id = p.a AND pp.insight2_id = p.b
    WHERE NOT p.conflict;
