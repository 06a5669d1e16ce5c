"""SQL of what people look at who pay for providers: losses of fine-tunes, spend by month and pipeline, what ends."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.db.spend import Month


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a pipeline's work has cost in a month, in US dollars; ``pipeline`` is empty where none is known."""

    month: date
    pipeline: str
    usd: float
    tokens: int
    entries: int


@dataclass(frozen=True, kw_only=True)
class Announced:
    """A model that a provider's own list dates."""

    provider: str
    model: str
    ends: date


_LOSSES: Final = """
SELECT run.id, e.step, e.loss FROM unnest(%s::text[]) AS run (id), LATERAL (
    SELECT step, loss FROM provider_events
    WHERE run_id = run.id AND step IS NOT NULL AND loss IS NOT NULL ORDER BY step LIMIT %s
) AS e
"""

# A fine-tune is booked under its run's id, which knows the pipeline; whatever else is paid was paid by a job.
_SPENT: Final = """
SELECT date_trunc('month', s.at AT TIME ZONE 'UTC')::date AS month,
    coalesce(p.pipeline, split_part(j.kind, '.', 1), '') AS pipeline,
    sum(s.usd)::float8 AS usd, sum(s.tokens_in + s.tokens_out)::bigint AS tokens, count(*) AS entries
FROM (
    SELECT reference, job_id, tokens_in, tokens_out, usd, at FROM spend
    WHERE at >= date_trunc('month', now(), 'UTC') - make_interval(months => %(months)s - 1)
    ORDER BY at DESC, reference DESC LIMIT %(most)s
) AS s
LEFT JOIN provider_jobs AS p ON p.id = s.reference
LEFT JOIN jobs AS j ON j.id = s.job_id
GROUP BY 1, 2 ORDER BY 1 DESC, 3 DESC, 2
"""


def losses(conn: Connection, run_ids: Sequence[str], most: int) -> Mapping[str, Sequence[tuple[int, float]]]:
    """Return steps and losses of fine-tunes by the run's id, ``most`` steps of each; a run without any is missing."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for run_id, step, loss in conn.execute(_LOSSES, [list(run_ids), most]):
        found[run_id].append((step, loss))
    return found


def months(conn: Connection, most: int) -> list[Month]:
    """Return the sums of the latest months in which something was spent, newest first."""
    with conn.cursor(row_factory=class_row(Month)) as cursor:
        return cursor.execute(
            "SELECT month, reserved::float8 AS reserved, booked::float8 AS booked, entries FROM spend_months"
            " ORDER BY month DESC LIMIT %s",
            [most],
        ).fetchall()


def spent(conn: Connection, *, months: int, most: int) -> list[Spent]:
    """Return the spend of the latest months by pipeline, of the latest ``most`` entries."""
    with conn.cursor(row_factory=class_row(Spent)) as cursor:
        return cursor.execute(_SPENT, {"months": months, "most": most}).fetchall()


def announced(conn: Connection, most: int) -> list[Announced]:
    """Return the models that providers' own lists date, the first to end first."""
    with conn.cursor(row_factory=class_row(Announced)) as cursor:
        return cursor.execute(
            "SELECT provider, model, ends FROM provider_sunsets ORDER BY ends, provider, model LIMIT %s", [most]
        ).fetchall()
