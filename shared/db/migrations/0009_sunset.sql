-- What providers' lists of models say about the end of theirs, as last seen; what is announced elsewhere is in policy.toml.

CREATE TABLE provider_sunsets (
    provider text NOT NULL,
    model    text NOT NULL,
    ends     date NOT NULL,                          -- the first day without it, UTC
    seen_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, model)
);
