"""From a dataset to all that a provider would be asked: the training file, checked and counted, and its manifest.

The same dataset and parameters give the same bytes, with or without ``live``: what a dry run shows is what is uploaded.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.contracts import JsonObject
from shared.datasets import Dataset, open_dataset
from shared.db.datasets import DatasetRecord
from shared.errors import InvalidInputError, RefusedError
from shared.files import ResultFiles, publish_files
from shared.ids import canonical_json, made_at
from shared.llm.connection import LOCAL_BASE_MODEL, Provider
from shared.llm.prices import Estimate, estimate
from shared.llm.wanted import TRAINING_FILE, Wanted, server_of
from shared.loop.choice import dataset_of
from shared.loop.row_files import freeze_file, nothing_eligible, rejection
from shared.pipeline import FineTune, Pipeline, Row, Run
from shared.row_rules import RowRules

if TYPE_CHECKING:
    from shared.llm.training_file import FileReport

MANIFEST_FILE: Final = "run_manifest.json"
_NAMED_FAULTS: Final = 10
_REPORT_EVERY: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the step's parameters say, and the provider that the settings mean. None: the pipeline's own."""

    surface: str
    dataset_id: str | None
    base_model: str | None
    suffix: str | None
    seed: int | None
    provider: Provider
    file: str | None = None
    """An upload with the rows to train on, in the place of a dataset."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The wish with its stored files, and figures for people."""

    wanted: Wanted
    figures: JsonObject


@dataclass(frozen=True, kw_only=True)
class _Source:
    """The dataset, and what was left out of it or of the training file, by reason."""

    record: DatasetRecord
    dataset: Dataset
    rejected: Counter[str]


def prepare(pipeline: Pipeline[Any, Any], recipe: FineTune, run: Run, asked: Asked) -> Prepared:
    """Write the training file of a dataset, check it, count it, and store it with its manifest.

    Raises RefusedError for a file that breaks the provider's rules (``training-file-refused``) or has no rows.
    """
    source = _source(pipeline, recipe, run, asked)
    path = run.workdir / TRAINING_FILE
    sha256 = _write(path, recipe.lines(_Rows(source, recipe.rules, run)))
    if not path.stat().st_size and source.rejected:
        raise nothing_eligible(pipeline.name, source.rejected)
    report = _check(path, recipe)
    provider = asked.provider
    base_model = asked.base_model or (LOCAL_BASE_MODEL if provider.is_local else recipe.base_model)
    cost = estimate(provider.name, base_model, tokens=report.tokens, rows=report.rows)
    suffix, seed = asked.suffix or recipe.suffix, pipeline.split.seed if asked.seed is None else asked.seed
    manifest: JsonObject = {
        "pipeline": pipeline.name,
        "surface": asked.surface,
        "dataset_id": source.record.id,
        "dataset": _about(source),
        "provider": provider.name,
        "base_model": base_model,
        "method": recipe.method,
        "suffix": suffix,
        "seed": seed,
        "hyperparameters": {},
        "training_file": {"name": TRAINING_FILE, "sha256": sha256, "bytes": path.stat().st_size, "rows": report.rows},
        "rejected": dict(sorted(source.rejected.items())),
        "estimate": _figures(cost),
    }
    if recipe.rules:
        manifest["contracts"] = recipe.rules.versions(asked.surface)
    files = _publish(recipe, run, asked.surface, {TRAINING_FILE: path, MANIFEST_FILE: canonical_json(manifest) + b"\n"})
    wanted = Wanted(
        pipeline=pipeline.name, surface=asked.surface, dataset_id=source.record.id, provider=provider.name,
        server=server_of(provider), base_model=base_model, method=recipe.method, suffix=suffix, seed=seed,
        hyperparameters={}, files=files, file_sha256=sha256, row_count=report.rows, tokens=cost.trained_tokens,
        estimated_usd=cost.usd,
    )  # fmt: skip
    rejected = {"rejected": manifest["rejected"]} if source.rejected else {}
    return Prepared(wanted=wanted, figures={"rows": report.rows, **rejected, **_figures(cost)})


def _source(pipeline: Pipeline[Any, Any], recipe: FineTune, run: Run, asked: Asked) -> _Source:
    if asked.file is None:
        with run.reading() as conn:
            record = dataset_of(conn, pipeline, asked.surface, asked.dataset_id)
            rejected = Counter(recipe.rules.left_out(conn, asked.surface) if recipe.rules else {})
    elif asked.dataset_id is None:
        found = freeze_file(pipeline, run, asked.surface, asked.file, pipeline.split.seed)
        record, rejected = found.record, found.rejected
    else:
        raise InvalidInputError("a dataset and a file of rows were given", advice="name one of them")
    return _Source(record=record, dataset=open_dataset(run.artifacts, record.manifest), rejected=rejected)


def _about(source: _Source) -> JsonObject:
    facts = source.dataset.facts
    return {
        "id": source.record.id,
        "manifest": source.record.manifest,
        "sha256": source.dataset.file.sha256,
        "rows": facts.rows,
        "splits": facts.splits,
    }


def _publish(recipe: FineTune, run: Run, surface: str, files: dict[str, bytes | Path]) -> ResultFiles:
    """Store a run's files; where they lie in folders of their own, an attempt made again finds the same ones."""
    if not recipe.runs_folder:
        return publish_files(run.artifacts, files, folder="finetune")
    folder = f"{recipe.runs_folder}/{surface}/{made_at(run.job_id):%Y%m%dT%H%M%SZ}"
    return publish_files(run.artifacts, {f"{folder}/{name}": content for name, content in files.items()})


class _Rows:
    """The rows of the split ``train`` that may be trained on; the others are counted.

    Walking through them is the attempt's progress, so that it heeds a cancel.
    """

    def __init__(self, source: _Source, rules: RowRules | None, run: Run) -> None:
        self._source = source
        self._rules = rules
        self._run = run

    def __iter__(self) -> Iterator[Row]:
        source = self._source
        for number, row in enumerate(source.dataset.rows("train")):
            if number % _REPORT_EVERY == 0:
                self._run.report(0.0, "writing the training file")
            if reason := rejection(self._rules, source.record.surface, row):
                source.rejected[reason] += 1
            else:
                yield row


def _write(path: Path, lines: Iterable[JsonObject]) -> str:
    """Write lines of canonical JSON; return the file's SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for line in lines:
            data = canonical_json(line) + b"\n"
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def _check(path: Path, recipe: FineTune) -> "FileReport":
    from shared.llm.training_file import validate_file

    with path.open("rb") as file:
        report = validate_file(file, "preference" if recipe.method == "dpo" else "chat")
    if not report.ok:
        raise RefusedError(
            f"the training file has {report.fault_count} faults",
            code="training-file-refused",
            advice="correct the examples, freeze again; tuneyard llm validate shows all faults of a file",
            faults=[f"line {f.line}: {f.code}" for f in report.faults[:_NAMED_FAULTS]],
        )
    return report


def _figures(cost: Estimate) -> JsonObject:
    return {
        "tokens": cost.tokens,
        "epochs": cost.epochs,
        "trained_tokens": cost.trained_tokens,
        "usd": cost.usd,
        "price_known": cost.price_known,
    }
