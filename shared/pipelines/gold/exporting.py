"""The steps that make files of what there is: ``export-jsonl`` (training files) and ``smoke-report`` (for people)."""

from collections.abc import Iterable
from typing import Final

from psycopg import Connection
from pydantic import Field

from shared.contracts import Contract, JsonObject
from shared.datasets import open_dataset
from shared.db import gold
from shared.errors import NotFoundError
from shared.files import ResultFiles, publish_files
from shared.ids import canonical_json
from shared.llm.tuned import BrokenRule
from shared.pipeline import Done, Run, SplitPolicy
from shared.pipelines.gold import smoke
from shared.pipelines.gold.contracts import parse_snapshot
from shared.pipelines.gold.lines import chat_lines, label_of, preference_lines
from shared.pipelines.gold.policy import policy
from shared.pipelines.gold.smoke import SmokeCase, SmokeFigures
from shared.pipelines.gold.snapshot import group_of
from shared.splits import split_of

TRAIN_FILE: Final = "train_openai.jsonl"
EVAL_FILE: Final = "eval_openai.jsonl"
PAIRS_FILE: Final = "dpo_pairs.jsonl"
REPORT_PAGE: Final = "smoke_report.html"
REPORT_FILE: Final = "smoke_report.json"


# --- training files -------------------------------------------------------------------------------------------------


class ExportJsonlParams(Contract):
    """Which dataset to write as training files."""

    dataset_id: str | None = Field(
        default=None, pattern=r"^ds_[0-9a-f]{32}$", description="The frozen dataset. Empty: the latest one."
    )


class ExportJsonlResult(Contract):
    """What the files hold. ``train`` is what gold.finetune uploads, to the byte; ``negatives`` are among its rows."""

    dataset_id: str
    train: int
    negatives: int
    eval: int
    pairs: int
    files: ResultFiles


def export_jsonl(run: Run, params: ExportJsonlParams) -> Done:
    """Write the training file, the held-out conclusions of people, and pairs for DPO. Raises NotFoundError."""
    with run.reading() as conn:
        frozen = gold.find_dataset(conn, params.dataset_id)
    if frozen is None:
        raise NotFoundError("there is no such dataset of gold", advice="run gold.finalize-train or gold.freeze first")
    dataset = open_dataset(run.artifacts, frozen.manifest)
    train = list(dataset.rows("train"))
    held_out = [row for row in dataset.rows("test") if label_of(row.label).is_gold]
    pairs = list(preference_lines(train))
    files = {
        TRAIN_FILE: _jsonl(chat_lines(train)),
        EVAL_FILE: _jsonl(chat_lines(held_out)),
        PAIRS_FILE: _jsonl(pairs),
    }
    result = ExportJsonlResult(
        dataset_id=dataset.id,
        train=len(train),
        negatives=sum(label_of(row.label).kind == "negative" for row in train),
        eval=len(held_out),
        pairs=len(pairs),
        files=publish_files(run.artifacts, files, folder="ml_export"),
    )
    return Done(result=result)


def _jsonl(lines: Iterable[JsonObject]) -> bytes:
    return b"".join(canonical_json(line) + b"\n" for line in lines)


# --- the report of a smoke test -------------------------------------------------------------------------------------


class SmokeReportParams(Contract):
    """Which smoke test to report on."""

    job_id: str | None = Field(
        default=None, pattern=r"^job_[0-9a-f]{32}$", description="The smoke test's job. Empty: the latest one's."
    )


class SmokeReportResult(Contract):
    """The figures of the report, and the report itself as a page and as JSON."""

    model: str
    all: SmokeFigures
    held_out: SmokeFigures
    unlabelled: SmokeFigures
    broken: dict[str, int]
    files: ResultFiles


def smoke_report(run: Run, params: SmokeReportParams) -> Done:
    """Write a smoke test as a page and as JSON: every failure with input, output and rule. Raises NotFoundError."""
    from shared.pipelines.gold.smoke_page import page

    with run.reading() as conn:
        told = _told(conn, params.job_id or gold.latest_smoke_job(conn))
    files = publish_files(
        run.artifacts, {REPORT_PAGE: page(told), REPORT_FILE: smoke.as_bytes(told)}, folder="ml_review"
    )
    result = SmokeReportResult(
        model=told.model, all=told.all, held_out=told.held_out, unlabelled=told.unlabelled, broken=told.broken,
        files=files,
    )  # fmt: skip
    return Done(result=result)


def _told(conn: Connection, job_id: str | None) -> smoke.SmokeReport:
    answers = gold.answers_of_job(conn, job_id) if job_id else []
    answers = [answer for answer in answers if answer.source == "smoke"]
    if job_id is None or not answers:
        raise NotFoundError("there is no such smoke test", advice="run gold.smoke-test first")
    first = answers[0]
    registered = gold.find_model(conn, first.model_id) if first.model_id else None
    split = SplitPolicy(test_share=policy().test_share, seed=registered.seed if registered else policy().seed)
    cases = [
        SmokeCase(
            example_id=answer.example_id or "",
            held_out=split_of(group_of(parse_snapshot(answer.snapshot)), split) == "test",
            snapshot=answer.snapshot,
            answer=answer.first_text,
            faults=tuple(BrokenRule.model_validate(fault) for fault in answer.faults),
        )
        for answer in answers
    ]
    return smoke.report(
        cases, model=first.model, model_id=first.model_id, version=registered.version if registered else None,
        job_id=job_id, at=gold.answered_at(conn, first.id).isoformat(timespec="seconds"),
    )  # fmt: skip
