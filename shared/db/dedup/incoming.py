"""SQL that takes statements in: from a file into a staging table, from there to where they wait, and on to insights."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import Connection, sql
from psycopg.rows import class_row

from shared.db import staging
from shared.db.staging import table_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StagedStatement:
    """A line of a file: what it says (``insight_id`` derives from it), and where it comes from."""

    insight_id: str
    statement: str
    source_id: str
    source: str
    locator: str


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A statement that was taken in and is no insight yet."""

    number: int
    run_id: str
    insight_id: str
    statement: str
    source_id: str
    locator: str


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What a file came to: statements that wait under ``run_id``, of so many sources that were not known before."""

    run_id: str
    waiting: int
    new_sources: int


_COLUMNS: Final = (
    "place bigint GENERATED ALWAYS AS IDENTITY, insight_id text, statement text, source_id text, source text,"
    " locator text"
)
_COPY: Final = sql.SQL("COPY {} (insight_id, statement, source_id, source, locator) FROM STDIN")
_SOURCES: Final = sql.SQL("""
INSERT INTO sources (id, name) SELECT DISTINCT source_id, source FROM {} ORDER BY source_id
ON CONFLICT (id) DO NOTHING
""")
_WAIT: Final = sql.SQL("""
INSERT INTO incoming_statements (run_id, insight_id, statement, source_id, locator)
SELECT {run}, insight_id, statement, source_id, locator
FROM (SELECT DISTINCT ON (insight_id, source_id, locator) * FROM {table}
      ORDER BY insight_id, source_id, locator, place) AS once
ORDER BY place
ON CONFLICT (run_id, insight_id, source_id, locator) DO NOTHING
""")
_WAITING: Final = """
SELECT number, run_id, insight_id, statement, source_id, locator FROM incoming_statements
WHERE outcome IS NULL AND (%(run)s::text IS NULL OR run_id = %(run)s) AND (run_id, number) > (%(after_run)s, %(after)s)
ORDER BY run_id, number LIMIT %(limit)s
"""
_PROGRESS: Final = """
SELECT count(*) FILTER (WHERE outcome IS NOT NULL), count(*) FROM incoming_statements
WHERE %(run)s::text IS NULL OR run_id = %(run)s
"""
# Where a statement's source belongs: to its insight, or to what a model merged it with unless people have parted them.
_HOMES: Final = """
SELECT t.id, CASE WHEN m.id IS NULL OR p.label = 'separate' THEN t.id ELSE m.insight_id END, m.id
FROM unnest(%s::text[]) AS t (id)
LEFT JOIN insights i ON i.id = t.id
LEFT JOIN merged_statements m ON m.id = t.id
LEFT JOIN pairs p ON p.a = least(m.id, m.insight_id) AND p.b = greatest(m.id, m.insight_id)
WHERE i.id IS NOT NULL OR m.id IS NOT NULL
"""
_LINK: Final = """
INSERT INTO insight_sources (insight_id, source_id, run_id, locator, merged_from) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
_SETTLED: Final = """
UPDATE incoming_statements s SET outcome = t.outcome
FROM unnest(%s::bigint[], %s::text[]) AS t (number, outcome) WHERE s.number = t.number AND s.outcome IS NULL
"""
_INSIGHTS: Final = """
INSERT INTO insights (id, statement, embedding, embedding_model)
SELECT t.id, t.statement, t.vector::vector, %s
FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS t (id, statement, vector, place) ORDER BY t.place
ON CONFLICT (id) DO NOTHING
"""
_MERGED: Final = """
INSERT INTO merged_statements (id, insight_id, statement, embedding, embedding_model, prediction_id, confidence)
SELECT %(id)s, %(insight)s, %(statement)s, %(vector)s::vector, %(model)s, %(prediction)s, %(confidence)s
WHERE NOT EXISTS (SELECT FROM insights WHERE id = %(id)s)
ON CONFLICT (id) DO NOTHING
"""
_PROPOSE: Final = """
INSERT INTO clusters (id, origin, embedding_model, similarity_min, similarity_mean, similarity_max, merge_probability,
                      prediction_id, job_id)
SELECT %(id)s, 'ingest', %(model)s, %(similarity)s, %(similarity)s, %(similarity)s, %(probability)s, %(prediction)s,
       %(job)s
FROM insights one, insights two
WHERE one.id = %(one)s AND two.id = %(two)s
  AND NOT EXISTS (SELECT FROM pairs p WHERE p.a = least(one.id, two.id) AND p.b = greatest(one.id, two.id))
ON CONFLICT (id) DO NOTHING
"""
_SINCE: Final = """
SELECT DISTINCT c.place FROM unnest(%(vectors)s::text[]) WITH ORDINALITY AS c (vector, place)
JOIN insights i ON i.number > %(number)s AND i.embedding_model = %(model)s
WHERE 1 - (i.embedding <=> c.vector::vector) >= %(similarity)s
"""
_FORGET: Final = """
DELETE FROM incoming_statements WHERE outcome IS NOT NULL AND (%(run)s::text IS NULL OR run_id = %(run)s)
RETURNING outcome
"""


