"""The step ``conflicts``: what people said that cannot be right together, and on what they disagree.

A conflict blocks the export until somebody undoes or changes one of its decisions; a disagreement only leaves its pair
out. The result names insights, decisions and items by ids: no statement is in it.
"""

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract
from shared.db import dedup
from shared.pipeline import Done, Run
from shared.pipelines.dedup.contracts import PairLabel
from shared.pipelines.dedup.policy import policy


class ConflictsParams(Contract):
    """How many to list."""

    limit: int = Field(default=100, ge=1, le=1_000, description="At most so many of each kind.")


class Said(Contract):
    """Who said what of a pair, by which decision about which cluster or merge."""

    a: str
    b: str
    label: PairLabel
    person: str
    decision_id: str
    item_id: str


class ConflictShown(Contract):
    """Two insights that are kept separate, the chain of merges from ``a`` to ``b``, and who said all that."""

    a: str
    b: str
    chain: tuple[str, ...]
    said: tuple[Said, ...]


class DisagreementShown(Contract):
    """A pair that enough people were asked about, of whom too few say the same."""

    a: str
    b: str
    said: tuple[Said, ...]


class ConflictsResult(Contract):
    """``conflicts`` block the export."""

    sentence: str
    conflicts: int
    disagreements: int
    conflict_list: tuple[ConflictShown, ...]
    disagreement_list: tuple[DisagreementShown, ...]


def conflicts(run: Run, params: ConflictsParams) -> Done:
    """List conflicts, the oldest first, and disagreements."""
    with run.reading() as conn:
        return Done(result=found_conflicts(conn, params.limit))


def found_conflicts(conn: Connection, limit: int) -> ConflictsResult:
    """Return the conflicts and disagreements that stand."""
    rules = policy().review
    counted, listed = dedup.conflicts(conn, limit)
    disagreed, pairs = dedup.disagreements(conn, limit, rules.min_responses)
    said = dedup.votes_about(conn, {*pairs, *(pair for each in listed for pair in each.pairs)})
    by_pair: dict[tuple[str, str], list[Said]] = {}
    for vote in said:
        label: PairLabel = "merge" if vote.label == "merge" else "separate"
        told = Said(
            a=vote.a, b=vote.b, label=label, person=vote.person, decision_id=vote.decision_id, item_id=vote.item_id
        )  # fmt: skip
        by_pair.setdefault((vote.a, vote.b), []).append(told)
    blocked = "they block the export" if counted else "nothing blocks the export"
    return ConflictsResult(
        sentence=f"{counted} conflicts and {disagreed} disagreements: {blocked}.",
        conflicts=counted,
        disagreements=disagreed,
        conflict_list=tuple(
            ConflictShown(
                a=each.a, b=each.b, chain=tuple(each.chain),
                said=tuple(found for pair in each.pairs for found in by_pair.get(pair, ())),
            )
            for each in listed
        ),
        disagreement_list=tuple(
            DisagreementShown(a=a, b=b, said=tuple(by_pair.get((a, b), ()))) for a, b in pairs
        ),
    )  # fmt: skip
