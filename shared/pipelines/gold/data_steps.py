"""Gold's steps from reports to approved conclusions. What follows is in ``data_flows.py``."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final, TypeVar

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, Queue, Scope
from shared.db import gold
from shared.db.gold import Conclusion, Decided, Example
from shared.errors import InvalidInputError, RefusedError
from shared.files import ResultFiles, Upload, open_upload, publish_files
from shared.pipeline import Done, Run, Step
from shared.pipelines.gold.contracts import NAME, Snapshot, example_id, parse_snapshot
from shared.pipelines.gold.data_flows import FREEZING_STEPS
from shared.pipelines.gold.drafts import (
    FILE_NAME,
    FOLDER,
    Rejected,
    check_drafts,
    ids_of,
    read_drafts,
    write_drafts,
)
from shared.pipelines.gold.layouts import INVOICES, JOBS, QUOTES, Layout
from shared.pipelines.gold.patterns import draft
from shared.pipelines.gold.reports import read_report
from shared.pipelines.gold.snapshot import Reports, group_of, snapshots

R = TypeVar("R")

AUTOFILL: Final = "gold.autofill"
"""Who a machine's draft is by."""


# --- reseed ---------------------------------------------------------------------------------------------------------


class ReseedParams(Contract):
    """Jobber's CSV reports, one at least; each covers all time, as exported."""

    quotes: Upload | None = Field(default=None, description="The quotes report.")
    invoices: Upload | None = Field(default=None, description="The invoices report.")
    jobs: Upload | None = Field(default=None, description="The jobs report.")


class ReseedResult(Contract):
    """The examples there are now: the same reports give the same ids, in any database.

    ``removed`` are examples that these reports do not show; ``kept`` are such that a person has decided.
    """

    examples: int
    new: int
    known: int
    removed: int
    kept: int
    records: dict[str, int]
    first_day: date
    last_day: date
    ids_hash: str


def reseed(run: Run, params: ReseedParams) -> Done:
    """Read the reports into snapshots and make them the examples.

    Raises InvalidInputError for a bad report, RefusedError when the reports show too little for one snapshot.
    """
    if not (params.quotes or params.invoices or params.jobs):
        raise InvalidInputError("no report was given", advice="give one at least of: quotes, invoices, jobs")
    reports = Reports(
        quotes=_records(run, params.quotes, QUOTES, 0.1),
        invoices=_records(run, params.invoices, INVOICES, 0.3),
        jobs=_records(run, params.jobs, JOBS, 0.5),
    )
    found = list(snapshots(reports))
    if not found:
        raise RefusedError(
            "the reports show too few dated events for a snapshot", advice="export them for all time, unfiltered"
        )
    run.report(0.9, "storing snapshots", snapshots=len(found))
    rows = [_example(snapshot) for snapshot in found]
    uploads = "\n".join(upload or "" for upload in (params.quotes, params.invoices, params.jobs))
    result = ReseedResult(
        examples=len(rows), new=0, known=0, removed=0, kept=0,
        records={name: len(rows) for name, rows in vars(reports).items() if rows is not None},
        first_day=min(row.window_from for row in rows),
        last_day=max(row.window_to for row in rows),
        ids_hash=gold.hash_of(row.id for row in rows),
    )  # fmt: skip

    def record(conn: Connection) -> ReseedResult:
        changed = gold.put_examples(conn, rows, hashlib.sha256(uploads.encode()).hexdigest())
        return result.model_copy(update={**vars(changed), "examples": gold.counts(conn).examples})

    return Done(result=result, record=record)


def _records(run: Run, upload: str | None, layout: Layout[R], fraction: float) -> list[R] | None:
    if upload is None:
        return None
    run.report(fraction, f"reading the {layout.name} report")
    with open_upload(run, upload) as file:
        return list(read_report(file, layout))


def _example(snapshot: Snapshot) -> Example:
    return Example(
        id=example_id(snapshot), snapshot=snapshot.as_json(), group_key=group_of(snapshot),
        window_from=snapshot.window.first, window_to=snapshot.window.last,
    )  # fmt: skip


# --- drafts ---------------------------------------------------------------------------------------------------------


class ExportDraftsParams(Contract):
    """Which examples to export."""

    everything: bool = Field(default=False, description="Those that are approved too, with what was said of them.")


class ExportDraftsResult(Contract):
    """How many drafts the file has."""

    drafts: int
    files: ResultFiles


def export_drafts(run: Run, params: ExportDraftsParams) -> Done:
    """Write ``drafts.json``: the examples that wait for a decision and a boundary, the latest window first."""
    with run.reading() as conn:
        examples = gold.replaceable(conn, everything=params.everything)
    files = publish_files(run.artifacts, {FILE_NAME: write_drafts(examples)}, folder=FOLDER)
    return Done(result=ExportDraftsResult(drafts=len(examples), files=files))


class ImportGoldParams(Contract):
    """The file to import."""

    file: Upload = Field(description="The edited `drafts.json`.")
    skip_untouched: bool = Field(
        default=False, description="Leave rows with nothing filled in as drafts, instead of refusing the file."
    )