def stage_incoming(conn: Connection, job_id: str, attempt: int) -> None:
    """Make an empty staging table for the statements of a file."""
    staging.create(conn, table_of(job_id, attempt), _COLUMNS)


@contextmanager
def staged_incoming(conn: Connection, job_id: str, attempt: int) -> Iterator[Callable[[StagedStatement], None]]:
    """Lend a function that sends statements to the staging table."""
    with conn.cursor().copy(_COPY.format(table_of(job_id, attempt))) as copy:

        def write(row: StagedStatement) -> None:
            copy.write_row((row.insight_id, row.statement, row.source_id, row.source, row.locator))

        yield write


def drop_incoming(conn: Connection, job_id: str, attempt: int) -> None:
    """Drop the staging table of a file that is refused."""
    staging.drop(conn, table_of(job_id, attempt))


def take_in(conn: Connection, job_id: str, attempt: int) -> TakenIn:
    """Move the staged statements to where they wait, under the job or the flow that it is a part of.

    Part of the caller's transaction: nothing is visible before its commit.
    """
    table = table_of(job_id, attempt)
    ((run_id,),) = conn.execute("SELECT coalesce(parent_id, id) FROM jobs WHERE id = %s", [job_id]).fetchall()
    sources = conn.execute(_SOURCES.format(table)).rowcount
    waiting = conn.execute(_WAIT.format(run=sql.Literal(run_id), table=table)).rowcount
    staging.drop(conn, table)
    return TakenIn(run_id=run_id, waiting=waiting, new_sources=sources)


def waiting_statements(
    conn: Connection, run_id: str | None, limit: int, *, after: tuple[str, int] = ("", 0)
) -> list[Waiting]:  # fmt: skip
    """Return statements that wait, in the order in which they came; of one run unless None.

    ``after``: the run and number of the last one that was returned before.
    """
    asked: dict[str, Any] = {"run": run_id, "limit": limit, "after_run": after[0], "after": after[1]}
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(_WAITING, asked).fetchall()


def incoming_progress(conn: Connection, run_id: str | None) -> tuple[int, int]:
    """Return how many statements are through, and how many were taken in."""
    ((through, of_all),) = conn.execute(_PROGRESS, {"run": run_id}).fetchall()
    return through, of_all


def homes(conn: Connection, insight_ids: Collection[str]) -> dict[str, tuple[str, str | None]]:
    """Return for statements that are known already the insight that their source is linked to.

    The second is the statement's own id where a model has merged it.
    """
    found = conn.execute(_HOMES, [sorted(insight_ids)])
    return {each: (insight, merged_from) for each, insight, merged_from in found}


