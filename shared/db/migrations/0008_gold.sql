-- Gold's own tables (seed 000), in a schema of the seed's name: snapshots of a business, what people concluded from
-- them, and what a model said that broke a rule. No column holds text of a report: snapshots are counts and bands.
CREATE SCHEMA ml;

CREATE TABLE ml.examples (
    id           text COLLATE "C" PRIMARY KEY,    -- derived from the snapshot: the same after any reset
    snapshot     jsonb NOT NULL,
    group_key    text NOT NULL,                   -- windows that overlap share it, so no split parts them
    window_from  date NOT NULL,
    window_to    date NOT NULL,
    reports      text NOT NULL,                   -- hash of the reports that it was read from last
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX examples_by_window ON ml.examples (window_to, window_from, id);

-- One conclusion for one example. What a person says replaces what a rule or another person said, never the reverse.
CREATE TABLE ml.gold (
    example_id            text COLLATE "C" PRIMARY KEY REFERENCES ml.examples (id) ON DELETE CASCADE,
    decision              text NOT NULL,
    boundary              text NOT NULL,
    why_this_now          text NOT NULL,
    one_sentence_pattern  text NOT NULL,
    confidence            text NOT NULL CHECK (confidence IN ('low', 'medium', 'high')),
    evidence              jsonb NOT NULL,         -- ["signals.<path>=<value>", ...]
    origin                text NOT NULL CHECK (origin IN ('human', 'machine')),
    status                text NOT NULL CHECK (status IN ('draft', 'approved')),
    labelled_by           text NOT NULL,
    labelled_at           timestamptz NOT NULL DEFAULT now(),
    approved_by           text,
    approved_at           timestamptz,
    CHECK ((status = 'approved') = (approved_at IS NOT NULL))
);

-- Every answer that was given or tried: of gold.infer (production) and of gold.smoke-test (smoke). Never trained on.
CREATE TABLE ml.answers (
    id             text COLLATE "C" PRIMARY KEY,  -- pred_… of a production answer; derived for a smoke answer
    source         text NOT NULL CHECK (source IN ('smoke', 'production')),
    prediction_id  text COLLATE "C" REFERENCES predictions (id),
    example_id     text COLLATE "C",              -- derived from the snapshot; it need not be among ml.examples
    snapshot       jsonb NOT NULL,
    model_id       text COLLATE "C" REFERENCES models (id),
    model          text NOT NULL,                 -- the provider's name of the model; empty: no model was asked
    first_text     text NOT NULL,                 -- what the model said first, before the guardrail
    faults         jsonb NOT NULL,                -- of the first text: [{"rule": ..., "message": ...}]
    answer         jsonb NOT NULL,                -- what was answered in the end
    path           text NOT NULL,
    job_id         text COLLATE "C",
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX answers_by_job ON ml.answers (job_id);
CREATE INDEX answers_at_fault ON ml.answers (created_at) WHERE faults <> '[]'::jsonb;
COMMENT ON TABLE ml.answers IS 'Prediction log. Never trained on: the training role cannot read it.';

-- First answers that broke a rule, each text to a snapshot once.
CREATE TABLE ml.offenders (
    id             text COLLATE "C" PRIMARY KEY,  -- derived from snapshot and text
    answer_id      text COLLATE "C" NOT NULL REFERENCES ml.answers (id),
    source         text NOT NULL CHECK (source IN ('smoke', 'production')),
    example_id     text COLLATE "C",
    snapshot       jsonb NOT NULL,
    rejected       text NOT NULL,
    faults         jsonb NOT NULL,
    model_id       text COLLATE "C",
    prediction_id  text COLLATE "C",
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- An offender with the answer that should have been given. Trained on once a person has approved the correction.
CREATE TABLE ml.negatives (
    id                    text COLLATE "C" PRIMARY KEY,  -- derived from the offender
    offender_id           text COLLATE "C" NOT NULL UNIQUE REFERENCES ml.offenders (id),
    snapshot              jsonb NOT NULL,
    group_key             text NOT NULL,
    rejected              text NOT NULL,
    decision              text NOT NULL,
    boundary              text NOT NULL,
    why_this_now          text NOT NULL,
    one_sentence_pattern  text NOT NULL,
    confidence            text NOT NULL CHECK (confidence IN ('low', 'medium', 'high')),
    evidence              jsonb NOT NULL,
    origin                text NOT NULL CHECK (origin IN ('human', 'machine')),  -- of the correction's text
    status                text NOT NULL CHECK (status IN ('draft', 'approved')),
    labelled_by           text NOT NULL,
    labelled_at           timestamptz NOT NULL DEFAULT now(),
    approved_by           text,
    approved_at           timestamptz,
    CHECK ((status = 'approved') = (approved_at IS NOT NULL))
);

-- The seed's names of frozen sets: train_v1 is the split `train` of a dataset, eval_v1 what people approved of `test`.
CREATE TABLE ml.freezes (
    name        text COLLATE "C" PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('train', 'eval')),
    version     integer NOT NULL CHECK (version > 0),
    dataset_id  text COLLATE "C" NOT NULL REFERENCES datasets (id),
    split       text NOT NULL CHECK (split IN ('train', 'test')),
    ids_hash    text NOT NULL,                    -- SHA-256 of the examples' ids, sorted, one a line
    count       bigint NOT NULL,
    job_id      text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, version),
    UNIQUE (kind, dataset_id)
);

-- The shape in which the loop reads labelled examples: what was approved. No person's name in it. A machine's draft has
-- no time of a person's decision; the window's end stands for it, so that a reset and reseed gives the same dataset.
CREATE VIEW gold_examples AS
    SELECT e.id,
           'default'::text AS surface,
           e.group_key AS "group",
           e.snapshot AS input,
           jsonb_build_object(
               'kind', 'gold', 'origin', g.origin, 'decision', g.decision, 'boundary', g.boundary,
               'why_this_now', g.why_this_now, 'one_sentence_pattern', g.one_sentence_pattern,
               'confidence', g.confidence, 'evidence', g.evidence
           ) AS label,
           CASE g.origin WHEN 'machine' THEN e.window_to::timestamp AT TIME ZONE 'UTC' ELSE g.labelled_at END AS at
    FROM ml.gold g JOIN ml.examples e ON e.id = g.example_id
    WHERE g.status = 'approved'
    UNION ALL
    SELECT n.id,
           'default'::text,
           n.group_key,
           n.snapshot,
           jsonb_build_object(
               'kind', 'negative', 'origin', n.origin, 'decision', n.decision, 'boundary', n.boundary,
               'why_this_now', n.why_this_now, 'one_sentence_pattern', n.one_sentence_pattern,
               'confidence', n.confidence, 'evidence', n.evidence, 'rejected', n.rejected
           ),
           n.labelled_at
    FROM ml.negatives n
    WHERE n.status = 'approved';
GRANT SELECT ON gold_examples TO tuneyard_trainer;

CREATE OR REPLACE VIEW example_origins AS
    SELECT id, 'router'::text AS pipeline, label, source, labelled_by, labelled_at, query_id AS prediction_id
    FROM ml_data
    UNION ALL
    SELECT example_id, 'gold'::text, 'gold'::text, origin, labelled_by, labelled_at, NULL::text
    FROM ml.gold
    UNION ALL
    SELECT n.id, 'gold'::text, 'negative'::text, n.origin, n.labelled_by, n.labelled_at, o.prediction_id
    FROM ml.negatives n JOIN ml.offenders o ON o.id = n.offender_id;
