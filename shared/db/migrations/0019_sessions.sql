-- People who are signed in to the review site. A session is as good as the API key that it was opened with, and ends
-- with it. The token itself is only in the person's cookie.
CREATE TABLE sessions (
    id          text COLLATE "C" PRIMARY KEY,     -- ses_…, sorts by time
    hash        bytea NOT NULL UNIQUE,            -- SHA-256 of the token
    key_id      text COLLATE "C" NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