def link_sources(conn: Connection, waiting: Sequence[Waiting]) -> None:
    """Link the sources of statements to their insights; a link that is there already stays."""
    found = homes(conn, {each.insight_id for each in waiting})
    rows = []
    for each in waiting:
        insight, merged_from = found[each.insight_id]
        rows.append((insight, each.source_id, each.run_id, each.locator, merged_from))
    with conn.cursor() as cursor:
        cursor.executemany(_LINK, rows)


def settle_incoming(conn: Connection, outcomes: Sequence[tuple[int, str]]) -> None:
    """Write down what became of statements, by their numbers: ``new``, ``known``, ``merged`` or ``proposed``."""
    conn.execute(_SETTLED, [[number for number, _ in outcomes], [outcome for _, outcome in outcomes]])


def forget_incoming(conn: Connection, run_id: str | None) -> Counter[str]:
    """Remove the statements that are through, and count what became of them."""
    return Counter(outcome for (outcome,) in conn.execute(_FORGET, {"run": run_id}))


def lock_insights(conn: Connection) -> int:
    """Let nobody else add insights before this transaction ends, and return the highest number so far."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('dedup.insights', 0))")
    return last_insight(conn)


def last_insight(conn: Connection) -> int:
    """Return the highest number of an insight, 0 where there is none."""
    ((number,),) = conn.execute("SELECT coalesce(max(number), 0) FROM insights").fetchall()
    return int(number)


def near_newer(
    conn: Connection, vectors: "Sequence[Vector]", embedding_model: str, *, since: int, similarity: float
) -> set[int]:
    """Return the places (from 0) of the vectors that have a near insight with a higher number."""
    asked: dict[str, Any] = {
        "vectors": [as_text(vector) for vector in vectors], "number": since, "model": embedding_model,
        "similarity": similarity,
    }  # fmt: skip
    return {place - 1 for (place,) in conn.execute(_SINCE, asked)}


def put_insights(
    conn: Connection, ids: Sequence[str], statements: Sequence[str], vectors: "Sequence[Vector]", embedding_model: str
) -> None:  # fmt: skip
    """Store insights, in this order; those that are there already stay as they are."""
    conn.execute(_INSIGHTS, [embedding_model, list(ids), list(statements), [as_text(vector) for vector in vectors]])


def put_merged(
    conn: Connection, waiting: Waiting, vector: "Vector", embedding_model: str,
    *, insight_id: str, prediction_id: str, confidence: float,
) -> bool:  # fmt: skip
    """Remember a statement that a model merged with an insight; returns whether it was not known."""
    asked: dict[str, Any] = {
        "id": waiting.insight_id, "insight": insight_id, "statement": waiting.statement, "vector": as_text(vector),
        "model": embedding_model, "prediction": prediction_id, "confidence": confidence,
    }  # fmt: skip
    return conn.execute(_MERGED, asked).rowcount == 1


def put_proposal(
    conn: Connection, cluster_id: str, members: tuple[str, str], embedding_model: str,
    *, similarity: float, probability: float, prediction_id: str, job_id: str,
) -> bool:  # fmt: skip
    """Ask people about two insights, by a cluster of the two; returns whether they are asked.

    They are not where the two have a label already, or one of them is no insight.
    """
    one, two = members
    asked: dict[str, Any] = {
        "id": cluster_id, "model": embedding_model, "similarity": similarity, "probability": probability,
        "prediction": prediction_id, "job": job_id, "one": one, "two": two,
    }  # fmt: skip
    if conn.execute(_PROPOSE, asked).rowcount == 0:
        return False
    for member in members:
        conn.execute("INSERT INTO cluster_members (cluster_id, insight_id) VALUES (%s, %s)", [cluster_id, member])
    return True


def as_text(vector: "Vector") -> str:
    """Return a vector as pgvector reads it; no float32 loses anything."""
    return "[" + ",".join(["%.9g" % value for value in vector.tolist()]) + "]"  # noqa: UP031  (twice as fast)
