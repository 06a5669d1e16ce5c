-- The router's own tables (seed 004): what was asked and answered, and apart from it what people said is true.

CREATE TABLE queries (
    id              text COLLATE "C" PRIMARY KEY REFERENCES predictions (id),
    query           text NOT NULL,                -- may hold personal data: leaves this table only as ground truth
    difficulty      text NOT NULL CHECK (difficulty IN ('EASY', 'MEDIUM', 'HARD', 'UNCERTAIN')),
    confidence      real NOT NULL,
    model_version   text,
    override        text CHECK (override IN ('EASY', 'MEDIUM', 'HARD')),
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE queries IS 'Inference log. Never trained on: the training role cannot read it.';

CREATE TABLE ml_data (
    id           text COLLATE "C" PRIMARY KEY,    -- derived from content: the same row, the same id, anywhere
    query        text NOT NULL,
    group_key    text NOT NULL,                   -- queries that must share a split share it
    label        text NOT NULL CHECK (label IN ('EASY', 'MEDIUM', 'HARD')),
    source       text NOT NULL CHECK (source IN ('feedback', 'override', 'import')),
    query_id     text COLLATE "C" REFERENCES queries (id),
    labelled_by  text NOT NULL,
    labelled_at  timestamptz NOT NULL DEFAULT now(),
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ml_data_query_id ON ml_data (query_id) WHERE query_id IS NOT NULL;
COMMENT ON TABLE ml_data IS 'Ground truth from people. The only source of the router''s training data.';

-- The shape in which the loop reads any pipeline's labelled examples. No person's name in it.
CREATE VIEW router_examples AS
    SELECT id, 'default'::text AS surface, group_key AS "group", query AS input, label, labelled_at AS at FROM ml_data;
GRANT SELECT ON router_examples TO tuneyard_trainer;

-- The seed's own name and columns.
CREATE VIEW model_metadata AS
    SELECT id,
           version,
           (metrics -> 'all' -> 'candidate' ->> 'accuracy')::double precision AS accuracy,
           (metrics -> 'all' -> 'candidate' ->> 'macro_f1')::double precision AS f1_score,
           (parameters ->> 'confidence_threshold')::double precision AS confidence_threshold,
           created_at AS training_timestamp,
           state = 'active' AS is_active,
           metrics,
           created_at
    FROM models
    WHERE pipeline = 'router';

-- Who said so, and about which answer: for lineage only. Another pipeline adds its examples with UNION ALL.
CREATE VIEW example_origins AS
    SELECT id, 'router'::text AS pipeline, label, source, labelled_by, labelled_at, query_id AS prediction_id
    FROM ml_data;
