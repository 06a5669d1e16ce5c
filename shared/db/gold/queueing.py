"""SQL of the queue of examples that wait for a person's conclusion, and of each example's place in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject
from shared.db.reviews import open_for, open_for_all

_KIND: Final[dict[str, Any]] = {"pipeline": "gold", "kind": "conclusions"}


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An example as it is asked about."""

    id: str
    snapshot: JsonObject


# A walk along the index of what waits, so that the next example costs the same however many there are.
_WAITING: Final = f"""
SELECT e.id, e.snapshot FROM ml.examples e WHERE e.waits AND {open_for("e.id")}
ORDER BY e.doubt, e.window_to DESC, e.id LIMIT %(limit)s
"""
_COUNT: Final = f"""
SELECT count(*) FROM (SELECT FROM ml.examples e WHERE e.waits AND {open_for_all("e.id")} LIMIT %(cap)s) AS found
"""
_OPEN: Final = "SELECT id FROM ml.examples WHERE id = ANY(%s) AND waits"
_HOLD: Final = "SELECT id FROM ml.examples WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
_NOTE_DOUBTS: Final = """
UPDATE ml.examples e SET doubt = said.doubt
FROM (SELECT id, ml.doubt_of(id) AS doubt
      FROM (SELECT id FROM ml.examples WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE) AS held) AS said
WHERE e.id = said.id AND e.doubt <> said.doubt
"""
_NOTE_CONCLUSIONS: Final = """
UPDATE ml.examples e SET waits = said.waits
FROM (SELECT id, NOT EXISTS (SELECT FROM ml.gold g WHERE g.example_id = x.id AND g.origin = 'human'
                             AND g.status = 'approved') AS waits
      FROM ml.examples x WHERE id = ANY(%s)) AS said
WHERE e.id = said.id AND e.waits <> said.waits
"""
_KEEP_WAITING: Final = "UPDATE ml.examples SET waits = true WHERE id = %s"


def waiting_examples(conn: Connection, reviewer: str, limit: int, *, enough: int) -> list[Waiting]:
    """Return the examples that a person should conclude from next.

    Where an answer broke a rule or was unsure first, then the latest window.
    """
    asked = {**_KIND, "reviewer": reviewer, "limit": limit, "enough": enough}
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(_WAITING, asked).fetchall()


def count_waiting_examples(conn: Connection, cap: int, *, enough: int) -> int:
    """Count the examples that wait for anybody, up to a cap."""
    row = conn.execute(_COUNT, {**_KIND, "enough": enough, "cap": cap}).fetchone()
    return row[0] if row else 0


def open_examples(conn: Connection, example_ids: Sequence[str]) -> set[str]:
    """Return those of these examples that still wait for a person's conclusion."""
    return {found for (found,) in conn.execute(_OPEN, [list(example_ids)])}


def hold(conn: Connection, example_ids: Sequence[str]) -> None:
    """Let nobody else conclude from these examples before the transaction ends; in one order, so that none is stuck."""
    conn.execute(_HOLD, [list(example_ids)])


def note_doubts(conn: Connection, example_ids: Sequence[str]) -> None:
    """Keep the examples' place in the queue right after what machines said of them has changed."""
    conn.execute(_NOTE_DOUBTS, [list(example_ids)])


def note_conclusions(conn: Connection, example_ids: Sequence[str]) -> None:
    """Keep right which examples wait after conclusions have changed."""
    conn.execute(_NOTE_CONCLUSIONS, [list(example_ids)])


def keep_waiting(conn: Connection, example_id: str) -> None:
    """Let an example wait although it has a conclusion: more people are to respond."""
    conn.execute(_KEEP_WAITING, [example_id])
