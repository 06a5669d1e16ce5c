"""What the stages ask of rows before a training file is made: today's contracts, whoever brought the row."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from psycopg import Connection

from shared.contracts import JsonObject
from shared.db import stages
from shared.errors import InvalidInputError
from shared.lines import Unreadable, read_records
from shared.pipeline import Row
from shared.pipelines.stages.contracts import parse_input, parse_output, stage_named
from shared.pipelines.stages.rows import UNREADABLE, read_row, reason_of
from shared.pipelines.stages.versions import INPUT_VERSIONS, OUTPUT_VERSIONS
from shared.row_rules import FileLine, RowRules

RUNS_FOLDER: Final = "train/finetune_runs"
OTHER_STAGE: Final = "other-stage"


def _versions(surface: str) -> JsonObject:
    stage = stage_named(surface)
    return {"input": INPUT_VERSIONS[stage], "output": OUTPUT_VERSIONS[stage]}


def _check(surface: str, row: Row) -> None:
    stage = stage_named(surface)
    parse_input(stage, row.input)
    parse_output(stage, row.label["output"])


def _read(surface: str, file: BinaryIO) -> Iterator[FileLine]:
    for record in read_records(file, "jsonl", ()):
        if isinstance(record.fields, Unreadable):
            yield FileLine(None, UNREADABLE)
            continue
        try:
            row = read_row(record.fields)
        except InvalidInputError as error:
            yield FileLine(None, reason_of(error))
        else:
            yield FileLine(row.id) if row.stage == surface else FileLine(None, OTHER_STAGE)


def _left_out(conn: Connection, surface: str) -> Mapping[str, int]:
    return stages.left_out(conn, surface)


ROW_RULES: Final = RowRules(versions=_versions, check=_check, read=_read, left_out=_left_out)
