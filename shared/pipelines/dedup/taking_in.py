"""The step ``take-in``: a file of statements comes in, all of it or nothing. Memory does not grow with the file.

Each line is a statement with its source and where in it (``locator``). What is taken in waits in a table of its own
until ``check-incoming`` has made insights of it, so nothing is lost whatever happens between.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract
from shared.db import dedup
from shared.db.dedup import StagedStatement
from shared.errors import InvalidInputError
from shared.files import Upload, open_upload
from shared.lines import Format, read_records
from shared.pipeline import Done, Run
from shared.pipelines.dedup.auto import require_auto
from shared.pipelines.dedup.contracts import insight_id, normalised, read_statement, source_id
from shared.pipelines.dedup.policy import Mode, policy
from shared.refusals import LineCheck

_BATCH: Final = 2_000  # lines for one transaction
_CHECKED: Final = 0.9  # of the work is done when all lines are checked
_FIELDS: Final = ("statement", "source", "locator")
_PEEK: Final = 4_096


class TakeInParams(Contract):
    """What to take in, and what follows."""

    file: Upload = Field(
        description="JSON lines or CSV with the fields `statement`, `source` and `locator` (where in the source)."
    )
    source: str | None = Field(
        default=None, max_length=500, description="The source of lines that do not name theirs; none: each must."
    )
    mode: Mode = Field(
        default=policy().ingest.mode,
        description="`auto` merges what a model is sure of, and asks people about the rest; `assist` only asks;"
        " `off` only stores.",
    )


class TakeInResult(Contract):
    """Lines read; ``waiting`` statements are under ``run``; ``repeated`` ones were twice in the file."""

    run: str
    lines: int
    waiting: int
    repeated: int
    new_sources: int


def take_in(run: Run, params: TakeInParams) -> Done:
    """Check and stage every line; what is returned then lets all of them wait.

    Raises InvalidInputError with the code ``lines-refused`` when any line is bad: its details have the first 100 as
    ``lines``, and how many there are by reason as ``reasons``; no line is quoted. RefusedError when mode auto is not
    justified.
    """
    if params.mode == "auto":
        with run.reading() as conn:
            require_auto(conn)
    with run.staging() as conn:
        dedup.stage_incoming(conn, run.job_id, run.attempt)
    check = LineCheck(lambda fields, line: read_line(fields, line=line, source=params.source))
    file_format = _format_of(run, params.file)
    with open_upload(run, params.file) as file:
        records = read_records(file, file_format, ("statement",))
        while batch := list(islice(records, _BATCH)):
            with run.staging() as conn, dedup.staged_incoming(conn, run.job_id, run.attempt) as write:
                check.some(batch, write)
            run.report(_CHECKED / 2, "checking lines", lines=check.lines, refused=check.refused)
    if check.refused or not check.lines:
        with run.staging() as conn:
            dedup.drop_incoming(conn, run.job_id, run.attempt)
        raise check.refusal(
            "statements",
            "taken in",
            code="lines-refused",
            advice="correct the lines listed in the details and send the whole file again",
            empty="send JSON lines, or CSV with a header",
        )
    run.report(_CHECKED, "taking in", lines=check.lines, refused=0)
    result = TakeInResult(run=run.job_id, lines=check.lines, waiting=0, repeated=0, new_sources=0)

    def record(conn: Connection) -> TakeInResult:
        taken = dedup.take_in(conn, run.job_id, run.attempt)
        figures = {
            "run": taken.run_id, "waiting": taken.waiting, "repeated": check.lines - taken.waiting,
            "new_sources": taken.new_sources,
        }  # fmt: skip
        return result.model_copy(update=figures)

    return Done(result=result, record=record)


def _format_of(run: Run, upload: str) -> Format:
    """Tell JSON lines from CSV by the first character: a JSON object begins with a brace, no header of ours does."""
    with open_upload(run, upload) as file:
        start = file.read(_PEEK).removeprefix(b"\xef\xbb\xbf").lstrip()
    return "jsonl" if not start or start.startswith((b"{", b"[")) else "csv"


def read_line(fields: Mapping[str, Any], *, line: int, source: str | None) -> StagedStatement:
    """Read a line of a file. Raises InvalidInputError with a ``reason``, which quotes nothing of the line.

    Without a locator of its own, the number of the line stands for it.
    """
    if fields.keys() - set(_FIELDS):
        raise _refused("fields", f"it has a field that is none of: {', '.join(_FIELDS)}")
    said = {name: value for name, value in fields.items() if value not in (None, "")}
    if not all(isinstance(value, str) for value in said.values()):
        raise _refused("fields", "its fields must be texts")
    if "statement" not in said:
        raise _refused("empty", "it has no statement")
    if not (named := said.get("source", source)):
        raise _refused("source", "it names no source")
    rules = policy().ingest
    statement = read_statement(said["statement"])
    name = _part("source", named, rules.max_source_chars)
    return StagedStatement(
        insight_id=insight_id(statement),
        statement=statement,
        source_id=source_id(name),
        source=name,
        locator=_part("locator", said.get("locator", f"line {line}"), rules.max_locator_chars),
    )


def _part(what: str, text: str, most: int) -> str:
    try:
        return normalised(text, most)
    except InvalidInputError as error:
        raise _refused(what, f"its {what} cannot be read: {error.message}") from None


def _refused(reason: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, advice="correct the line and send the whole file again", reason=reason)
