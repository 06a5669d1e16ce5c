"""SQL that streams rows of the stages as lines of JSON: memory does not grow with their number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import Connection, sql

# The text format would double the backslashes of JSON. CSV with a quote that JSON text never holds leaves it alone.
_COPY: Final = sql.SQL("COPY ({rows}) TO STDOUT (FORMAT csv, QUOTE {quote}, DELIMITER {delimiter}, ENCODING 'UTF8')")
_ROWS: Final = sql.SQL("""
SELECT row_to_json(line) FROM (
    SELECT id, stage, industry, group_key AS business, coalesce(approved, false) AS approved, input, output,
           coalesce(decided_at, created_at) AS at
    FROM stage_rows WHERE {where} ORDER BY id
) AS line
""")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which rows of a stage: approved ones only or all but the rejected, of the last days, of some industries."""

    stage: str
    approved_only: bool = True
    days: int | None = None
    industries: Sequence[str] = ()


def lines(conn: Connection, chosen: Chosen) -> Iterator[bytes]:
    """Stream rows, each a line of JSON with its line break, in the order of their ids.

    Fields: ``id, stage, industry, business, approved, input, output, at``; times are in UTC. ``at``: when a person
    decided, or the row came in.
    """
    query = _COPY.format(
        rows=_ROWS.format(where=_where(chosen)), quote=sql.Literal("\x01"), delimiter=sql.Literal("\x02")
    )
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL timezone TO 'UTC'")  # equal rows give equal bytes, whatever the server's zone
        with cursor.copy(query) as copy:
            for line in copy:  # the server sends one row in one message
                yield bytes(line)


def repeated(conn: Connection, chosen: Chosen) -> list[str]:
    """Return the ids of chosen rows whose input another business has too, which counts for it; ``lines`` has none."""
    query = sql.SQL("SELECT id FROM stage_rows WHERE {where} AND id IN ({repeated}) ORDER BY id")
    return [row_id for (row_id,) in conn.execute(query.format(where=_chosen(chosen), repeated=_repeated(chosen)))]


def estimate(conn: Connection, chosen: Chosen) -> int:
    """Return about how many rows there are: the planner's guess, which costs nothing. For progress only."""
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT id FROM stage_rows WHERE {}")
    row = conn.execute(query.format(_where(chosen))).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


def _where(chosen: Chosen) -> sql.Composed:
    return sql.SQL("{} AND id NOT IN ({})").format(_chosen(chosen), _repeated(chosen))


def _repeated(chosen: Chosen) -> sql.Composed:
    return sql.SQL("SELECT id FROM stage_rows_repeated WHERE stage = {}").format(sql.Literal(chosen.stage))


def _chosen(chosen: Chosen) -> sql.Composed:
    parts: list[sql.Composable] = [sql.SQL("stage = {}").format(sql.Literal(chosen.stage))]
    parts.append(sql.SQL("approved" if chosen.approved_only else "approved IS DISTINCT FROM false"))
    if chosen.days is not None:
        since = sql.SQL("coalesce(decided_at, created_at) >= now() - make_interval(days => {})")
        parts.append(since.format(sql.Literal(chosen.days)))
    if chosen.industries:
        parts.append(sql.SQL("industry = ANY({})").format(sql.Literal(list(chosen.industries))))
    return sql.SQL(" AND ").join(parts)
