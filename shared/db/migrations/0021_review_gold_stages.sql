-- People conclude from snapshots and decide on the stages' rows one by one. What they say is a response like any other
-- (review_responses); here is what the two pipelines derive from it, and what an undo brings back.

-- ---------------------------------------------------------------- gold

-- The response that says so, and the row whose place it took (a machine's draft). NULL: it came another way, by a file.
ALTER TABLE ml.gold
    ADD COLUMN response_id text COLLATE "C" REFERENCES review_responses (id),
    ADD COLUMN replaced jsonb,
    ADD CHECK (replaced IS NULL OR response_id IS NOT NULL);

CREATE INDEX answers_of_example ON ml.answers (example_id, created_at DESC, id DESC) WHERE example_id IS NOT NULL;

-- How unsure the latest answer to an example, or the machine's draft, was: 0 broke a rule, then low, medium, high;
-- 4: nothing has answered yet.
CREATE FUNCTION ml.doubt_of(example text) RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        least(
            (SELECT CASE WHEN a.faults <> '[]'::jsonb THEN 0
                         ELSE array_position(ARRAY['low', 'medium', 'high'], a.answer ->> 'confidence') END
             FROM ml.answers a WHERE a.example_id = example ORDER BY a.created_at DESC, a.id DESC LIMIT 1),
            (SELECT array_position(ARRAY['low', 'medium', 'high'],
                                   CASE g.origin WHEN 'machine' THEN g.confidence ELSE g.replaced ->> 'confidence' END)
             FROM ml.gold g WHERE g.example_id = example)
        ),
        4)::smallint
$$;

-- Kept right in the transactions that change answers and conclusions, so that the queue is a walk along an index.
ALTER TABLE ml.examples
    ADD COLUMN waits boolean NOT NULL DEFAULT true,    -- no person's conclusion is approved, or too few have responded
    ADD COLUMN doubt smallint NOT NULL DEFAULT 4;      -- ml.doubt_of
UPDATE ml.examples e
SET doubt = ml.doubt_of(e.id),
    waits = NOT EXISTS (SELECT FROM ml.gold g
                        WHERE g.example_id = e.id AND g.origin = 'human' AND g.status = 'approved');
CREATE INDEX examples_waiting ON ml.examples (doubt, window_to DESC, id) WHERE waits;

-- ---------------------------------------------------------------- stages

ALTER TABLE stage_rows
    -- the row on which a person decided in a review: itself, or the one whose answer that person rewrote to this one
    ADD COLUMN reviewed_as text COLLATE "C" REFERENCES stage_rows (id),
    ADD COLUMN industry_before text,                   -- what the industry was before that
    ADD COLUMN wants_more boolean NOT NULL DEFAULT false,  -- decided, but too few people have responded
    ADD COLUMN doubt smallint NOT NULL GENERATED ALWAYS AS (
        CASE output ->> 'confidence' WHEN 'low' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END) STORED,
    ADD CHECK (reviewed_as IS NULL OR approved IS NOT NULL);
CREATE INDEX stage_rows_reviewed ON stage_rows (reviewed_as) WHERE reviewed_as IS NOT NULL;
CREATE INDEX stage_rows_unsure ON stage_rows (doubt, created_at, id) WHERE approved IS NULL OR wants_more;
