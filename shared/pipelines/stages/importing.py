"""The step ``import-rows``: a file of rows comes in, all of it or nothing. Memory does not grow with the file.

Rows that come in wait for a person. Only when the person who imports them says so, approvals that the file claims are
taken over as that person's own.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final, Self

from psycopg import Connection
from pydantic import Field, model_validator

from shared.contracts import Contract
from shared.db import stages
from shared.db.stages import StagedRow
from shared.errors import InvalidInputError, RefusedError
from shared.files import Upload, open_upload
from shared.lines import read_records
from shared.pipeline import Done, Run
from shared.pipelines.stages.contracts import canonical
from shared.pipelines.stages.rows import NOTE, FileRow, Note, check_note, read_row
from shared.refusals import LineCheck

_BATCH: Final = 2_000  # lines for one transaction
_CHECKED: Final = 0.8  # of the work is done when all lines are checked
_SCHEDULES: Final = "schedule:"


class ImportRowsParams(Contract):
    """What to import, and whether its approvals count."""

    file: Upload = Field(description="Rows as JSON lines, as stages.build-datasets writes them.")
    approve: bool = Field(
        default=False,
        description="Rows that the file calls approved are approved by you. Otherwise they wait like all others.",
    )
    note: Note | None = Field(default=None, description="Why they are approved, for rows that have no note themselves.")

    @model_validator(mode="after")
    def _plain(self) -> Self:
        _check_note(self.note)
        return self


class ImportRowsResult(Contract):
    """Lines read; ``known`` ones were there already, or twice in the file. ``approved``: just now, as the file says."""

    rows: int
    new: int
    known: int
    approved: int
    without_industry: int
    stages: dict[str, int]


def import_rows(run: Run, params: ImportRowsParams) -> Done:
    """Check and stage every line; what is returned then moves all of them in.

    Raises InvalidInputError with the code ``rows-refused`` when any line is bad: its details have the first 100 as
    ``lines``, and how many there are by reason as ``reasons``. RefusedError when no person asks for approval.
    """
    if params.approve:
        require_person(run)
    with run.staging() as conn:
        stages.stage_import(conn, run.job_id, run.attempt)
    check = _Check(params)
    with open_upload(run, params.file) as file:
        records = read_records(file, "jsonl", ())
        while batch := list(islice(records, _BATCH)):
            with run.staging() as conn, stages.staged_rows(conn, run.job_id, run.attempt) as write:
                check.some(batch, write)
            run.report(_CHECKED / 2, "checking lines", rows=check.lines, refused=check.refused)
    if check.refused or not check.lines:
        with run.staging() as conn:
            stages.drop_import(conn, run.job_id, run.attempt)
        raise check.refusal(
            "rows",
            "imported",
            code="rows-refused",
            advice="correct the lines listed in the details and send the whole file again; their schema_versions must"
            " be those of the current contracts (docs/schemas/stages/)",
            empty="send the rows as JSON lines, one object a line",
        )
    run.report(_CHECKED, "adding rows", rows=check.lines, refused=0)
    result = ImportRowsResult(
        rows=check.lines, new=0, known=0, approved=0, without_industry=check.without_industry, stages=dict(check.stages)
    )

    def record(conn: Connection) -> ImportRowsResult:
        merged = stages.merge_import(conn, run.job_id, run.attempt, run.actor)
        figures = {"new": merged.new, "known": check.lines - merged.new, "approved": merged.approved}
        return result.model_copy(update=figures)

    return Done(result=result, record=record)


def require_person(run: Run) -> None:
    """Refuse what only a person may do. Raises RefusedError."""
    if run.actor == "system" or run.actor.startswith(_SCHEDULES):
        raise RefusedError(
            "only a person approves rows", advice="run the step with the API key of the person who has looked at them"
        )


def _check_note(note: str | None) -> None:
    try:
        if note is not None:
            check_note(note)
    except InvalidInputError as error:
        raise ValueError(error.message) from None


class _Check(LineCheck[StagedRow]):
    """Goes through the lines of a file, and counts what the good ones are about."""

    def __init__(self, params: ImportRowsParams) -> None:
        super().__init__(lambda fields, _line: self._row(fields))
        self._params = params
        self.without_industry = 0
        self.stages: Counter[str] = Counter()

    def _row(self, fields: Mapping[str, Any]) -> StagedRow:
        row = read_row(fields)
        note = self._note(row)
        self.stages[row.stage] += 1
        self.without_industry += row.industry is None
        return _staged(row, note)

    def _note(self, row: FileRow) -> tuple[str, datetime | None] | None:
        """Return what the approval of a row is stored with; None: it waits."""
        if not (self._params.approve and row.approved):
            return None
        note = row.note or self._params.note
        if note is None:
            raise InvalidInputError(
                "it is to be approved and has no note", advice="give one: --note, or `note` of the row", reason=NOTE
            )
        return note, row.at


def _staged(row: FileRow, approval: tuple[str, datetime | None] | None) -> StagedRow:
    note, at = approval or (None, None)
    return StagedRow(
        id=row.id, stage=row.stage, industry=row.industry, group_key=row.business, input=canonical(row.input),
        output=canonical(row.output), note=note, at=at,
    )  # fmt: skip
