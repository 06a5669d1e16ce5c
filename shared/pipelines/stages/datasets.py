"""The step ``build-datasets``: rows of the stages as files, one for each stage, in constant memory.

A row whose schema_version or shape is not that of the current contracts never gets into a file: it is counted by its
reason, and listed in a file of its own.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
from psycopg import Connection
from pydantic import Field, TypeAdapter, ValidationError, create_model

from shared.contracts import Contract
from shared.db import stages
from shared.db.stages import Chosen
from shared.errors import InvalidInputError, RefusedError
from shared.files import ResultFiles, publish_files
from shared.ids import canonical_json
from shared.pipeline import Done, Run
from shared.pipelines.stages.contracts import Industry, input_model, output_model, parse_input, parse_output
from shared.pipelines.stages.rows import reason_of
from shared.pipelines.stages.versions import STAGES, Stage

FOLDER: Final = "train/datasets"
REJECTED_FILE: Final = f"{FOLDER}/rejected.jsonl"
NO_INDUSTRY: Final = "no-industry"
SAME_INPUT: Final = "same-input"

_EVERY: Final = 1_000  # rows between two reports
_NAMED: Final = 20  # rejected rows that the result itself names; the file has all
_SEED_NAMES: Final = {"synthesis_decision": "synthesis"}
"""Where the seed's file is not called as the stage is."""


def file_of(stage: Stage) -> str:
    """Return the path of a stage's dataset: ``train/datasets/stage_<stage>.jsonl``, or the seed's own name of it."""
    return f"{FOLDER}/stage_{_SEED_NAMES.get(stage, stage)}.jsonl"


class BuildDatasetsParams(Contract):
    """Which rows to write."""

    approved_only: bool = Field(
        default=True,
        description="Only rows that a person approved. Without it also rows that wait; nothing is trained on those.",
    )
    days: int | None = Field(
        default=None, ge=1, le=3_650, description="Only rows approved in so many days (that came in, if they wait)."
    )
    stage: tuple[Stage, ...] = Field(default=(), description="Only this stage; may be given again. None: all five.")
    industry: tuple[Industry, ...] = Field(
        default=(), description="Only rows of this industry; may be given again. None: all."
    )
    empty_ok: bool = Field(default=False, description="Say that there are no eligible rows, instead of failing.")


class StageDataset(Contract):
    """The rows of one stage: how many, of which industries, and how many were rejected for which reason."""

    stage: Stage
    file: str
    rows: int
    approved: int
    industries: dict[str, int]
    rejected: dict[str, int]
    waiting: int


class RejectedRow(Contract):
    """A row that is in no file, and why."""

    id: str
    stage: Stage
    reason: str
    message: str


class BuildDatasetsResult(Contract):
    """The files. ``rejected`` names the first rows that were left out; ``train/datasets/rejected.jsonl`` has all."""

    sentence: str
    rows: int
    approved_only: bool
    days: int | None
    stages: tuple[StageDataset, ...]
    rejected: tuple[RejectedRow, ...]
    files: ResultFiles


def build_datasets(run: Run, params: BuildDatasetsParams) -> Done:
    """Write the files. Raises RefusedError when no row of the chosen stages may be written."""
    chosen = params.stage or STAGES
    built = []
    with run.reading() as conn, (run.workdir / "rejected.jsonl").open("wb") as rejected:
        counts = stages.counts(conn)
        for stage in STAGES:
            if stage in chosen:
                which = Chosen(
                    stage=stage, approved_only=params.approved_only, days=params.days, industries=params.industry
                )
                waiting = counts[stage].waiting if stage in counts else 0
                built.append(_Build(run, which, stage, waiting, rejected).write(conn))
    result = _result(run, params, built)
    if not (result.rows or params.empty_ok):
        raise _nothing(result)
    return Done(result=result)


def _result(run: Run, params: BuildDatasetsParams, built: list["_Build"]) -> BuildDatasetsResult:
    files: dict[str, bytes | Path] = {file_of(build.stage): build.path for build in built if build.rows}
    if any(build.rejected for build in built):
        files[REJECTED_FILE] = run.workdir / "rejected.jsonl"
    rows = sum(build.rows for build in built)
    left_out = sum((build.rejected for build in built), Counter[str]())
    stages = sum(bool(build.rows) for build in built)
    told = f"{rows:,} row{'' if rows == 1 else 's'} of {stages} stage{'' if stages == 1 else 's'}"
    if left_out:
        told += f"; {left_out.total():,} were left out: {_listed(left_out)}"
    if empty := [build.stage for build in built if not build.rows]:
        told += f"; 0 eligible rows of {', '.join(empty)}: check approved flags and schema versions"
    return BuildDatasetsResult(
        sentence=f"{told}.",
        rows=rows,
        approved_only=params.approved_only,
        days=params.days,
        stages=tuple(build.told() for build in built),
        rejected=tuple(row for build in built for row in build.named)[:_NAMED],
        files=publish_files(run.artifacts, files),
    )


