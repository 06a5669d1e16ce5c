"""SQL of ``canaries`` and ``canary_pairs``: candidates that share the traffic, and how their answers compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

import orjson
from psycopg import Connection
from psycopg.rows import class_row

from shared import ids
from shared.contracts import JsonObject
from shared.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class Canary:
    """One row of ``canaries``. ``active_id`` is whom it shares with (None: the fallback); ``ended_at`` None: runs."""

    id: str
    pipeline: str
    surface: str
    model_id: str
    active_id: str | None
    percent: int
    actor: str
    reason: str
    job_id: str | None
    started_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The answers of canary and active model to one input, which ``key`` stands for. Confidence is 0 to 1."""

    canary_id: str
    key: str
    canary_path: str
    canary_confidence: float
    canary_output: JsonObject
    active_path: str
    active_confidence: float
    active_output: JsonObject
    agreement: float


@dataclass(frozen=True, kw_only=True)
class PairFigures:
    """What a canary's pairs come to. Without a pair the means are None."""

    pairs: int
    same: int
    agreement: float | None
    canary_confidence: float | None
    active_confidence: float | None


@dataclass(frozen=True, kw_only=True)
class PathCount:
    """How often one of the two answered by one path. ``who`` is ``canary`` or ``active``."""

    who: str
    path: str
    count: int


_SELECT: Final[LiteralString] = (
    "SELECT id, pipeline, surface, model_id, active_id, percent, actor, reason, job_id, started_at, ended_at, ended_by,"
    " ended_why FROM canaries "
)
_RUNS: Final[LiteralString] = "pipeline = %s AND surface = %s AND ended_at IS NULL"

# The same input again adds nothing. A canary that was deleted meanwhile has no use for its pairs.
_INSERT_PAIRS: Final = """
INSERT INTO canary_pairs (canary_id, key, canary_path, canary_confidence, canary_output,
    active_path, active_confidence, active_output, agreement)
SELECT t.canary_id, t.key, t.canary_path, t.canary_confidence, t.canary_output::jsonb,
    t.active_path, t.active_confidence, t.active_output::jsonb, t.agreement
FROM unnest(
    %b::text[], %b::text[], %b::text[], %b::float8[], %b::text[], %b::text[], %b::float8[], %b::text[], %b::float8[]
) AS t (canary_id, key, canary_path, canary_confidence, canary_output,
    active_path, active_confidence, active_output, agreement)
JOIN canaries ON canaries.id = t.canary_id
ON CONFLICT (canary_id, key) DO NOTHING
"""

_FIGURES: Final = """
SELECT count(*) AS pairs,
    count(*) FILTER (WHERE canary_output = active_output) AS same,
    avg(agreement::float8) AS agreement,
    avg(canary_confidence::float8) AS canary_confidence,
    avg(active_confidence::float8) AS active_confidence
FROM canary_pairs WHERE canary_id = %s
"""

_PATHS: Final = """
SELECT who, path, count(*) AS count
FROM canary_pairs, LATERAL (VALUES ('canary', canary_path), ('active', active_path)) AS each (who, path)
WHERE canary_id = %s GROUP BY who, path ORDER BY who, path
"""

# What was truly given to callers while the canary ran: all answers, not only those to inputs of its share.
_GIVEN: Final = """
SELECT count(*) FILTER (WHERE p.model_id = c.model_id), count(*) FILTER (WHERE p.model_id = c.active_id)
FROM canaries c LEFT JOIN predictions p ON p.model_id IN (c.model_id, c.active_id)
    AND p.created_at >= c.started_at AND p.created_at < coalesce(c.ended_at, 'infinity')
WHERE c.id = %s
"""


def running(conn: Connection, pipeline: str, surface: str) -> Canary | None:
    """Return the canary that has a share of a surface's traffic now, if any."""
    with conn.cursor(row_factory=class_row(Canary)) as cursor:
        return cursor.execute(_SELECT + "WHERE " + _RUNS, [pipeline, surface]).fetchone()


def get(conn: Connection, canary_id: str) -> Canary:
    """Return one canary. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Canary)) as cursor:
        row = cursor.execute(_SELECT + "WHERE id = %s", [canary_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no canary {canary_id}")
    return row


def latest(conn: Connection, pipeline: str, surface: str, model_id: str | None = None) -> Canary | None:
    """Return the canary of a surface (or of one model of it) that was started last, running or ended."""
    with conn.cursor(row_factory=class_row(Canary)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE pipeline = %(pipeline)s AND surface = %(surface)s"
            " AND (%(model)s::text IS NULL OR model_id = %(model)s) ORDER BY id DESC LIMIT 1",
            {"pipeline": pipeline, "surface": surface, "model": model_id},
        ).fetchone()


def start(
    conn: Connection,
    *,
    pipeline: str,
    surface: str,
    model_id: str,
    active_id: str | None,
    percent: int,
    actor: str,
    reason: str,
    job_id: str | None,
) -> Canary:
    """Give a model a share of the traffic. Hold the surface meanwhile, and end another canary of it before."""
    canary_id = ids.new_id(ids.CANARY)
    values = [canary_id, pipeline, surface, model_id, active_id, percent, actor, reason, job_id]
    conn.execute(
        "INSERT INTO canaries (id, pipeline, surface, model_id, active_id, percent, actor, reason, job_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        values,
    )
    return get(conn, canary_id)


def set_percent(conn: Connection, canary_id: str, percent: int) -> None:
    """Change the share of a canary that runs; what was compared so far stays its own."""
    conn.execute("UPDATE canaries SET percent = %s WHERE id = %s", [percent, canary_id])


def end(conn: Connection, *, pipeline: str, surface: str, actor: str, why: str) -> bool:
    """End the canary of a surface; returns False where none runs."""
    done = conn.execute(
        "UPDATE canaries SET ended_at = now(), ended_by = %s, ended_why = %s WHERE " + _RUNS,
        [actor, why, pipeline, surface],
    )
    return done.rowcount == 1


def insert_pairs(conn: Connection, pairs: Sequence[Pair]) -> None:
    """Write pairs of answers, all in one statement; those already there are left as they are."""
    columns = (
        [p.canary_id for p in pairs],
        [p.key for p in pairs],
        [p.canary_path for p in pairs],
        [p.canary_confidence for p in pairs],
        [orjson.dumps(p.canary_output).decode() for p in pairs],
        [p.active_path for p in pairs],
        [p.active_confidence for p in pairs],
        [orjson.dumps(p.active_output).decode() for p in pairs],
        [p.agreement for p in pairs],
    )
    conn.execute(_INSERT_PAIRS, columns)


def figures(conn: Connection, canary_id: str) -> PairFigures:
    """Return what a canary's pairs come to."""
    with conn.cursor(row_factory=class_row(PairFigures)) as cursor:
        row = cursor.execute(_FIGURES, [canary_id]).fetchone()
    if row is None:
        raise RuntimeError("an aggregate returned no row")
    return row


def paths(conn: Connection, canary_id: str) -> list[PathCount]:
    """Return by which paths both answered the inputs that were compared."""
    with conn.cursor(row_factory=class_row(PathCount)) as cursor:
        return cursor.execute(_PATHS, [canary_id]).fetchall()


def given(conn: Connection, canary_id: str) -> tuple[int, int]:
    """Return how many answers the canary gave to callers while it ran, and how many the active model gave."""
    row = conn.execute(_GIVEN, [canary_id]).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
