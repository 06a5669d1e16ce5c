"""SQL of labelled examples, read through a pipeline's view (``Pipeline.source``) as the training role.

Such a view has these columns, none of them ever NULL: ``id`` (text, unique, COLLATE "C"), ``surface`` (text),
``"group"`` (text: examples of one group share a split), ``input`` and ``label`` (text or jsonb), ``at`` (timestamptz:
when a person decided). Nothing else of a view is read, so no person's name can get out this way.
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from psycopg import Connection, Cursor, sql

from shared.errors import CorruptError
from shared.pipeline import SplitPolicy
from shared.splits import test_bound

_BLOCK: Final = 256 * 1024  # fits the processor's cache: it is joined, hashed and written while it is there
_BRACE: Final = ord("{")

# "split" comes last: the end of a line tells it without parsing. `line IS NOT NULL` says that no column is.
_LINES: Final = sql.SQL("""
SELECT CASE WHEN line IS NOT NULL THEN row_to_json(line) END FROM (
    SELECT id, "group", input, label, at,
        CASE WHEN sha256(convert_to({seed} || "group", 'UTF8')) < {bound}::bytea THEN 'test' ELSE 'train' END AS split
    FROM {source} WHERE {where} ORDER BY id COLLATE "C"
) AS line
""")

# The text format would double the backslashes of JSON. CSV with a quote that JSON text never holds leaves it alone.
_COPY: Final = sql.SQL("COPY ({lines}) TO STDOUT (FORMAT csv, QUOTE {quote}, DELIMITER {delimiter}, ENCODING 'UTF8')")


class Which(NamedTuple):
    """Which examples of a surface: those of which a person said something in the last days, those with these ids."""

    days: int | None = None
    ids: Collection[str] | None = None


_ALL: Final = Which()


class Block(NamedTuple):
    """Some whole lines, and how many they are."""

    lines: bytes
    rows: int


def export(conn: Connection, source: str, surface: str, policy: SplitPolicy, which: Which = _ALL) -> Iterator[Block]:
    """Stream the examples as lines of JSON in the order of their ids, in blocks of about 256 KiB.

    A line is ``{"id","group","input","label","at","split"}``; times are in UTC. Memory does not grow with the rows.
    Raises CorruptError when the view breaks its promise (a NULL, or ``json`` with a line break in it).
    """
    statement = _COPY.format(
        lines=_lines(source, surface, policy, which), quote=sql.Literal("\x01"), delimiter=sql.Literal("\x02")
    )
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL timezone TO 'UTC'")  # equal rows give equal bytes, whatever the server's zone
        yield from _blocks(cursor, statement, source)


def estimate(conn: Connection, source: str, surface: str) -> int:
    """Return about how many examples there are: the planner's guess, which costs nothing. For progress only."""
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT id FROM {} WHERE surface = {}")
    row = conn.execute(query.format(sql.Identifier(source), sql.Literal(surface))).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


def known(conn: Connection, source: str, surface: str, ids: Collection[str]) -> set[str]:
    """Return those of these ids that are examples of a surface."""
    query = sql.SQL("SELECT id FROM {} WHERE surface = %s AND id = ANY(%s)").format(sql.Identifier(source))
    return {found for (found,) in conn.execute(query, [surface, list(ids)])}


def _lines(source: str, surface: str, policy: SplitPolicy, which: Which) -> sql.Composed:
    return _LINES.format(
        seed=sql.Literal(f"{policy.seed}:"),
        bound=sql.Literal("\\x" + test_bound(policy).hex()),
        source=sql.Identifier(source),
        where=_where(surface, which),
    )


def _where(surface: str, which: Which) -> sql.Composed:
    parts: list[sql.Composable] = [sql.SQL("surface = {}").format(sql.Literal(surface))]
    if which.days is not None:
        parts.append(sql.SQL("at >= now() - make_interval(days => {})").format(sql.Literal(which.days)))
    if which.ids is not None:
        parts.append(sql.SQL("id = ANY({})").format(sql.Literal(sorted(which.ids))))
    return sql.SQL(" AND ").join(parts)


def _blocks(cursor: Cursor, statement: sql.Composed, source: str) -> Iterator[Block]:
    lines: list[bytes | bytearray | memoryview] = []
    size = 0
    with cursor.copy(statement) as copy:
        for line in copy:  # the server sends one row in one message
            # A row with a NULL is an empty line, one that held a line break begins with a quote.
            if line[0] != _BRACE:
                raise _broken(source)
            lines.append(line)
            size += len(line)
            if size >= _BLOCK:
                yield Block(b"".join(lines), len(lines))
                lines, size = [], 0
    if lines:
        yield Block(b"".join(lines), len(lines))


def _broken(source: str) -> CorruptError:
    return CorruptError(
        f"the view {source} gave a row that is not one line of JSON",
        advice="its columns must not be NULL, and must be text or jsonb (not json)",
    )
