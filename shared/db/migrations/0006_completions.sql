-- What completions share between processes: answers to identical requests, and how much a provider is asked at once.

-- One row for each question that was asked with temperature 0. The question itself is not here, only its hash. Somebody
-- who asks holds the row until asking_until; others wait for the answer instead of paying for it again, and take the
-- row over when that time has passed (whoever asked has died). Not for training: tuneyard_trainer has no rights here.
CREATE TABLE llm_answers (
    key               bytea PRIMARY KEY CHECK (length(key) = 32),  -- SHA-256 of provider, address and request
    provider          text NOT NULL,
    asking_until      timestamptz,               -- NULL: answered
    text              text,
    model             text,                      -- who answered, as the provider says
    finish_reason     text,
    prompt_tokens     integer,
    completion_tokens integer,
    at                timestamptz NOT NULL DEFAULT now(),
    CHECK ((asking_until IS NULL) = (text IS NOT NULL)),
    CHECK ((text IS NULL) = (model IS NULL AND finish_reason IS NULL
                             AND prompt_tokens IS NULL AND completion_tokens IS NULL))
);
CREATE INDEX llm_answers_by_age ON llm_answers (at);

-- One row for each provider, which every request of every process updates twice: room is left in the page for that.
CREATE TABLE llm_limits (
    provider      text PRIMARY KEY,
    allowance     double precision NOT NULL DEFAULT 0,  -- requests that may be sent now; grows with time, up to a burst
    refilled_at   timestamptz,                          -- when allowance was right; NULL: nothing was asked yet
    blocked_until timestamptz,                          -- the provider said Retry-After
    slots         timestamptz[] NOT NULL DEFAULT '{}'   -- one for each request under way: when it is surely over
) WITH (fillfactor = 20);
