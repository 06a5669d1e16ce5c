"""Review files: rows that wait for a person, and the check of what comes back decided.

A line has a row's ``id``, ``stage``, ``business``, ``pack``, ``answered_by`` and ``input`` (to be left as they are),
its ``industry`` and ``output`` (which a person may change), and ``decision`` and ``note`` to fill in. An output that
was changed becomes a row of its own, and the row that it was made from is rejected. No refusal quotes what a person
wrote; an id is named only if it looks like one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from shared.contracts import JsonObject
from shared.db.stages import Decision, NewRow, StageRow
from shared.errors import InvalidInputError, TooLargeError
from shared.ids import canonical_json
from shared.lines import Unreadable, read_records
from shared.pipelines.stages.contracts import as_json, row_id, stage_named
from shared.pipelines.stages.rows import Note, check_content, check_note, read_industry

MAX_ROWS: Final = 20_000

DecisionWord = Literal["approve", "reject"]

_AS_IT_WAS: Final = ("stage", "business", "pack", "answered_by", "input")
_KNOWN: Final = frozenset({"id", "industry", "output", "decision", "note", *_AS_IT_WAS})
_ID: Final = re.compile(r"ex_[0-9a-f]{32}", re.ASCII)
_NOTE: Final[TypeAdapter[str]] = TypeAdapter(Note)
EDITED: Final = "an edited row took its place: "
"""How the note of a row begins that was rejected for a rewritten one."""


class RefusedLine(NamedTuple):
    """A line that cannot be taken: its place in the file (from 1), its id if it has one, and why."""

    line: int
    id: str | None
    message: str


class Line(NamedTuple):
    """A line of a review file, as it was read."""

    number: int
    fields: JsonObject


@dataclass
class Reviewed:
    """What a file holds: decisions, rows that a person rewrote, lines without a decision, and what is refused."""

    decisions: list[Decision] = field(default_factory=list)
    edited: list[NewRow] = field(default_factory=list)
    untouched: int = 0
    refused: list[RefusedLine] = field(default_factory=list)


# --- out ------------------------------------------------------------------------------------------------------------


def write_review(rows: Iterable[StageRow | NewRow]) -> bytes:
    """Return the file for these rows, in their order. The same rows give the same bytes."""
    return b"".join(canonical_json(_line(row)) + b"\n" for row in rows)


def _line(row: StageRow | NewRow) -> JsonObject:
    return {
        "id": row.id, **_as_it_was(row), "industry": row.industry, "output": row.output, "decision": "", "note": "",
    }  # fmt: skip


def _as_it_was(row: StageRow | NewRow) -> JsonObject:
    return {
        "stage": row.stage, "business": row.group_key, "pack": row.pack, "answered_by": row.answered_by,
        "input": row.input,
    }  # fmt: skip


# --- in -------------------------------------------------------------------------------------------------------------


def read_review(file: BinaryIO) -> tuple[list[Line], list[RefusedLine]]:
    """Read the lines of a file, and those that are none. Raises InvalidInputError or TooLargeError."""
    lines: list[Line] = []
    refused: list[RefusedLine] = []
    for record in read_records(file, "jsonl", ()):
        if isinstance(record.fields, Unreadable):
            refused.append(RefusedLine(record.line, None, record.fields.reason))
        else:
            lines.append(Line(record.line, dict(record.fields)))
        if len(lines) + len(refused) > MAX_ROWS:
            raise TooLargeError(f"over {MAX_ROWS:,} rows", advice="send fewer rows at once")
    if not lines and not refused:
        raise InvalidInputError("the file has no rows", advice="send a review file: stages.export-review writes one")
    return lines, refused


def ids_of(lines: Iterable[Line]) -> list[str]:
    """Return the ids that lines name, as far as they look like ids."""
    return [found for line in lines if (found := _id_of(line)) is not None]


def check_review(lines: Sequence[Line], known: Mapping[str, StageRow], *, note: str | None = None) -> Reviewed:
    """Check each line. ``known`` has the rows whose ids are stored; ``note`` is for lines that have none."""
    reviewed = Reviewed()
    times = Counter(ids_of(lines))
    for line in lines:
        try:
            _take(reviewed, line, known, times, note)
        except InvalidInputError as error:
            reviewed.refused.append(RefusedLine(line.number, _id_of(line), error.message))
    return reviewed


def decided(row: StageRow, word: DecisionWord, note: str) -> Decision:
    """Return a decision on a row as it is stored. Raises InvalidInputError when it may not be approved so."""
    if word == "approve":
        check_content(stage_named(row.stage), row.input, row.output)
    check_note(note)
    return Decision(id=row.id, approved=word == "approve", note=note)


def decided_by_id(ids: Sequence[str], known: Mapping[str, StageRow], word: DecisionWord, note: str) -> Reviewed:
    """Return one decision on several rows; a refused one has its place among the ids as its line."""
    reviewed = Reviewed()
    for place, row_id_ in enumerate(ids, start=1):
        try:
            reviewed.decisions.append(decided(_known(row_id_, known), word, note))
        except InvalidInputError as error:
            reviewed.refused.append(RefusedLine(place, row_id_, error.message))
    return reviewed


def _known(row_id_: str, known: Mapping[str, StageRow]) -> StageRow:
    if row_id_ not in known:
        raise _refused("its id is unknown: import the row first (stages.import-rows)")
    return known[row_id_]


def _take(
    reviewed: Reviewed, line: Line, known: Mapping[str, StageRow], times: Mapping[str, int], note: str | None
) -> None:
    row = _row_of(line, known, times)
    industry = read_industry(line.fields.get("industry") or None)
    changed = line.fields.get("output", row.output) != row.output
    word = _word_of(line)
    if word is None:
        if changed:
            raise _refused("its output was changed and it has no decision: write approve")
        reviewed.untouched += 1
        return
    said = _note_of(line, note)
    if changed and word == "reject":
        raise _refused("its output was changed and it is rejected: approve it, or leave the output as it was")
    if not changed:
        decision = decided(row, word, said)
        reviewed.decisions.append(Decision(**{**vars(decision), "industry": industry}))
        return
    edited = _edited(row, line.fields["output"], industry)
    check_note(said)
    reviewed.edited.append(edited)
    reviewed.decisions += (
        Decision(id=row.id, approved=False, note=f"{EDITED}{said}"),
        Decision(id=edited.id, approved=True, note=said, industry=industry),
    )


def _row_of(line: Line, known: Mapping[str, StageRow], times: Mapping[str, int]) -> StageRow:
    if line.fields.keys() - _KNOWN:
        raise _refused(f"it has a field that is none of: {', '.join(sorted(_KNOWN))}")
    row_id_ = _id_of(line)
    if row_id_ is None:
        raise _refused("its id is missing, or not one of a row")
    row = _known(row_id_, known)
    if times[row_id_] > 1:
        raise _refused(f"its id stands there {times[row_id_]} times")
    was = _as_it_was(row)
    for name in _AS_IT_WAS:
        if name in line.fields and line.fields[name] != was[name]:
            raise _refused(f"its {name} was changed: it must stay as it was")
    return row


def _word_of(line: Line) -> DecisionWord | None:
    match line.fields.get("decision"):
        case None | "":
            return None
        case "approve":
            return "approve"
        case "reject":
            return "reject"
        case _:
            raise _refused("its decision is none of: approve, reject, or nothing")


def _note_of(line: Line, note: str | None) -> str:
    given = line.fields.get("note")
    if given in (None, "") and note is None:
        raise _refused("it has a decision and no note: say why")
    try:
        return _NOTE.validate_python(note if given in (None, "") else given)
    except ValidationError:
        raise _refused("its note is not a text of 1 to 500 characters") from None


def _edited(row: StageRow, raw: Any, industry: str | None) -> NewRow:
    """Return the row that a person made of another one by rewriting its output."""
    stage = stage_named(row.stage)
    value, output = check_content(stage, row.input, raw)
    new = row_id(stage, value, output)
    if new == row.id:  # told in other bytes only
        raise _refused("its output says the same as before, written otherwise: leave it as it was")
    return NewRow(
        id=new, stage=row.stage, industry=industry or row.industry, group_key=row.group_key, input=row.input,
        output=as_json(output), edited_from=row.id,
    )  # fmt: skip


def _id_of(line: Line) -> str | None:
    found = line.fields.get("id")
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _refused(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason="review")
