"""What is true of an answered query: the last word of people, whether they said it in the review or outside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from psycopg import Connection

from shared.db import router
from shared.db.router import AnsweredQuery, NewLabel, Source
from shared.pipelines.router.contracts import Difficulty, Label, example_id, group_of, parse_label
from shared.review import Response


@dataclass(frozen=True, kw_only=True)
class Said:
    """One person's word about a query. ``reviewed``: in the review."""

    label: Label
    by: str
    at: datetime
    source: Source
    reviewed: bool


def words_of(conn: Connection, query: AnsweredQuery, responses: Sequence[Response]) -> list[Said]:
    """Return all that people say of a query, the last word last."""
    said = [
        Said(label=label_of(query, each), by=each.reviewer, at=each.at, source="feedback", reviewed=True)
        for each in responses
    ]
    if word := router.word_of(conn, query.id):
        said.append(
            Said(label=parse_label(word.label), by=word.said_by, at=word.at, source=word.source, reviewed=False)
        )
    return sorted(said, key=lambda each: each.at)


def label_of(query: AnsweredQuery, response: Response) -> Label:
    """Return the label that a response gives: its own, or the one that was answered and is said to be right."""
    return cast("Label", response.decision["label"] or query.difficulty)


def settle(conn: Connection, query: AnsweredQuery, words: Sequence[Said]) -> str | None:
    """Make the last word the query's label, in place of any other, and return the example's id; None without words."""
    if not words:
        router.forget_label(conn, query.id)
        router.set_labelled(conn, query.id, labelled=False, contested_by=None)
        return None
    last = words[-1]
    example = example_id(query.query, last.label, query.id)
    new = NewLabel(
        id=example, query=query.query, group_key=group_of(query.query), label=last.label, source=last.source,
        query_id=query.id, labelled_by=last.by, labelled_at=last.at,
    )  # fmt: skip
    router.put_label(conn, new)
    alone = len({each.by for each in words}) == 1
    contested = alone and query.difficulty not in (last.label, Difficulty.UNCERTAIN)
    router.set_labelled(conn, query.id, labelled=True, contested_by=last.by if contested else None)
    return example