class ImportGoldResult(Contract):
    """What was approved: all rows, or none. ``changed``: those that said something new."""

    rows: int
    approved: int
    changed: int
    untouched: int


def import_gold(run: Run, params: ImportGoldParams) -> Done:
    """Check every row, then approve them all as this person's.

    Raises InvalidInputError with the code ``gold-refused`` when any row is bad: its details have every rejected row as
    ``rejected`` (``row``, ``id``, ``reasons``).
    """
    with open_upload(run, params.file) as file:
        drafts = read_drafts(file)
    run.report(0.3, "checking", rows=len(drafts))
    with run.reading() as conn:
        known = gold.snapshots_of(conn, ids_of(drafts))
    checked = check_drafts(drafts, known, skip_untouched=params.skip_untouched)
    if checked.rejected:
        raise _refusal(checked.rejected, len(drafts))
    if not checked.conclusions:
        raise InvalidInputError(
            "no draft in the file is filled in", advice="write a decision and a boundary, then import it again"
        )
    result = ImportGoldResult(
        rows=len(drafts), approved=len(checked.conclusions), changed=0, untouched=checked.untouched
    )

    def record(conn: Connection) -> ImportGoldResult:
        return result.model_copy(update={"changed": gold.put_human(conn, checked.conclusions, run.actor)})

    return Done(result=result, record=record)


def _refusal(rejected: list[Rejected], rows: int) -> InvalidInputError:
    first = rejected[0]
    return InvalidInputError(
        f"{len(rejected):,} of {rows:,} rows are rejected, so nothing was imported;"
        f" row {first.row}: {'; '.join(first.reasons)}",
        code="gold-refused",
        advice="correct the rows listed in the details and import the whole file again; --skip-untouched leaves rows"
        " with nothing filled in as drafts; unknown ids need a fresh gold.export-drafts",
        rejected=[row._asdict() for row in rejected],
        rows=rows,
    )


# --- the machine's drafts, and approval -----------------------------------------------------------------------------


class AutofillParams(Contract):
    """Nothing to choose: every example without an approved conclusion gets a draft."""


class AutofillResult(Contract):
    """Drafts that the rules wrote, and those of them that are new or changed. None counts as a human approval."""

    drafts: int
    changed: int


def autofill(run: Run, _: AutofillParams) -> Done:
    """Draft a conclusion for each undecided example by plain rules, marked ``machine``; never over a person's."""
    with run.reading() as conn:
        waiting = [example for example in gold.replaceable(conn) if example.origin != "human"]
    drafts = [_machine_draft(example) for example in waiting]

    def record(conn: Connection) -> AutofillResult:
        return AutofillResult(drafts=len(drafts), changed=gold.put_machine(conn, drafts, AUTOFILL))

    return Done(result=AutofillResult(drafts=len(drafts), changed=0), record=record)


def _machine_draft(example: Decided) -> Conclusion:
    answer = draft(parse_snapshot(example.snapshot)).model_dump(mode="json")
    return Conclusion(example_id=example.id, **answer)


class ApproveParams(Contract):
    """What to approve."""

    include_machine: bool = Field(default=False, description="Drafts that rules wrote too; they stay marked `machine`.")


class ApproveResult(Contract):
    """Approved just now, by who wrote them, and how all examples stand."""

    approved: dict[str, int]
    examples: int
    human: int
    machine: int
    drafts: int
    undecided: int


def approve(run: Run, params: ApproveParams) -> Done:
    """Approve the drafts that wait: then they are what the next freeze holds."""

    def record(conn: Connection) -> ApproveResult:
        approved = gold.approve_drafts(conn, run.actor, include_machine=params.include_machine)
        return ApproveResult(approved=approved, **vars(gold.counts(conn)))

    nothing = ApproveResult(approved={}, examples=0, human=0, machine=0, drafts=0, undecided=0)
    return Done(result=nothing, record=record)


# --- the steps ------------------------------------------------------------------------------------------------------


def _step(
    name: str, summary: str, params: type[Any], run: Callable[[Run, Any], Done], scope: Scope = Scope.SUBMIT
) -> Step[Any]:
    return Step(
        pipeline=NAME, name=name, summary=summary, queue=Queue.DB, params=params, run=run, scope=scope,
        unique_key=_ALONE.get(name),
    )  # fmt: skip


_ALONE: Final[Mapping[str, Callable[[Any], str]]] = {"reseed": lambda _: "gold.reseed"}

DATA_STEPS: Final[tuple[Step[Any], ...]] = (
    _step("reseed", "Read Jobber's CSV reports into business snapshots.", ReseedParams, reseed),
    _step("export-drafts", "Write drafts.json: snapshots that wait for a decision.", ExportDraftsParams, export_drafts),
    _step("import-gold", "Import decided drafts, all of them or nothing.", ImportGoldParams, import_gold, Scope.REVIEW),
    _step("autofill", "Draft conclusions by rules, marked as a machine's.", AutofillParams, autofill),
    _step("approve", "Approve the drafts that wait.", ApproveParams, approve, Scope.REVIEW),
    *FREEZING_STEPS,
)
