"""What people decide on: rows of the stages, one by one. Blind: nobody is told who answered, or how that one fares.

A decision is the same as in a review file: an output that a person rewrote becomes a row of its own, and the row that
it was made from is rejected. Both happen in one transaction, and an undo takes both back.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

from psycopg import Connection
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, ValidationError

from shared.contracts import Contract, JsonObject
from shared.db import stages
from shared.db.stages import AskedRow, Decision, NewRow
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.pipelines.stages.contracts import as_json, output_model, parse_input, row_id, stage_named
from shared.pipelines.stages.contracts_faults import faults_by_path
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.guard import broken_by_path
from shared.pipelines.stages.policy import policy
from shared.pipelines.stages.review_files import EDITED, DecisionWord
from shared.pipelines.stages.rows import check_content, check_note, read_industry
from shared.pipelines.stages.versions import INPUT_VERSIONS, OUTPUT_VERSIONS
from shared.review import Fault, Item, Response, Review

ROWS: Final = "rows"
_NO_NOTE: Final = "approved in a review, without a note"
_DECIDED: Final = "already-decided"


def _none_if_blank(value: Any) -> Any:
    return None if value == "" else value


class RowDecision(Contract):
    """What a person says of a row, as in a review file."""

    decision: DecisionWord = Field(description="`approve` or `reject`.")
    note: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, max_length=500)] = Field(
        default="", description="Why. A row that is rejected or rewritten needs it."
    )
    output: JsonObject | None = Field(
        default=None, description="The output as the person rewrote it, to approve. None: as it is."
    )
    industry: Annotated[str | None, BeforeValidator(_none_if_blank)] = Field(
        default=None, description="The tag of the row, as `auto-repair`. None: as it is."
    )


# --- what waits, and what is shown ----------------------------------------------------------------------------------


def _enough() -> int:
    return policy().review.min_responses


def _waiting(conn: Connection, reviewer: str, limit: int) -> Sequence[Item]:
    return [_item(row) for row in stages.rows_to_review(conn, reviewer, limit, enough=_enough())]


def _count(conn: Connection, cap: int) -> int:
    return stages.count_rows_to_review(conn, cap, enough=_enough())


def _show(conn: Connection, item_id: str) -> Item:
    return _item(_known(conn, item_id))


def _known(conn: Connection, item_id: str, *, hold: bool = False) -> AskedRow:
    row = stages.asked_row(conn, item_id, hold=hold)
    if row is None:
        raise NotFoundError(f"there is no row {item_id}", advice="ask for the next rows")
    return row


def _item(row: AskedRow) -> Item:
    stage = stage_named(row.stage)
    content = {
        "stage": row.stage,
        "industry": row.industry,
        "business": row.group_key,
        "contracts": {"input": INPUT_VERSIONS[stage], "output": OUTPUT_VERSIONS[stage]},
        "input": row.input,
        "output": row.output,
    }
    return Item(id=row.id, content=content)


def _reveal(conn: Connection, item_id: str) -> JsonObject:
    row = _known(conn, item_id)
    stage = stage_named(row.stage)
    evals = stages.latest_evals(conn, stage, row.answered_by) if row.answered_by else None
    try:
        rules = as_json(deterministic(parse_input(stage, row.input)))
    except InvalidInputError:  # a row of a contract that is no more
        rules = None
    return {
        "answered_by": row.answered_by,
        "source": row.source,
        "pack": row.pack,
        "same_as_rules": rules == row.output,
        "rules": rules if rules != row.output else None,
        "evals": evals["stages"][stage] if evals else None,
    }


# --- what is wrong with a decision ----------------------------------------------------------------------------------


def _check(conn: Connection, item_id: str, decision: BaseModel) -> None:
    row = _known(conn, item_id, hold=True)
    if row.approved is not None and row.reviewed_as != row.id:
        raise ConflictError(
            "a person has decided on this row already, in a file or by rewriting another row",
            advice="ask for the next rows; stages.approve overrules it",
            code=_DECIDED,
        )
    said = decision.model_dump(mode="json")
    if faults := list(_rules(row, said)):
        raise InvalidInputError(
            f"this decision breaks a rule: {'; '.join(f'{fault.field} {fault.message}' for fault in faults)}",
            advice="correct it and send it again",
            faults=[vars(fault) for fault in faults],
        )
    edited = _edited(row, said)
    twin = stages.asked_row(conn, edited.id, hold=True) if edited else None
    if twin and twin.approved is not None and twin.reviewed_as != row.id:
        raise ConflictError(
            "another row says exactly this, and is decided on already",
            advice="reject this row instead",
            code=_DECIDED,
        )


def _faults(conn: Connection, item_id: str, decision: JsonObject) -> Sequence[Fault]:
    return list(_rules(_known(conn, item_id), decision))


def _rules(row: AskedRow, said: JsonObject) -> Iterator[Fault]:
    word, output = said.get("decision"), said.get("output")
    changed = isinstance(output, dict) and output != row.output
    yield from _note_faults(said.get("note"), needed=changed or word == "reject")
    if changed and word == "reject":
        yield Fault(field="output", message="was rewritten: approve it, or leave it as it was")
    elif changed or word == "approve":
        yield from _output_faults(row, output if changed else row.output)
    try:
        read_industry(said.get("industry") or None)
    except InvalidInputError:
        yield Fault(field="industry", message="is no tag of small letters, digits and hyphens, as auto-repair")


def _note_faults(note: Any, *, needed: bool) -> Iterator[Fault]:
    if not isinstance(note, str) or not note.strip():
        if needed:
            yield Fault(field="note", message="is missing: say why")
    else:
        try:
            check_note(note)
        except InvalidInputError:
            yield Fault(field="note", message="has what looks like an e-mail address or a phone number")


def _output_faults(row: AskedRow, raw: Any) -> Iterator[Fault]:
    stage = stage_named(row.stage)
    try:
        value = parse_input(stage, row.input)
    except InvalidInputError:
        yield Fault(field="", message="has an input of a contract that is no more: reject it")
        return
    try:
        output = output_model(stage).model_validate(raw)
    except ValidationError as error:
        faults = list(faults_by_path(error))
    else:
        faults = list(broken_by_path(value, output))
    for path, reason in faults:
        yield Fault(field=f"output.{path}" if path else "output", message=reason)


# --- what a decision makes of a row ---------------------------------------------------------------------------------


def _settle(conn: Connection, item_id: str, responses: Sequence[Response]) -> JsonObject:
    """Let the first response that stands decide; those of others are kept beside it."""
    stages.take_back_review(conn, item_id)
    if not responses:
        return _came_to(conn, item_id, edited=None, responses=0)
    first, row = responses[0], _known(conn, item_id)
    edited, note = _edited(row, first.decision), first.decision["note"]
    if edited:
        stages.put_rows(conn, [edited], "edit")
    decisions = _decisions(row, edited, first.decision, note)
    enough = len(responses) >= _enough()
    stages.decide_reviewed(conn, item_id, decisions, by=first.reviewer, at=first.at, enough=enough)
    return _came_to(conn, item_id, edited=edited.id if edited else None, responses=len(responses))


def _came_to(conn: Connection, item_id: str, *, edited: str | None, responses: int) -> JsonObject:
    return {"approved": _known(conn, item_id).approved, "edited": edited, "responses": responses}


def _decisions(row: AskedRow, edited: NewRow | None, said: JsonObject, note: str) -> tuple[Decision, ...]:
    industry = said["industry"]
    if edited:
        return (
            Decision(id=row.id, approved=False, note=f"{EDITED}{note}"),
            Decision(id=edited.id, approved=True, note=note, industry=industry),
        )
    approved = said["decision"] == "approve"
    return (Decision(id=row.id, approved=approved, note=note or _NO_NOTE, industry=industry),)


def _edited(row: AskedRow, said: JsonObject) -> NewRow | None:
    """Return the row that a person made of this one; None where the output says the same as before."""
    if said["output"] is None or said["output"] == row.output:
        return None
    stage = stage_named(row.stage)
    value, output = check_content(stage, row.input, said["output"])
    new = row_id(stage, value, output)
    if new == row.id:
        return None
    return NewRow(
        id=new, stage=row.stage, industry=said["industry"] or row.industry, group_key=row.group_key, input=row.input,
        output=as_json(output), edited_from=row.id,
    )  # fmt: skip


REVIEWS: Final = (
    Review(
        kind=ROWS,
        summary="Approve, rewrite or reject what a stage answered: the least sure answers first.",
        decision=RowDecision,
        waiting=_waiting,
        show=_show,
        reveal=_reveal,
        check=_check,
        settle=_settle,
        count=_count,
        open_among=stages.open_rows,
        faults=_faults,
        min_responses=_enough,
        one_truth=True,
    ),
)
