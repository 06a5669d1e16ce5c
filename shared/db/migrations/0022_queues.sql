-- What waits for a person, the most telling first, along indexes: queries of the router, and pictures. All of these
-- columns only help to find what waits: each can be computed anew from what people and models said.

-- ---------------------------------------------------------------- the router

-- What a person said of a query outside the review: afterwards (feedback), or with the query itself (override). What
-- was said in the review is in review_responses; the last word of both is the label in ml_data.
CREATE TABLE query_words (
    query_id  text COLLATE "C" PRIMARY KEY REFERENCES queries (id),
    label     text NOT NULL CHECK (label IN ('EASY', 'MEDIUM', 'HARD')),
    source    text NOT NULL CHECK (source IN ('feedback', 'override')),
    said_by   text NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO query_words (query_id, label, source, said_by, at)
SELECT query_id, label, source, labelled_by, labelled_at FROM ml_data
WHERE query_id IS NOT NULL AND source IN ('feedback', 'override');

ALTER TABLE queries ADD COLUMN labelled boolean NOT NULL DEFAULT false;
-- Who gave a label that is not what was answered, while nobody else has said anything.
ALTER TABLE queries ADD COLUMN contested_by text;
UPDATE queries q SET labelled = true,
    contested_by = CASE WHEN m.label <> q.difficulty AND q.difficulty <> 'UNCERTAIN' THEN m.labelled_by END
FROM ml_data m WHERE m.query_id = q.id;

-- an answer by the fallback has no confidence at all, so these come first
CREATE INDEX queries_unlabelled ON queries (confidence, id DESC) WHERE NOT labelled;
CREATE INDEX queries_contested ON queries (contested_by, confidence DESC, id) WHERE contested_by IS NOT NULL;

-- who had decided before, and so knows what was answered
CREATE INDEX review_responses_retracted ON review_responses (pipeline, kind, item_id) WHERE retracted_at IS NOT NULL;

-- ---------------------------------------------------------------- images

-- Somebody looks again at a picture that a file says they rated: the file's word, which comes back when that is undone.
ALTER TABLE ratings ADD COLUMN imported_stars smallint;
ALTER TABLE ratings ADD COLUMN imported_at timestamptz;
ALTER TABLE ratings ADD CHECK ((imported_stars IS NULL) = (imported_at IS NULL));
ALTER TABLE ratings ADD CHECK (imported_stars IS NULL OR source = 'review');

ALTER TABLE images ADD COLUMN raters integer NOT NULL DEFAULT 0;          -- known people who rated it
ALTER TABLE images ADD COLUMN rated_by text;                              -- the last of them
ALTER TABLE images ADD COLUMN worth double precision NOT NULL DEFAULT 1.5; -- of a rating, in stars: see weigh_images
ALTER TABLE images ADD COLUMN looked_again boolean NOT NULL DEFAULT false; -- as a disagreement

-- How much a rating is worth, in stars. Where known raters have rated: the gap between them and a model's latest score,
-- or half the range among themselves, as the report of disagreements ranks them; where none has, how unsure the model is
-- (1 to 2), or 1.5 where there is no score either.
CREATE FUNCTION weigh_images(ids text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- in one order: of two who weigh the same images one waits for the other
    PERFORM FROM images WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE;
    UPDATE images i
    SET raters = f.raters, rated_by = f.rated_by, worth = f.worth, looked_again = f.looked_again
    FROM (
        SELECT x.id, r.raters, r.rated_by,
               CASE WHEN r.raters > 0 THEN greatest(abs(s.ai_rating - r.mean), r.spread, 0)
                    WHEN s.raw_score IS NOT NULL THEN 2 - abs(2 * s.raw_score - 1)
                    ELSE 1.5 END AS worth,
               EXISTS (SELECT FROM review_responses o
                       WHERE o.pipeline = 'images' AND o.kind = 'ratings' AND o.item_id = x.id
                         AND o.queue = 'disagreements' AND o.retracted_at IS NULL) AS looked_again
        FROM unnest(ids) AS x (id)
        CROSS JOIN LATERAL (
            SELECT count(*)::integer AS raters, avg(stars)::double precision AS mean,
                   (max(stars) - min(stars)) * 0.5 AS spread, (array_agg(rater ORDER BY at DESC, rater))[1] AS rated_by
            FROM ratings WHERE image_id = x.id AND kind = 'manual'
        ) AS r
        LEFT JOIN LATERAL (
            SELECT raw_score, ai_rating FROM image_scores
            WHERE image_id = x.id AND path IN ('onnx', 'cache') ORDER BY at DESC LIMIT 1
        ) AS s ON true
    ) AS f
    WHERE i.id = f.id
      AND (i.raters, i.rated_by, i.worth, i.looked_again)
          IS DISTINCT FROM (f.raters, f.rated_by, f.worth, f.looked_again);
END $$;

-- Called by whatever changes ratings or scores, in the same transaction: nobody can forget it.
CREATE FUNCTION weigh_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM weigh_images(array_agg(DISTINCT image_id)) FROM changed HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER ratings_added AFTER INSERT ON ratings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION weigh_changed();
CREATE TRIGGER ratings_changed AFTER UPDATE ON ratings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION weigh_changed();
CREATE TRIGGER ratings_removed AFTER DELETE ON ratings
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION weigh_changed();
CREATE TRIGGER image_scores_added AFTER INSERT ON image_scores
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION weigh_changed();
CREATE TRIGGER image_scores_changed AFTER UPDATE ON image_scores
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION weigh_changed();
CREATE TRIGGER image_scores_removed AFTER DELETE ON image_scores
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION weigh_changed();

SELECT weigh_images(array_agg(id)) FROM images HAVING count(*) > 0;

CREATE INDEX images_unrated ON images (webcam_id, worth DESC, id) WHERE raters = 0;
CREATE INDEX images_rated ON images (raters, rated_by, worth DESC, id) WHERE raters > 0;
CREATE INDEX images_rated_by_webcam ON images (webcam_id) WHERE raters > 0;
CREATE INDEX images_apart ON images (worth DESC, id) WHERE raters > 0 AND NOT looked_again;