def _nothing(result: BuildDatasetsResult) -> RefusedError:
    waiting = sum(stage.waiting for stage in result.stages)
    rejected = sum((Counter(stage.rejected) for stage in result.stages), Counter[str]())
    why = [f"{waiting:,} rows wait for a person's approval"] if waiting else []
    why += [f"{rejected.total():,} are left out ({_listed(rejected)})"] if rejected else []
    return RefusedError(
        f"0 eligible rows: check approved flags and schema versions; {', '.join(why) or 'there are no rows yet'}",
        advice="approve rows (stages.approve), bring old ones up to the current contracts (docs/schemas/stages/), or"
        " choose more --days, stages and industries",
        code="no-eligible-rows",
        waiting=waiting,
        reasons=dict(rejected),
        rejected=[row.model_dump() for row in result.rejected],
    )


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))


@dataclass
class _Build:
    """Writes the file of one stage, counting as rows pass."""

    run: Run
    which: Chosen
    stage: Stage
    waiting: int
    rejected_file: BinaryIO
    rows: int = 0
    approved: int = 0
    industries: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    named: list[RejectedRow] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Where the file is written."""
        return self.run.workdir / f"{self.stage}.jsonl"

    def write(self, conn: Connection) -> "_Build":
        """Write the rows that keep the contracts, and list the others."""
        expected = max(stages.estimate(conn, self.which), 1)
        validate = _validator(self.stage)
        with self.path.open("wb", buffering=1 << 18) as file:
            for seen, line in enumerate(stages.lines(conn, self.which)):
                if seen % _EVERY == 0:
                    self._report(seen / expected)
                try:
                    row = validate(line)
                except ValidationError:
                    fields = orjson.loads(line)
                    self._reject(fields["id"], *_why(self.stage, fields))
                    continue
                file.write(line)
                self.rows += 1
                self.approved += row.approved
                self.industries[row.industry] += 1
        for row_id in stages.repeated(conn, self.which):
            self._reject(row_id, SAME_INPUT, "another business has the same input, and its row counts")
        return self

    def told(self) -> StageDataset:
        """Return the counts."""
        return StageDataset(
            stage=self.stage, file=file_of(self.stage), rows=self.rows, approved=self.approved,
            industries=dict(self.industries.most_common()), rejected=dict(self.rejected), waiting=self.waiting,
        )  # fmt: skip

    def _report(self, share: float) -> None:
        place = STAGES.index(self.stage)
        fraction = (place + min(share, 1)) / len(STAGES)
        self.run.report(min(fraction, 0.99), f"writing {self.stage}", rows=self.rows)

    def _reject(self, row_id: str, reason: str, message: str) -> None:
        row = RejectedRow(id=row_id, stage=self.stage, reason=reason, message=message)
        self.rejected[reason] += 1
        self.rejected_file.write(canonical_json(row.model_dump()) + b"\n")
        if len(self.named) < _NAMED:
            self.named.append(row)


def _why(stage: Stage, fields: dict[str, Any]) -> tuple[str, str]:
    """Say why a row is rejected: its contract first, since a row of an old one must be rewritten anyway."""
    try:
        parse_input(stage, fields["input"])
        parse_output(stage, fields["output"])
    except InvalidInputError as error:
        return reason_of(error), error.message
    return NO_INDUSTRY, "the row has no industry, and counts in no gate: add one when you approve it"


@lru_cache(maxsize=len(STAGES))
def _validator(stage: Stage) -> Any:
    """Return what reads a line of a stage at once, without a detour by Python's objects of JSON."""
    row = create_model(
        f"DatasetRow_{stage}",
        __base__=DatasetRow,
        input=(input_model(stage), ...),
        output=(output_model(stage), ...),
    )
    return TypeAdapter(row).validate_json


class DatasetRow(Contract):
    """A line of a dataset file. ``at``: when a person decided, or (of rows that wait) when the row came in."""

    id: str
    stage: str
    industry: str
    business: str
    approved: bool
    input: Any
    output: Any
    at: str


def read_dataset(file: BinaryIO) -> Iterator[DatasetRow]:
    """Yield the rows of a file that ``build-datasets`` wrote. Raises pydantic's ValidationError for any other line."""
    for line in file:
        yield DatasetRow.model_validate_json(line)
