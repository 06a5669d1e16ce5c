-- The page of jobs asks who submitted, and what failed: with a million jobs it must not walk through all of them.
CREATE INDEX jobs_by_actor ON jobs (actor, id DESC);
CREATE INDEX jobs_ended_badly ON jobs (state, id DESC) WHERE state IN ('failed', 'cancelled');
