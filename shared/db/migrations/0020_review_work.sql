-- What people do with items besides deciding: skip, send to rework, assign; and what an undo brings back.

-- ---------------------------------------------------------------- responses

-- The response that took the place of this one: when that one is undone, this one stands again.
ALTER TABLE review_responses ADD COLUMN replaced_by text COLLATE "C"
    REFERENCES review_responses (id) DEFERRABLE INITIALLY DEFERRED;  -- it comes after this one has made place
ALTER TABLE review_responses ADD CHECK (replaced_by IS NULL OR retracted_at IS NOT NULL);
CREATE UNIQUE INDEX review_responses_replaced ON review_responses (replaced_by) WHERE replaced_by IS NOT NULL;

-- The queue that asked: as a rule the kind; disagreements of pictures ask for ratings.
ALTER TABLE review_responses ADD COLUMN queue text;
UPDATE review_responses SET queue = kind;
ALTER TABLE review_responses ALTER COLUMN queue SET NOT NULL;
-- Whose comes first: what asks for an item must find no other index than the one that begins with pipeline, kind and
-- item, whatever the planner knows of the table yet. So the other one goes, too.
CREATE INDEX review_responses_pace ON review_responses (reviewer, pipeline, queue, at DESC) WHERE retracted_at IS NULL;
DROP INDEX review_responses_by_reviewer;

-- ---------------------------------------------------------------- work on items; kind: that of the responses

-- A person does not want to see an item now. It comes back after a day, or when nothing else waits.
CREATE TABLE review_skips (
    pipeline  text NOT NULL,
    kind      text NOT NULL,
    reviewer  text NOT NULL,
    item_id   text COLLATE "C" NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, kind, reviewer, item_id)
);

-- Somebody says that an item cannot be decided as it is: it waits for nobody until it is put back.
CREATE TABLE review_reworks (
    id           text COLLATE "C" PRIMARY KEY,    -- rework_…, sorts by time
    pipeline     text NOT NULL,
    kind         text NOT NULL,
    item_id      text COLLATE "C" NOT NULL,
    reviewer     text NOT NULL,
    reason       text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),  -- in the person's words: for people only
    at           timestamptz NOT NULL DEFAULT now(),
    put_back_at  timestamptz,
    put_back_by  text,
    CHECK ((put_back_at IS NULL) = (put_back_by IS NULL))
);
CREATE UNIQUE INDEX review_reworks_open ON review_reworks (pipeline, kind, item_id) WHERE put_back_at IS NULL;

-- Who is to decide on an item. It is hidden from others until that person has responded.
CREATE TABLE review_assignments (
    pipeline     text NOT NULL,
    kind         text NOT NULL,
    item_id      text COLLATE "C" NOT NULL,
    reviewer     text NOT NULL,
    assigned_by  text NOT NULL,
    queue        text NOT NULL,                   -- that of review_responses
    at           timestamptz NOT NULL DEFAULT now(),
    place        integer NOT NULL DEFAULT 0,      -- among those that were assigned at once
    done         boolean NOT NULL DEFAULT false,  -- that person's response stands (one since then, if the queue asks once
                                                  -- more); derived with each response
    PRIMARY KEY (pipeline, kind, item_id)
);
CREATE INDEX review_assignments_open ON review_assignments (reviewer, pipeline, kind, at, place) WHERE NOT done;

-- ---------------------------------------------------------------- dedup: merges by a model, the least sure first

-- Enough people have said something of it. Only a help to find what waits: derived with each response.
ALTER TABLE merged_statements ADD COLUMN decided boolean NOT NULL DEFAULT false;
CREATE INDEX merged_statements_open ON merged_statements (confidence, id) WHERE NOT decided;
