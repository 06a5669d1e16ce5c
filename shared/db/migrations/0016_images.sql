-- Webcam pictures (seed 003): what the cameras saw, what people rated, and apart from it what models scored.
-- The pictures' bytes are artifacts (cleaned once at import), so no row here is larger than a line.

CREATE TABLE webcams (
    id          text COLLATE "C" PRIMARY KEY,     -- derived from the name: the same after any reset
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE images (
    id           text COLLATE "C" PRIMARY KEY,    -- derived from the file as it came in
    webcam_id    text COLLATE "C" NOT NULL REFERENCES webcams (id),
    captured_at  timestamptz,                     -- NULL: nobody has said
    hour         smallint CHECK (hour BETWEEN 0 AND 23),  -- of the day, on the clock that gave captured_at
    source       text COLLATE "C" NOT NULL UNIQUE,            -- SHA-256 of the file as it came in
    artifact     text COLLATE "C" NOT NULL UNIQUE,            -- SHA-256 of the cleaned bytes: the same picture comes in once
    bytes        bigint NOT NULL,                 -- of the cleaned file
    width        integer NOT NULL,
    height       integer NOT NULL,
    format       text NOT NULL CHECK (format IN ('jpeg', 'png')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((captured_at IS NULL) = (hour IS NULL))
);
CREATE INDEX images_by_webcam ON images (webcam_id, captured_at);

-- What people said: one standing rating of one person for one image. Manual ones are by raters whom we know.
CREATE TABLE ratings (
    image_id  text COLLATE "C" NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    rater     text NOT NULL,
    stars     smallint NOT NULL CHECK (stars BETWEEN 1 AND 5),
    kind      text NOT NULL CHECK (kind IN ('manual', 'public')),
    source    text NOT NULL CHECK (source IN ('import', 'review')),
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (image_id, rater, kind)
);
CREATE INDEX ratings_by_time ON ratings (at);
COMMENT ON TABLE ratings IS 'Ground truth from people. The only source of the images'' training data.';

-- What models and the baseline scored. Never trained on: the training role cannot read it.
CREATE TABLE image_scores (
    image_id       text COLLATE "C" NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    model_version  text NOT NULL,                 -- the one that truly scored
    surface        text NOT NULL CHECK (surface IN ('binary', 'regression')),
    raw_score      double precision NOT NULL CHECK (raw_score BETWEEN 0 AND 1),
    ai_rating      double precision NOT NULL CHECK (ai_rating BETWEEN 1 AND 5),
    model_id       text COLLATE "C" REFERENCES models (id),  -- NULL: the baseline, or a file that no model here is
    path           text NOT NULL CHECK (path IN ('onnx', 'cache', 'baseline', 'baseline-fallback')),
    job_id         text COLLATE "C" REFERENCES jobs (id) ON DELETE SET NULL,
    at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model_version, surface, image_id)
);
CREATE INDEX image_scores_by_image ON image_scores (image_id);

-- How far a running import has come: an attempt goes on where the one before it ended. Emptied when the job succeeds.
CREATE TABLE image_imports (
    job_id    text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position  integer NOT NULL,                   -- of the picture in its zip or manifest, from 1
    name      text NOT NULL,                      -- as the zip or manifest calls it
    outcome   text NOT NULL CHECK (outcome IN ('new', 'known', 'refused')),
    image_id  text COLLATE "C" REFERENCES images (id) ON DELETE CASCADE,
    reason    text,                               -- why it is refused, or what else there is to say
    message   text,
    rated     boolean NOT NULL DEFAULT false,
    CHECK ((outcome = 'refused') = (image_id IS NULL)),
    CHECK (outcome <> 'refused' OR reason IS NOT NULL),
    PRIMARY KEY (job_id, position)
);

-- Each rated image with what people said, once with manual ratings only and once with all. No person's name in it.
CREATE VIEW image_labels AS
    SELECT i.id, i.webcam_id, i.captured_at, i.hour, i.artifact, i.bytes,
           r.manual_count, r.manual_stars, r.manual_at, r.all_count, r.all_stars, r.all_at
    FROM images i
    JOIN (
        SELECT image_id,
               count(*) FILTER (WHERE kind = 'manual') AS manual_count,
               trim_scale(round(avg(stars) FILTER (WHERE kind = 'manual'), 4)) AS manual_stars,
               max(at) FILTER (WHERE kind = 'manual') AS manual_at,
               count(*) AS all_count,
               trim_scale(round(avg(stars), 4)) AS all_stars,
               max(at) AS all_at
        FROM ratings GROUP BY image_id
    ) r ON r.image_id = i.id;
GRANT SELECT ON image_labels TO tuneyard_trainer;

-- The shape in which the loop reads labelled examples: manual ratings, one at least. The label is the mean of the stars;
-- what counts as a good picture is a threshold of the pipeline's policy, and is applied where it is trained.
CREATE VIEW images_examples AS
    SELECT l.id,
           s.surface,
           l.webcam_id AS "group",
           jsonb_build_object('image', l.id, 'artifact', l.artifact, 'bytes', l.bytes, 'hour', l.hour) AS input,
           jsonb_build_object('stars', l.manual_stars, 'ratings', l.manual_count) AS label,
           l.manual_at AS at
    FROM image_labels l CROSS JOIN (VALUES ('binary'::text), ('regression'::text)) AS s (surface)
    WHERE l.manual_count > 0;
GRANT SELECT ON images_examples TO tuneyard_trainer;

-- Who said so, added to whatever other pipelines' examples are there.
DO $$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW example_origins AS '
        || rtrim(pg_get_viewdef('example_origins'::regclass), E'; \n')
        || $origins$
    UNION ALL
    SELECT image_id, 'images'::text, trim_scale(round(avg(stars), 4))::text || ' stars', string_agg(DISTINCT source, ', '),
           string_agg(DISTINCT rater, ', '), max(at), NULL::text
    FROM ratings WHERE kind = 'manual' GROUP BY image_id
    $origins$;
END $$;
