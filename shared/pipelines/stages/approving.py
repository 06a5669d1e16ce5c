"""The steps by which a person decides on rows: ``export-review`` writes them out, ``approve`` takes the decisions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Self

from psycopg import Connection
from pydantic import Field, model_validator

from shared.contracts import Contract
from shared.db import stages
from shared.db.stages import Decision
from shared.errors import InvalidInputError, NotFoundError
from shared.files import ResultFiles, Upload, open_upload, publish_files
from shared.pipeline import Done, Run
from shared.pipelines.stages import review_files
from shared.pipelines.stages.importing import require_person
from shared.pipelines.stages.review_files import DecisionWord, RefusedLine, Reviewed
from shared.pipelines.stages.rows import Note, check_note
from shared.pipelines.stages.versions import Stage

FOLDER: Final = "train/review"
_LISTED: Final = 100
_MAX_IDS: Final = 1_000

RowId = Annotated[str, Field(pattern=r"^ex_[0-9a-f]{32}$")]


def review_file() -> str:
    """Return the name of today's review file."""
    return f"{FOLDER}/review_pack_{datetime.now(UTC):%Y-%m-%d}.jsonl"


# --- export-review --------------------------------------------------------------------------------------------------


class ExportReviewParams(Contract):
    """Which rows to look at."""

    stage: tuple[Stage, ...] = Field(default=(), description="Only this stage; may be given again. None: all five.")
    limit: int = Field(
        default=1_000, ge=1, le=review_files.MAX_ROWS, description="At most so many rows, the oldest first."
    )


class ExportReviewResult(Contract):
    """How many rows the file has, by stage."""

    rows: int
    stages: dict[str, int]
    files: ResultFiles


def export_review(run: Run, params: ExportReviewParams) -> Done:
    """Write the rows that nobody has decided on as a review file. Raises NotFoundError when there is none."""
    with run.reading() as conn:
        rows = stages.waiting_rows(conn, params.stage, params.limit)
    if not rows:
        raise NotFoundError("no row waits for a decision", advice="run stages.run-packs or stages.import-rows first")
    by_stage = {stage: sum(row.stage == stage for row in rows) for stage in sorted({row.stage for row in rows})}
    files = publish_files(run.artifacts, {review_file(): review_files.write_review(rows)})
    return Done(result=ExportReviewResult(rows=len(rows), stages=by_stage, files=files))


# --- approve --------------------------------------------------------------------------------------------------------


class ApproveParams(Contract):
    """What was decided: a review file that was filled in, or one decision on some rows."""

    file: Upload | None = Field(default=None, description="The review file with `decision` and `note` filled in.")
    ids: tuple[RowId, ...] = Field(
        default=(),
        max_length=_MAX_IDS,
        description="A row to decide on; may be given again.",
        examples=[["ex_0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"]],
    )
    decision: DecisionWord = Field(default="approve", description="What is decided on those rows.")
    note: Note | None = Field(
        default=None,
        description="Why. In a file, for decided rows that have no note themselves.",
        examples=["checked against the firm's books"],
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.file is None) == (not self.ids):
            raise ValueError("give either a review file or ids")
        if self.ids and self.note is None:
            raise ValueError("a decision needs a note: say why")
        if self.note is not None:
            try:
                check_note(self.note)
            except InvalidInputError as error:
                raise ValueError(error.message) from None
        return self


class ApproveResult(Contract):
    """What was decided: all of it, or nothing. ``changed``: decisions that said something new."""

    rows: int
    approved: int
    rejected: int
    edited: int
    untouched: int
    changed: int


def approve(run: Run, params: ApproveParams) -> Done:
    """Check every decision, then store them all as this person's.

    Raises InvalidInputError with the code ``review-refused`` when any is bad: its details have the first 100 as
    ``lines`` (``line``, ``id``, ``message``). RefusedError when no person asks.
    """
    require_person(run)
    total, reviewed = _from_file(run, params, params.file) if params.file else _from_ids(run, params)
    if reviewed.refused:
        raise _refusal(reviewed.refused, total)
    if not reviewed.decisions:
        raise InvalidInputError(
            "no row of the file has a decision", advice="write approve or reject and a note, then send it again"
        )
    result = ApproveResult(
        rows=total,
        approved=sum(decision.approved for decision in reviewed.decisions),
        rejected=sum(not decision.approved for decision in reviewed.decisions) - len(reviewed.edited),
        edited=len(reviewed.edited),
        untouched=reviewed.untouched,
        changed=0,
    )

    def record(conn: Connection) -> ApproveResult:
        stages.put_rows(conn, reviewed.edited, "edit")
        return result.model_copy(update={"changed": stages.decide(conn, _last(reviewed.decisions), run.actor)})

    return Done(result=result, record=record)


def _from_file(run: Run, params: ApproveParams, upload: str) -> tuple[int, Reviewed]:
    with open_upload(run, upload) as file:
        lines, unreadable = review_files.read_review(file)
    total = len(lines) + len(unreadable)
    run.report(0.3, "checking", rows=total)
    with run.reading() as conn:
        known = stages.rows_of(conn, review_files.ids_of(lines))
    reviewed = review_files.check_review(lines, known, note=params.note)
    reviewed.refused = sorted([*unreadable, *reviewed.refused])
    return total, reviewed


def _from_ids(run: Run, params: ApproveParams) -> tuple[int, Reviewed]:
    ids = list(dict.fromkeys(params.ids))
    with run.reading() as conn:
        known = stages.rows_of(conn, ids)
    return len(ids), review_files.decided_by_id(ids, known, params.decision, params.note or "")


def _last(decisions: Sequence[Decision]) -> list[Decision]:
    """Return one decision for each row: an approval wins, since an edit may say what another row says already."""
    by_id = {decision.id: decision for decision in decisions if not decision.approved}
    by_id |= {decision.id: decision for decision in decisions if decision.approved}
    return list(by_id.values())


def _refusal(refused: Sequence[RefusedLine], rows: int) -> InvalidInputError:
    first = refused[0]
    return InvalidInputError(
        f"{len(refused):,} of {rows:,} rows are refused, so nothing was decided; row {first.line}: {first.message}",
        code="review-refused",
        advice="correct the rows listed in the details and send the whole file again",
        lines=[row._asdict() for row in refused[:_LISTED]],
        refused=len(refused),
        rows=rows,
    )
