"""The steps from answers that broke a rule to examples of what should have been said: nothing is taught unapproved.

An offender is a first answer that broke a rule. A negative is an offender with its correction: a person's own
conclusion where there is one, else what the rules of ``patterns.py`` say. It is trained on its correction once a person
has approved it; the rejected text is kept for preference pairs and evaluations.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from psycopg import Connection
from pydantic import Field

from shared import ids
from shared.contracts import Contract
from shared.db import gold
from shared.errors import InvalidInputError
from shared.files import ResultFiles, Upload, open_upload, publish_files
from shared.pipeline import Done, Run
from shared.pipelines.gold.asking import offender_of
from shared.pipelines.gold.contracts import GoldAnswer, parse_snapshot
from shared.pipelines.gold.patterns import draft
from shared.pipelines.gold.prompt import answer_text
from shared.pipelines.gold.snapshot import group_of

NEGATIVES_FILE: Final = "negatives.json"
GENERATOR: Final = "gold.gen-negatives"
_MAX_BYTES: Final = 32 << 20
_NEGATIVE: Final = "neg"

NegativeId = Annotated[str, Field(pattern=r"^neg_[0-9a-f]{32}$")]


# --- extract --------------------------------------------------------------------------------------------------------


class ExtractOffendersParams(Contract):
    """Where to look for answers that broke a rule."""

    source: Literal["smoke", "production"] | None = Field(
        default=None, description="Answers of smoke tests, or those of gold.infer. Empty: both."
    )
    model_id: str | None = Field(
        default=None, pattern=r"^mdl_[0-9a-f]{32}$", description="Only this model's answers. Empty: all models'."
    )


class ExtractOffendersResult(Contract):
    """How many offenders are new, and how many there are in all, by the rules that they broke."""

    new: int
    offenders: int
    broken: dict[str, int]


def extract_offenders(run: Run, params: ExtractOffendersParams) -> Done:
    """Keep the answers whose first text broke a rule; the same text to the same snapshot counts once."""
    with run.reading() as conn:
        found = gold.offending_answers(conn, source=params.source, model_id=params.model_id)
    offenders = [offender_of(answer) for answer in found if answer.first_text]

    def record(conn: Connection) -> ExtractOffendersResult:
        new = gold.put_offenders(conn, offenders)
        known = gold.list_offenders(conn)
        broken = Counter(rule for one in known for rule in {str(fault["rule"]) for fault in one.faults})
        return ExtractOffendersResult(new=new, offenders=len(known), broken=dict(sorted(broken.items())))

    return Done(result=ExtractOffendersResult(new=0, offenders=0, broken={}), record=record)


# --- correct --------------------------------------------------------------------------------------------------------


class GenNegativesParams(Contract):
    """Which offenders to correct: all those without an approved correction."""


class GenNegativesResult(Contract):
    """The corrections that wait for a person; ``files`` shows each beside what was rejected."""

    negatives: int
    by_people: int
    files: ResultFiles


def gen_negatives(run: Run, _params: GenNegativesParams) -> Done:
    """Draft a correction for each offender that has none that was approved."""
    with run.reading() as conn:
        offenders = gold.list_offenders(conn, uncorrected=True)
        decided = {row.id: row for row in gold.replaceable(conn, everything=True)}
    pairs = [(_corrected(offender, decided.get(offender.example_id or "")), offender) for offender in offenders]
    pairs = [(negative, offender) for negative, offender in pairs if negative.evidence]  # else nothing can be grounded
    negatives = [negative for negative, _ in pairs]
    drafts = [_shown(negative, offender) for negative, offender in pairs]
    shown = json.dumps(drafts, indent=2, ensure_ascii=False).encode() + b"\n"
    result = GenNegativesResult(
        negatives=len(negatives),
        by_people=sum(negative.origin == "human" for negative in negatives),
        files=publish_files(run.artifacts, {NEGATIVES_FILE: shown}, folder="ml_review"),
    )

    def record(conn: Connection) -> None:
        gold.put_negatives(conn, negatives, GENERATOR)

    return Done(result=result, record=record)


def _corrected(offender: gold.Offender, decided: gold.Decided | None) -> gold.Negative:
    snapshot = parse_snapshot(offender.snapshot)
    answer = draft(snapshot)
    by_person = decided is not None and decided.origin == "human" and decided.status == "approved"
    if decided is not None and by_person:
        fields = {name: getattr(decided, name) for name in GoldAnswer.model_fields}
        answer = GoldAnswer.model_validate({**fields, "evidence": tuple(fields["evidence"])})
    return _negative(offender.id, offender.snapshot, offender.rejected, answer, "human" if by_person else "machine")


def _negative(
    offender_id: str, snapshot: dict[str, Any], rejected: str, answer: GoldAnswer, origin: str
) -> gold.Negative:
    return gold.Negative(
        id=ids.content_id(_NEGATIVE, offender_id),
        offender_id=offender_id,
        snapshot=snapshot,
        group_key=group_of(parse_snapshot(snapshot)),
        rejected=rejected,
        origin=origin,
        **answer.model_dump(mode="json"),
    )


def _shown(negative: gold.Negative, offender: gold.Offender) -> dict[str, Any]:
    fields = {name: getattr(negative, name) for name in GoldAnswer.model_fields}
    shown = {"id": negative.id, **negative.snapshot, "rejected": negative.rejected, "faults": offender.faults}
    return {**shown, **fields}


# --- approve --------------------------------------------------------------------------------------------------------


class ApproveNegativesParams(Contract):
    """Which corrections a person approves. With nothing given: all that wait."""

    ids: tuple[NegativeId, ...] | None = Field(
        default=None, min_length=1, max_length=10_000, description="The corrections, by id. Empty: all that wait."
    )
    file: Upload | None = Field(
        default=None,
        description="The `negatives.json` of gold.gen-negatives, edited: its rows are approved as they are.",
    )


class ApproveNegativesResult(Contract):
    """How many corrections were approved now; how many of them a person had rewritten; how many still wait."""

    approved: int
    rewritten: int
    waiting: int


def approve_negatives(run: Run, params: ApproveNegativesParams) -> Done:
    """Approve corrections, all or nothing. Raises InvalidInputError that names every row that cannot be approved."""
    with run.reading() as conn:
        drafts = {negative.id: negative for negative in gold.list_negatives(conn, "draft")}
    rewritten: list[gold.Negative] = []
    chosen = params.ids
    if params.file:
        edited = _edited(run, params.file, drafts)
        rewritten = [new for new in edited if new != drafts[new.id]]
        chosen = tuple(new.id for new in edited)
    unknown = [wanted for wanted in chosen or () if wanted not in drafts]
    if unknown:
        raise _refused([{"id": wanted, "reasons": ["no correction with this id waits"]} for wanted in unknown])

    def record(conn: Connection) -> ApproveNegativesResult:
        gold.put_negatives(conn, rewritten, run.actor)
        approved = gold.approve_negatives(conn, run.actor, chosen)
        waiting = len(gold.list_negatives(conn, "draft"))
        return ApproveNegativesResult(approved=len(approved), rewritten=len(rewritten), waiting=waiting)

    return Done(result=ApproveNegativesResult(approved=0, rewritten=0, waiting=len(drafts)), record=record)


def _edited(run: Run, upload: str, drafts: dict[str, gold.Negative]) -> list[gold.Negative]:
    with open_upload(run, upload) as file:
        data = file.read(_MAX_BYTES + 1)
    try:
        rows = json.loads(data) if len(data) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not rows:
        raise InvalidInputError("the file is no list of corrections", advice="edit the file of gold.gen-negatives")
    found = [_read(row, drafts) for row in rows]
    faults = [
        {"row": number, "id": item[0], "reasons": list(item[1])}
        for number, item in enumerate(found, 1)
        if isinstance(item, tuple)
    ]
    if faults:
        raise _refused(faults)
    return [item for item in found if not isinstance(item, tuple)]


def _read(row: Any, drafts: dict[str, gold.Negative]) -> gold.Negative | tuple[str | None, Sequence[str]]:
    """Return a row's correction, or its id and every reason against it (none quotes the row)."""
    from shared.pipelines.gold.guard import GoldGuard

    known = drafts.get(row["id"]) if isinstance(row, dict) and isinstance(row.get("id"), str) else None
    if known is None:
        return None, ["no correction with this id waits"]
    said = {name: row.get(name) for name in GoldAnswer.model_fields}
    checked = GoldGuard(parse_snapshot(known.snapshot)).check(json.dumps(said))
    if isinstance(checked, tuple):
        return known.id, [fault.message for fault in checked]
    before = {name: getattr(known, name) for name in GoldAnswer.model_fields}
    origin = (
        known.origin if answer_text(checked) == answer_text(GoldAnswer.model_validate(_tupled(before))) else "human"
    )
    return _negative(known.offender_id, known.snapshot, known.rejected, checked, origin)


def _tupled(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "evidence": tuple(fields["evidence"])}


def _refused(rejected: list[dict[str, Any]]) -> InvalidInputError:
    return InvalidInputError(
        f"nothing was approved: {len(rejected)} rows cannot be",
        code="negatives-refused",
        advice="correct them and try again: all are approved, or none",
        rejected=rejected,
    )
