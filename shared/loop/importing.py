"""The step ``import``: a file of labelled examples goes into a pipeline's table, all of it or nothing.

While lines are read and checked here, PostgreSQL takes the good ones into a staging table of this attempt's own, in
short transactions: reading and storing overlap. Only when all lines are good does the transaction that records the
job's success move them to where they belong. Memory does not grow with the file.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql
from pydantic import Field

from shared.contracts import Contract, Queue
from shared.db import binary_copy, ml_data, staging
from shared.errors import InvalidInputError
from shared.files import Upload, open_upload, uploaded
from shared.lines import Format, Record, Unreadable, read_records
from shared.pipeline import Done, Labelled, Pipeline, Run, Step

_REQUIRED: Final = ("query", "label")
_LISTED: Final = 100  # bad lines that are named; of the others only the count
_BATCH: Final = 50_000  # lines for one transaction
_PIECE: Final = 1 << 17  # bytes handed to the driver at once
_CHECKED: Final = 0.7  # of the work is done when all lines are checked

Parse = Callable[[Mapping[str, Any]], Labelled]
Write = Callable[[bytes | bytearray], None]


class ImportParams(Contract):
    """What to import."""

    upload: Upload = Field(description="The file with labelled examples.")
    format: Format = Field(description="What the file is: `csv` with a header, or `jsonl`, one object a line.")


def takes_body(step: Step[Any]) -> bool:
    """Whether the body of a step's request is a file, and not its parameters: the loop's ``import`` is such a step."""
    return issubclass(step.params, ImportParams)


class ImportResult(Contract):
    """Lines read, and how many of them were new; the others were there already, or twice in the file."""

    upload: str
    rows: int
    new: int
    known: int


class BadLine(Contract):
    """A line that cannot be imported, and why."""

    line: int
    reason: str


class _Store(NamedTuple):
    """How a pipeline's labels are kept: make a staging table, write rows to it, move them from there."""

    stage: Callable[[Connection, sql.Identifier], None]
    rows: Callable[[Connection, sql.Identifier], AbstractContextManager[Write]]
    merge: Callable[[Connection, sql.Identifier], int]


_STORES: Final[Mapping[str, _Store]] = {
    "router": _Store(ml_data.stage_import, ml_data.staged_rows, ml_data.merge_import),
}


def import_step(pipeline: Pipeline[Any, Any]) -> Step[ImportParams]:
    """Return the step ``import`` of a pipeline that has ``parse_labelled``."""
    return Step(
        pipeline=pipeline.name,
        name="import",
        summary="Import a file of labelled examples, all of it or nothing.",
        queue=Queue.DB,
        params=ImportParams,
        run=lambda run, params: import_file(pipeline, run, params),
    )


def import_file(pipeline: Pipeline[Any, Any], run: Run, params: ImportParams) -> Done:
    """Check and stage the file; what is returned then moves all of it in.

    Raises InvalidInputError with the code ``import-refused`` when any line is bad: its details hold the first 100 as
    ``lines`` (``line`` and ``reason``), how many are bad as ``refused``, and how many were read as ``rows``.
    """
    if pipeline.parse_labelled is None:
        raise InvalidInputError(f"{pipeline.name} imports no labelled examples")
    upload = uploaded(run.artifacts, params.upload)
    store = _STORES[pipeline.name]
    table = staging.table_of(run.job_id, run.attempt)
    with run.staging() as conn:
        store.stage(conn, table)
    with open_upload(run, params.upload) as file:
        records = read_records(file, params.format, _REQUIRED)
        check = _Check(records, pipeline.parse_labelled, by=run.actor, at=datetime.now(UTC))
        while not check.ended:
            with run.staging() as conn, store.rows(conn, table) as write:
                check.some(write)
            # about as many bytes go out as come in: near enough for progress
            share = min(check.written / max(upload.size, 1), 1)
            run.report(_CHECKED * share, "checking lines", rows=check.rows, refused=check.refused)
    if check.refused:
        with run.staging() as conn:
            staging.drop(conn, table)
        raise check.refusal()
    run.report(_CHECKED, "adding rows", rows=check.rows, refused=0)
    return _done(store, table, ImportResult(upload=params.upload, rows=check.rows, new=0, known=0))


def _done(store: _Store, table: sql.Identifier, draft: ImportResult) -> Done:
    def record(conn: Connection) -> ImportResult:
        new = store.merge(conn, table)
        return draft.model_copy(update={"new": new, "known": draft.rows - new})

    return Done(result=draft, record=record)


class _Check:
    """Goes through the records of a file, a batch at a time."""

    def __init__(self, records: Iterator[Record], parse: Parse, *, by: str, at: datetime) -> None:
        self._records = records
        self._parse = parse
        self._by = by.encode()  # who and when, where a line does not say
        self._at = binary_copy.timestamptz(at)
        self._bad: list[BadLine] = []
        self.ended = False
        self.rows = 0
        self.refused = 0
        self.written = 0
        """Bytes of rows written so far."""

    def some(self, write: Write) -> None:
        """Check the next lines and write the good ones; after the first bad line nothing is written any more."""
        before = self.rows
        piece = bytearray()
        for record in islice(self._records, _BATCH):
            self.rows += 1
            example = self._example(record)
            if isinstance(example, Unreadable):
                self._refuse(record.line, example.reason)
            elif not self.refused:
                piece += self._row(example)
                if len(piece) >= _PIECE:
                    write(piece)
                    self.written += len(piece)
                    piece = bytearray()
        write(piece)
        self.written += len(piece)
        self.ended = self.rows - before < _BATCH

    def refusal(self) -> InvalidInputError:
        """Return the error that says what is wrong with the file."""
        first = self._bad[0]
        return InvalidInputError(
            f"{self.refused:,} of {self.rows:,} lines cannot be imported, so nothing was; "
            f"line {first.line}: {first.reason}",
            code="import-refused",
            advice="correct the lines listed in the details and send the whole file again",
            lines=[line.model_dump() for line in self._bad],
            refused=self.refused,
            rows=self.rows,
        )

    def _refuse(self, line: int, reason: str) -> None:
        self.refused += 1
        if len(self._bad) < _LISTED:
            self._bad.append(BadLine(line=line, reason=reason))

    def _example(self, record: Record) -> Labelled | Unreadable:
        if isinstance(record.fields, Unreadable):
            return record.fields
        try:
            return self._parse(record.fields)
        except InvalidInputError as error:
            return Unreadable(error.message)

    def _row(self, example: Labelled) -> bytes:
        """Return the example as a row of the staging table, in the order of its columns."""
        return binary_copy.row(
            (
                example.id.encode(),
                example.input.encode(),
                example.group.encode(),
                example.label.encode(),
                self._by if example.by is None else example.by.encode(),
                self._at if example.at is None else binary_copy.timestamptz(example.at),
            )
        )
