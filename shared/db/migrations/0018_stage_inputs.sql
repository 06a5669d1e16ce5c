-- The same input may come in under several businesses, which fall into both splits: then a model would be judged on what
-- it was trained on. So an input counts for one business, the first by its key; rows of the others are no examples.

ALTER TABLE stage_rows ADD COLUMN input_hash uuid NOT NULL GENERATED ALWAYS AS (md5(input::text)::uuid) STORED;

-- Rows that may be trained on, but for that: approved, with an industry, of the contracts of today.
CREATE VIEW stage_rows_current AS
    SELECT id, stage, industry, group_key, input, output, decided_at, input_hash
    FROM stage_rows
    WHERE approved
      AND industry IS NOT NULL
      AND input ->> 'schema_version' = 'stage_input_' || stage || '_v1'
      AND output ->> 'schema_version' = stage || '_v1';
CREATE INDEX stage_rows_inputs ON stage_rows (stage, input_hash, group_key) WHERE approved;

-- Those that another business stands for, with the same input.
CREATE VIEW stage_rows_repeated AS
    SELECT id, stage
    FROM stage_rows_current r
    WHERE EXISTS (
        SELECT FROM stage_rows_current first
        WHERE first.stage = r.stage AND first.input_hash = r.input_hash AND first.group_key < r.group_key
    );

CREATE OR REPLACE VIEW stages_examples AS
    SELECT id,
           stage AS surface,
           group_key AS "group",
           input,
           jsonb_build_object('industry', industry, 'output', output) AS label,
           decided_at AS at
    FROM stage_rows_current r
    WHERE NOT EXISTS (
        SELECT FROM stage_rows_current first
        WHERE first.stage = r.stage AND first.input_hash = r.input_hash AND first.group_key < r.group_key
    );
