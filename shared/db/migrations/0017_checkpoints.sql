-- How far a long training has come: an attempt goes on where the one before it was killed. The bytes are a blob of the
-- store's wing "checkpoints", which no other job shares; what no row names any more is deleted there.

CREATE TABLE job_checkpoints (
    job_id   text COLLATE "C" PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    attempt  integer NOT NULL,                    -- the one that kept it
    sha256   text NOT NULL,
    size     bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);
