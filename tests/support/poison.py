"""Hostile texts in every column where the database takes any text: what a page shows of them must stay text.

A new column of free text is among them by itself. What is left out are ids, and words that code chooses from a list of
its own (``_WORDS``), by which pages find their way.
"""

from typing import Any, Final

import psycopg
from psycopg import Connection, sql
from psycopg.types.json import Jsonb

HOSTILE: Final = (
    '"\'><img src=x onerror="window.broken=1"><script>window.broken=2</script></script><svg onload=window.broken=3>'
    '{{ 7 * 7 }}{% raw %}${window.broken=4}<a href="javascript:window.broken=5">x</a> style="position:fixed" '
    "</title></textarea></style>&lt;b&gt; \u202eright to left\u202c "
)
MARK: Final = "right to left"
LONG: Final = HOSTILE + "x" * 100_000

_WORDS: Final = frozenset({
    "id", "pipeline", "surface", "state", "kind", "queue", "type", "level", "path", "label", "version", "stage",
    "outcome", "entry", "name", "sha256", "manifest", "artifact", "report", "card", "format", "purpose", "provider",
    "method", "model", "base_model", "embedding_model", "linkage", "origin", "decision", "a", "b", "hash", "key",
    "unique_key", "group_key", "difficulty", "override", "source", "mode", "filename", "content_type", "group",
    "from_model", "to_model", "merged_into",
})  # fmt: skip
_COLUMNS: Final = """
SELECT c.table_schema, c.table_name, c.column_name
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema IN ('public', 'ml') AND t.table_type = 'BASE TABLE' AND c.data_type = %s
  AND c.table_name NOT IN ('schema_migrations', 'sessions', 'api_keys')
ORDER BY 1, 2, 3
"""


def poison(conn: Connection, text: str) -> set[str]:
    """Write the text into every row of every column that takes it, and into JSON; returns these columns' names."""
    conn.execute("SET LOCAL session_replication_role = replica")  # what is append-only for all others, too
    return _poison_texts(conn, text) | _poison_documents(conn, text)


def _poison_texts(conn: Connection, text: str) -> set[str]:
    poisoned = set()
    for schema, table, column in conn.execute(_COLUMNS, ["text"]).fetchall():
        if column in _WORDS or column.endswith("_id"):
            continue
        statement = sql.SQL("UPDATE {} SET {} = {}").format(
            sql.Identifier(schema, table), sql.Identifier(column), sql.Literal(text)
        )
        try:
            with conn.transaction():
                if conn.execute(statement).rowcount:
                    poisoned.add(f"{table}.{column}")
        except (
            psycopg.IntegrityError,
            psycopg.DataError,
            psycopg.errors.RaiseException,
            psycopg.errors.ProgramLimitExceeded,
        ):
            continue  # the database itself lets no such text in, or not twice
    return poisoned


def _poison_documents(conn: Connection, text: str) -> set[str]:
    """Put the text before every string of several words in JSON: what has no space is a word of code."""
    poisoned = set()
    for schema, table, column in conn.execute(_COLUMNS, ["jsonb"]).fetchall():
        where, what = sql.Identifier(schema, table), sql.Identifier(column)
        for row, document in conn.execute(sql.SQL("SELECT ctid::text, {} FROM {}").format(what, where)).fetchall():
            hostile = _hostile(document, text)
            if hostile != document:
                change = sql.SQL("UPDATE {} SET {} = %s WHERE ctid = %s::tid").format(where, what)
                conn.execute(change, [Jsonb(hostile), row])
                poisoned.add(f"{table}.{column}")
    return poisoned


def _hostile(document: Any, text: str) -> Any:
    match document:
        case dict():
            return {name: _hostile(value, text) for name, value in document.items()}
        case list():
            return [_hostile(value, text) for value in document]
        case str() if " " in document:
            return text + document
        case _:
            return document
