"""Many runs that are open at the provider, written at once: for tests and figures of scale."""

from tests.support.chaos import DATASET, SERVER, Chaos

_INSERT = """
WITH numbered AS (SELECT n, id FROM unnest(%s::text[]) WITH ORDINALITY AS t (id, n)),
job AS (
    INSERT INTO jobs (id, kind, queue, params, actor, state, max_attempts, run_at, message)
    SELECT 'job_open_' || n, 'chaos.finetune', 'finetune', '{}', 'tester', 'waiting', 3, now() + interval '1 hour', ''
    FROM numbered
)
INSERT INTO provider_jobs (id, job_id, request_hash, state, pipeline, surface, dataset_id, provider, server, base_model,
    method, suffix, files, file_sha256, row_count, tokens, estimated_usd, file_id, creates, provider_job_id)
SELECT 'pj_open_' || n, 'job_open_' || n, 'open ' || n, 'polling', 'chaos', 'default', %s, '127.0.0.1', %s,
    'gpt-6-mini', 'supervised', 'chaos', '{}', repeat('0', 64), 10, 100, 0.001, 'file-' || n, 1, id
FROM numbered
"""


def add_open_runs(chaos: Chaos, count: int) -> list[str]:
    """Add runs and their jobs on both sides; return the provider's ids, the oldest first."""
    ids = chaos.provider.add_jobs(count, metadata=lambda n: {"tuneyard_run": f"pj_open_{n + 1}"})
    with chaos.database.transaction() as conn:
        conn.execute(_INSERT, [ids, DATASET, SERVER])
    return ids
