"""The step ``import``: a file of labelled examples goes into a pipeline's table, all of it or nothing.

The file is read and checked with no transaction open; good lines are written beside it in the form that PostgreSQL
takes them in fastest. Only when all are good does the transaction that records the job's success copy them into a
staging table, and from there into the table. Memory does not grow with the file.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from psycopg import Connection
from pydantic import Field

from shared.artifacts import FileRef, Manifest
from shared.contracts import Contract, Queue
from shared.db import binary_copy, ml_data
from shared.errors import InvalidInputError
from shared.loop.lines import Format, Record, Unreadable, read_records
from shared.pipeline import Done, Labelled, Pipeline, Run, Step

UPLOAD: Final = "upload"
_REQUIRED: Final = ("query", "label")
_LISTED: Final = 100  # bad lines that are named; of the others only the count
_BETWEEN_REPORTS: Final = 5_000  # lines

Store = Callable[[Connection, BinaryIO], int]
_STORES: Final[Mapping[str, Store]] = {"router": ml_data.merge_import}


class ImportParams(Contract):
    """What to import."""

    upload: str = Field(pattern=r"^[0-9a-f]{64}$", description="The uploaded file's manifest (SHA-256).")
    format: Format = Field(description="What the file is: `csv` with a header, or `jsonl`, one object a line.")


class ImportResult(Contract):
    """Lines read, and how many of them were new; the others were there already or twice in the file."""

    upload: str
    rows: int
    new: int
    known: int


@dataclass(frozen=True)
class _Unsaid:
    """What stands in for what a line does not say: the person who asked for the import, and now."""

    by: bytes
    at: bytes


class BadLine(Contract):
    """A line that cannot be imported."""

    line: int
    reason: str


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
    """Read and check the file; what it returns then writes all of it.

    Raises InvalidInputError with the code ``import-refused`` when any line is bad: its details hold the first 100 as
    ``lines`` (``line`` and ``reason``), how many are bad as ``refused``, and how many were read as ``rows``.
    """
    if pipeline.parse_labelled is None:
        raise InvalidInputError(f"{pipeline.name} imports no labelled examples")
    upload = _file_of(run.artifacts.manifest(params.upload))
    path = run.workdir / "rows"
    with run.artifacts.open(upload) as file, path.open("wb") as checked:
        records = read_records(file, params.format, _REQUIRED)
        rows = _check(run, records, pipeline.parse_labelled, checked, upload.size)
    store = _STORES[pipeline.name]
    draft = ImportResult(upload=params.upload, rows=rows, new=0, known=0)

    def record(conn: Connection) -> ImportResult:
        with path.open("rb") as good:
            new = store(conn, good)
        return draft.model_copy(update={"new": new, "known": rows - new})

    return Done(result=draft, record=record)


def _file_of(manifest: Manifest) -> FileRef:
    if manifest.kind != UPLOAD or len(manifest.files) != 1:
        raise InvalidInputError("this artifact is not an uploaded file", advice="send the file to the import's address")
    return next(iter(manifest.files.values()))


def _check(
    run: Run, records: Iterator[Record], parse: Callable[[Mapping[str, Any]], Labelled], good: BinaryIO, size: int
) -> int:
    """Write the rows of good lines, and return how many there are. Raises InvalidInputError if any line is bad.

    ``size`` is the upload's, in bytes: about as many go out as come in, which is near enough for progress.
    """
    unsaid = _Unsaid(by=run.actor.encode(), at=binary_copy.timestamptz(datetime.now(UTC)))
    bad: list[BadLine] = []
    rows = refused = 0
    good.write(binary_copy.HEADER)
    for rows, record in enumerate(records, 1):
        example = _parsed(record, parse)
        if isinstance(example, Unreadable):
            refused += 1
            if len(bad) < _LISTED:
                bad.append(BadLine(line=record.line, reason=example.reason))
        elif not refused:
            good.write(_row(example, unsaid))
        if rows % _BETWEEN_REPORTS == 0:
            run.report(0.7 * min(good.tell() / max(size, 1), 1), f"checked {rows:,} lines", rows=rows, refused=refused)
    good.write(binary_copy.TRAILER)
    if refused:
        raise _refusal(bad, refused, rows)
    run.report(0.7, f"writing {rows:,} rows", rows=rows, refused=0)
    return rows


def _parsed(record: Record, parse: Callable[[Mapping[str, Any]], Labelled]) -> Labelled | Unreadable:
    if isinstance(record.fields, Unreadable):
        return record.fields
    try:
        return parse(record.fields)
    except InvalidInputError as error:
        return Unreadable(error.message)


def _row(example: Labelled, unsaid: _Unsaid) -> bytes:
    return binary_copy.row(
        (
            example.id.encode(),
            example.input.encode(),
            example.group.encode(),
            example.label.encode(),
            unsaid.by if example.by is None else example.by.encode(),
            unsaid.at if example.at is None else binary_copy.timestamptz(example.at),
        )
    )


def _refusal(bad: list[BadLine], refused: int, rows: int) -> InvalidInputError:
    first = bad[0]
    return InvalidInputError(
        f"{refused:,} of {rows:,} lines cannot be imported, so nothing was; line {first.line}: {first.reason}",
        code="import-refused",
        advice="correct the lines listed in the details and send the whole file again",
        lines=[line.model_dump() for line in bad],
        refused=refused,
        rows=rows,
    )
