-- What people decide about items of a pipeline (a cluster of insights, a picture), whatever the pipeline makes of it.
-- A pipeline derives its own truth from the standing responses, in the transaction that changes them.

-- At most one response of a person for an item stands; those that were taken back or replaced stay.
CREATE TABLE review_responses (
    id            text COLLATE "C" PRIMARY KEY,   -- resp_…, sorts by time
    pipeline      text NOT NULL,
    kind          text NOT NULL,                  -- of the items: clusters, ratings
    item_id       text COLLATE "C" NOT NULL,
    reviewer      text NOT NULL,                  -- the name of the API key
    decision      jsonb NOT NULL,                 -- of the kind's own contract
    note          text,                           -- in the person's words: leaves this table for people only
    blind         boolean NOT NULL,               -- that person had seen no score of the item
    at            timestamptz NOT NULL DEFAULT now(),
    retracted_at  timestamptz,
    retracted_by  text,
    CHECK ((retracted_at IS NULL) = (retracted_by IS NULL))
);
CREATE UNIQUE INDEX review_responses_standing ON review_responses (pipeline, kind, item_id, reviewer)
    WHERE retracted_at IS NULL;
CREATE INDEX review_responses_by_reviewer ON review_responses (pipeline, kind, reviewer, id DESC);

-- Who looked at an item's scores, and when first: labelling is blind unless somebody is here.
CREATE TABLE review_reveals (
    pipeline  text NOT NULL,
    kind      text NOT NULL,
    item_id   text COLLATE "C" NOT NULL,
    reviewer  text NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, kind, item_id, reviewer)
);
