"""What people decide on: what follows from a snapshot. Blind: neither what rules or models say of it is shown with it.

What a person says becomes the example's conclusion in the same transaction, and an undo brings back what was there.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from psycopg import Connection
from pydantic import BaseModel, BeforeValidator, Field

from shared.contracts import Contract, JsonObject
from shared.db import gold
from shared.db.gold import Waiting
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.pipelines.gold.contracts import FIELDS, MAX_EVIDENCE, Confidence, evidence_entries, parse_snapshot
from shared.pipelines.gold.drafts import conclusion_of, evidence_reasons
from shared.pipelines.gold.patterns import draft, suggested_evidence
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.rules import check_texts
from shared.review import Fault, Item, Response, Review

CONCLUSIONS: Final = "conclusions"
_REVEALED: Final = 3


def _none_if_blank(value: Any) -> Any:
    return None if value == "" else value


class ConclusionDecision(Contract):
    """What a person concludes from a snapshot: the rules are those of ``drafts.json``."""

    decision: str = Field(description="The one thing to do, in one line of at most 500 characters.")
    boundary: str = Field(description="The one line that must not be crossed while doing it.")
    why_this_now: str = Field(default="", description="Why this, and why now.")
    one_sentence_pattern: str = Field(default="", description="The pattern behind it, in one sentence.")
    confidence: Annotated[Confidence | None, BeforeValidator(_none_if_blank)] = Field(
        default=None, description="How sure the person is. None: what the policy says."
    )
    evidence: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_EVIDENCE,
        description="Entries of the snapshot, `signals.<path>=<value>`. None: the suggested ones.",
    )


# --- what waits, and what is shown ----------------------------------------------------------------------------------


def _enough() -> int:
    return policy().review.min_responses


def _waiting(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    return [_item(example) for example in gold.waiting_examples(conn, reviewer, limit, enough=_enough())]


def _count(conn: Connection, cap: int) -> int:
    return gold.count_waiting_examples(conn, cap, enough=_enough())


def _show(conn: Connection, example_id: str) -> Item:
    return _item(_known(conn, example_id))


def _known(conn: Connection, example_id: str) -> Waiting:
    found = gold.shown_example(conn, example_id)
    if found is None:
        raise NotFoundError(
            f"there is no example {example_id}", advice="ask for the next examples: gold.reseed may have taken it out"
        )
    return found


def _item(example: Waiting) -> Item:
    content = {
        "window": example.snapshot["window"],
        "signals": example.snapshot["signals"],
        "evidence": list(evidence_entries(example.snapshot["signals"])),
        "suggested_evidence": list(suggested_evidence(parse_snapshot(example.snapshot))),
    }
    return Item(id=example.id, content=content)


def _reveal(conn: Connection, example_id: str) -> JsonObject:
    snapshot = parse_snapshot(_known(conn, example_id).snapshot)
    said = gold.said_of(conn, example_id)
    answers = gold.answers_of(conn, example_id, _REVEALED)
    return {
        "rules": draft(snapshot).model_dump(mode="json"),
        "conclusion": {name: getattr(said, name) for name in (*FIELDS, "origin", "status")} if said else None,
        "answers": [{**vars(answer), "at": answer.at.isoformat()} for answer in answers],
    }


# --- what a person says ---------------------------------------------------------------------------------------------


def _check(conn: Connection, example_id: str, decision: BaseModel) -> None:
    gold.hold(conn, [example_id])
    example = _known(conn, example_id)
    said = gold.said_of(conn, example_id)
    if said and said.origin == "human" and said.status == "approved" and said.response_id is None:
        raise ConflictError(
            "a person's conclusion from this snapshot came in by a file",
            advice="change it there and import the file again (gold.import-gold)",
            code="already-decided",
        )
    if faults := _rules(decision.model_dump(mode="json"), example.snapshot):
        raise InvalidInputError(
            f"this conclusion breaks a rule: {'; '.join(fault.message for fault in faults)}",
            advice="correct it and send it again",
            faults=[vars(fault) for fault in faults],
        )


def _faults(conn: Connection, example_id: str, decision: JsonObject) -> Sequence[Fault]:
    return _rules(decision, _known(conn, example_id).snapshot)


def _rules(decision: JsonObject, snapshot: JsonObject) -> list[Fault]:
    texts = [Fault(field=broken.field, message=broken.message) for broken in check_texts(decision)]
    reasons = evidence_reasons(decision.get("evidence"), snapshot)
    return [*texts, *(Fault(field="evidence", message=reason) for reason in reasons)]


def _settle(conn: Connection, example_id: str, responses: Sequence[Response]) -> JsonObject:
    """Let the first response that stands be the conclusion; those of others are kept beside it."""
    if responses:
        first = responses[0]
        conclusion = conclusion_of(example_id, first.decision, _known(conn, example_id).snapshot)
        gold.put_response(conn, conclusion, by=first.reviewer, at=first.at, response_id=first.id)
    else:
        gold.take_back_response(conn, example_id)
    said = gold.said_of(conn, example_id)
    if responses and len(responses) < _enough():
        gold.keep_waiting(conn, example_id)
    origin, status = (said.origin, said.status) if said else (None, None)
    return {"responses": len(responses), "origin": origin, "status": status}


REVIEWS: Final = (
    Review(
        kind=CONCLUSIONS,
        summary="Say what follows from a snapshot: one decision and one boundary, the doubtful ones first.",
        decision=ConclusionDecision,
        waiting=_waiting,
        show=_show,
        reveal=_reveal,
        check=_check,
        settle=_settle,
        count=_count,
        open_among=gold.open_examples,
        faults=_faults,
        min_responses=_enough,
        one_truth=True,
    ),
)
