-- The rows of the five stages (seed 001): what each stage was given, what it is to answer, and what a person said of it.

CREATE TABLE stage_rows (
    id           text COLLATE "C" PRIMARY KEY,    -- derived from stage, input and output: the same after any reset
    stage        text NOT NULL CHECK (stage IN (
                     'quant_signals', 'emyth_owner_load', 'competitive_lens', 'blue_ocean', 'synthesis_decision')),
    industry     text CHECK (industry ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*$'),  -- a tag; NULL: nobody has said
    group_key    text NOT NULL,                   -- the business: all its rows, of all stages, share a split
    input        jsonb NOT NULL,
    output       jsonb NOT NULL,
    source       text NOT NULL CHECK (source IN ('pack', 'import', 'edit')),
    pack         text,                            -- the pack that a model or the rules answered, for source pack
    answered_by  text,                            -- model_id or `rules`, for source pack
    edited_from  text COLLATE "C" REFERENCES stage_rows (id),  -- the row whose answer a person rewrote
    approved     boolean,                         -- NULL: no person has decided yet; false: rejected
    note         text,                            -- why, in that person's words; it leaves this table for that person's
    decided_by   text,                            -- review file only
    decided_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((approved IS NULL) = (decided_at IS NULL)),
    CHECK ((approved IS NULL) = (decided_by IS NULL)),
    CHECK (approved IS NULL OR note <> '')
);
CREATE INDEX stage_rows_approved ON stage_rows (stage, id) WHERE approved;
CREATE INDEX stage_rows_waiting ON stage_rows (stage, created_at, id) WHERE approved IS NULL;
CREATE INDEX stage_rows_edited ON stage_rows (edited_from) WHERE edited_from IS NOT NULL;

-- The shape in which the loop reads labelled examples: what a person approved, has an industry (what has none counts in
-- no gate, so it is not learned from either) and is of the contracts of today. No person's name or word in it.
CREATE VIEW stages_examples AS
    SELECT id,
           stage AS surface,
           group_key AS "group",
           input,
           jsonb_build_object('industry', industry, 'output', output) AS label,
           decided_at AS at
    FROM stage_rows
    WHERE approved
      AND industry IS NOT NULL
      AND input ->> 'schema_version' = 'stage_input_' || stage || '_v1'
      AND output ->> 'schema_version' = stage || '_v1';
GRANT SELECT ON stages_examples TO tuneyard_trainer;

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
    FROM stage_rows WHERE approved;
