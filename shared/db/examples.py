"""SQL of labelled examples, read through a pipeline's view (``Pipeline.source``) as the training role.

Such a view has these columns, none of them ever NULL: ``id`` (text, unique, COLLATE "C"), ``surface`` (text),
``"group"`` (text: examples of one group share a split), ``input`` and ``label`` (text or jsonb), ``at`` (timestamptz:
when a person decided). Nothing else of a view is read, so no person's name can get out this way.
"""

from collections.abc import Iterator
from typing import Final

from psycopg import Connection, Cursor, sql

from shared.errors import CorruptError
from shared.pipeline import SplitPolicy
from shared.splits import test_bound

_BLOCK = 1024 * 1024

# A concatenation of to_json costs the server half of what row_to_json over a subquery does (docs/benchmarks.md).
# "split" comes last: the end of a line tells it without parsing.
_LINES: Final = sql.SQL("""
SELECT '{{"id":' || to_json(id) || ',"group":' || to_json("group") || ',"input":' || to_json(input)
    || ',"label":' || to_json(label) || ',"at":' || to_json(at)
    || CASE WHEN sha256(convert_to({seed} || "group", 'UTF8')) < {bound}::bytea
            THEN ',"split":"test"}}' ELSE ',"split":"train"}}' END
FROM {source} WHERE surface = {surface} ORDER BY id COLLATE "C"
""")

# The text format would double the backslashes of JSON. CSV with a quote that JSON text never holds leaves it alone.
_COPY: Final = sql.SQL("COPY ({lines}) TO STDOUT (FORMAT csv, QUOTE {quote}, DELIMITER {delimiter}, ENCODING 'UTF8')")
_QUOTE: Final = "\x01"


def export(conn: Connection, source: str, surface: str, policy: SplitPolicy) -> Iterator[bytes]:
    """Stream the examples as lines of JSON in the order of their ids, in blocks of whole lines, about 1 MiB each.

    A line is ``{"id","group","input","label","at","split"}``; times are in UTC. Memory does not grow with the rows.
    Raises CorruptError when the view breaks its promise (a NULL, or ``json`` with a line break in it).
    """
    statement = _COPY.format(
        lines=_lines(source, surface, policy), quote=sql.Literal(_QUOTE), delimiter=sql.Literal("\x02")
    )
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL timezone TO 'UTC'")  # equal rows give equal bytes, whatever the server's zone
        for block in _blocks(cursor, statement):
            _check(block, source)
            yield block


def estimate(conn: Connection, source: str, surface: str) -> int:
    """Return about how many examples there are: the planner's guess, which costs nothing. For progress only."""
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT id FROM {} WHERE surface = {}")
    row = conn.execute(query.format(sql.Identifier(source), sql.Literal(surface))).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


def _lines(source: str, surface: str, policy: SplitPolicy) -> sql.Composed:
    return _LINES.format(
        seed=sql.Literal(f"{policy.seed}:"),
        bound=sql.Literal("\\x" + test_bound(policy).hex()),
        source=sql.Identifier(source),
        surface=sql.Literal(surface),
    )


def _blocks(cursor: Cursor, statement: sql.Composed) -> Iterator[bytes]:
    lines: list[bytes | bytearray | memoryview] = []
    size = 0
    with cursor.copy(statement) as copy:
        for line in copy:
            lines.append(line)
            size += len(line)
            if size >= _BLOCK:
                yield b"".join(lines)
                lines, size = [], 0
    if lines:
        yield b"".join(lines)


def _check(block: bytes, source: str) -> None:
    # A NULL anywhere makes the whole line empty; what is quoted held a line break. JSON itself has neither.
    if _QUOTE.encode() in block or block.startswith(b"\n") or b"\n\n" in block:
        raise CorruptError(
            f"the view {source} gave a row that is not one line of JSON",
            advice="its columns must not be NULL, and must be text or jsonb (not json)",
        )
