"""A pipeline that asks people about essays, in all ways that the loop knows: for tests of the loop's own part.

``grades``: one response is the truth. ``votes``: two people are asked. ``appeals``: grades once more, by a second
person. What an essay came to is in its own row, which ``settle`` writes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.types.json import Jsonb
from pydantic import Field

from shared import ids
from shared.contracts import Contract, JsonObject
from shared.db.pool import Database
from shared.db.reviews import offered_to, open_for, open_for_all
from shared.errors import NotFoundError
from shared.loop import review
from shared.pipeline import Pipeline
from shared.pipelines.router import PIPELINE as ROUTER
from shared.review import Fault, Item, Response, Review

NAME: Final = "essays"
ADA, BOB, CLEO = "Ada", "Bob", "Cleo"

_TABLE: Final = """
CREATE TABLE essays (id text COLLATE "C" PRIMARY KEY, doubt real NOT NULL, closed boolean NOT NULL DEFAULT false,
                     appealed boolean NOT NULL DEFAULT false, came_to jsonb NOT NULL DEFAULT '[]')
"""
_ORDERED: Final = "ORDER BY e.doubt DESC, e.id LIMIT %(limit)s"
_WAITING: Final = f"SELECT e.id FROM essays e WHERE NOT e.closed AND {open_for('e.id')} {_ORDERED}"
_COUNT: Final = f"""
SELECT count(*) FROM (SELECT FROM essays e WHERE NOT e.closed AND {open_for_all("e.id")} LIMIT %(cap)s) AS counted
"""
_APPEALS: Final = f"""
SELECT e.id FROM essays e WHERE e.appealed AND {offered_to("e.id")}
  AND NOT EXISTS (SELECT FROM review_responses r WHERE r.pipeline = 'essays' AND r.kind = 'grades'
                  AND r.item_id = e.id AND r.reviewer = %(reviewer)s AND r.retracted_at IS NULL)
{_ORDERED}
"""


class Grade(Contract):
    """How good an essay is."""

    grade: Literal["good", "bad"]
    why: str = Field(default="", max_length=20)


def _faults(_conn: Connection, _item_id: str, decision: JsonObject) -> Sequence[Fault]:
    rude = "stupid" in str(decision.get("why"))
    return [Fault(field="why", message="Say it kindly.")] if rude else []


def _show(conn: Connection, item_id: str) -> Item:
    if conn.execute("SELECT FROM essays WHERE id = %s", [item_id]).rowcount == 0:
        raise NotFoundError("there is no such essay", advice="ask for the next one")
    return Item(id=item_id, content={"essay": item_id})


def _reveal(conn: Connection, item_id: str) -> JsonObject:
    row = conn.execute("SELECT doubt FROM essays WHERE id = %s", [item_id]).fetchone()
    return {"doubt": row[0] if row else None}


def _open_among(conn: Connection, item_ids: Sequence[str]) -> Collection[str]:
    found = conn.execute("SELECT id FROM essays WHERE id = ANY(%s) AND NOT closed", [list(item_ids)])
    return {each for (each,) in found}


def _appealed_among(conn: Connection, item_ids: Sequence[str]) -> Collection[str]:
    found = conn.execute("SELECT id FROM essays WHERE id = ANY(%s) AND appealed", [list(item_ids)])
    return {each for (each,) in found}


def _settle(conn: Connection, item_id: str, responses: Sequence[Response]) -> JsonObject:
    said = [[response.reviewer, response.decision["grade"]] for response in responses]
    conn.execute("UPDATE essays SET came_to = %s WHERE id = %s", [Jsonb(said), item_id])
    return {"said": said}


def _review(kind: str, enough: int, **more: Any) -> Review:
    def asked(reviewer: str, limit: int) -> JsonObject:
        return {"pipeline": NAME, "kind": kind, "reviewer": reviewer, "enough": enough, "limit": limit}

    def waiting(conn: Connection, reviewer: str, limit: int) -> list[Item]:
        return [_show(conn, found) for (found,) in conn.execute(_WAITING, asked(reviewer, limit))]

    def count(conn: Connection, cap: int) -> int:
        row = conn.execute(_COUNT, {**asked("", 0), "cap": cap}).fetchone()
        return row[0] if row else 0

    return Review(
        kind=kind, summary="How good an essay is.", decision=Grade, waiting=waiting, show=_show, reveal=_reveal,
        check=lambda conn, item_id, _decision: (_show(conn, item_id), None)[1], settle=_settle, count=count,
        open_among=_open_among, faults=_faults, min_responses=lambda: enough, **more,
    )  # fmt: skip


def _appeals(conn: Connection, reviewer: str, limit: int) -> list[Item]:
    asked = {"pipeline": NAME, "kind": "grades", "reviewer": reviewer, "limit": limit}
    return [_show(conn, found) for (found,) in conn.execute(_APPEALS, asked)]


GRADES: Final = _review("grades", 1, one_truth=True)
VOTES: Final = _review("votes", 2)
APPEALS: Final = replace(
    GRADES, kind="appeals", answers="grades", min_responses=lambda: 2, waiting=_appeals, open_among=_appealed_among,
    count=None,
)  # fmt: skip
PIPELINE: Final[Pipeline[Any, Any]] = replace(ROUTER, name=NAME, reviews=(GRADES, VOTES, APPEALS))


@dataclass(frozen=True)
class Office:
    """A database with essays, and people who read them."""

    database: Database

    def open(self, *doubts: float) -> list[str]:
        """Bring essays, and return their ids."""
        self.change(_TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        found = [ids.content_id("es", str(doubt)) for doubt in doubts]
        for item, doubt in zip(found, doubts, strict=True):
            self.change("INSERT INTO essays (id, doubt) VALUES (%s, %s)", item, doubt)
        return found

    def change(self, statement: str, *values: Any) -> None:
        with self.database.transaction() as conn:
            conn.execute(statement.encode(), values)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.reading() as conn:
            return conn.execute(query.encode(), values).fetchall()

    def next(self, by: str, kind: str = "grades", limit: int = 10) -> list[str]:
        with self.database.reading() as conn:
            return [item.id for item in review.next_items(conn, PIPELINE, kind, reviewer=by, limit=limit)]

    def decide(self, item: str, by: str, grade: str = "good", kind: str = "grades", note: str | None = None) -> str:
        with self.database.transaction() as conn:
            said = {"grade": grade}
            return review.decide(conn, PIPELINE, kind, item, reviewer=by, decision=said, note=note)[0]

    def undo(self, item: str, by: str, kind: str = "grades", response_id: str | None = None) -> review.Undone:
        with self.database.transaction() as conn:
            return review.undo(conn, PIPELINE, kind, item, reviewer=by, by=by, response_id=response_id)

    def came_to(self, item: str) -> list[list[str]]:
        ((found,),) = self.rows("SELECT came_to FROM essays WHERE id = %s", item)
        return list(found)

    def waits_for_a_lock(self) -> bool:
        """Whether somebody waits for an item that another holds."""
        query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        return bool(self.rows(query))
