-- How long a model took for an answer: a question that is asked again is answered from the cache at once, and what is
-- said of the model's speed must not be the cache's.

ALTER TABLE llm_answers ADD COLUMN seconds double precision CHECK (seconds >= 0);  -- NULL: an answer from before this column
