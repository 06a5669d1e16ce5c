-- Vectors of texts, kept by the text's hash: the same text is never asked for, or paid for, twice. The text itself is
-- not here. Forgotten when they are as old as other answers of a provider. tuneyard_trainer has no rights here.
CREATE TABLE llm_embeddings (
    model  text NOT NULL,                          -- name@version: vectors of different ones are never compared
    key    bytea NOT NULL CHECK (length(key) = 32),  -- SHA-256 of the text as it was sent
    vector bytea NOT NULL CHECK (length(vector) > 0 AND length(vector) % 4 = 0),  -- little-endian float32
    at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, key)
);
CREATE INDEX llm_embeddings_by_age ON llm_embeddings (at);

-- How likely the answer's tokens were, and what else was likely there, where that was asked for.
ALTER TABLE llm_answers ADD COLUMN tokens jsonb;  -- NULL: not asked for, or the provider did not say
