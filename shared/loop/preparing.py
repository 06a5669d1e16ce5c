"""From a dataset to all that a provider would be asked: the training file, checked and counted, and its manifest.

The same dataset and parameters give the same bytes, with or without ``live``: what a dry run shows is what is uploaded.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.contracts import JsonObject
from shared.datasets import Dataset, open_dataset
from shared.errors import RefusedError
from shared.files import publish_files
from shared.ids import canonical_json
from shared.llm.connection import LOCAL_BASE_MODEL, Provider
from shared.llm.prices import Estimate, estimate
from shared.llm.wanted import TRAINING_FILE, Wanted, server_of
from shared.loop.choice import dataset_of
from shared.pipeline import FineTune, Pipeline, Row, Run

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


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The wish with its stored files, and figures for people."""

    wanted: Wanted
    figures: JsonObject


def prepare(pipeline: Pipeline[Any, Any], recipe: FineTune, run: Run, asked: Asked) -> Prepared:
    """Write the training file of a dataset, check it, count it, and store it with its manifest.

    Raises RefusedError (``training-file-refused``) for a file that breaks the provider's rules.
    """
    with run.reading() as conn:
        record = dataset_of(conn, pipeline, asked.surface, asked.dataset_id)
    dataset = open_dataset(run.artifacts, record.manifest)
    path = run.workdir / TRAINING_FILE
    sha256 = _write(path, recipe.lines(_Rows(dataset, run)))
    report = _check(path, recipe)
    provider = asked.provider
    base_model = asked.base_model or (LOCAL_BASE_MODEL if provider.is_local else recipe.base_model)
    cost = estimate(provider.name, base_model, tokens=report.tokens, rows=report.rows)
    suffix, seed = asked.suffix or recipe.suffix, pipeline.split.seed if asked.seed is None else asked.seed
    manifest: JsonObject = {
        "pipeline": pipeline.name,
        "surface": asked.surface,
        "dataset_id": record.id,
        "provider": provider.name,
        "base_model": base_model,
        "method": recipe.method,
        "suffix": suffix,
        "seed": seed,
        "hyperparameters": {},
        "training_file": {"name": TRAINING_FILE, "sha256": sha256, "bytes": path.stat().st_size, "rows": report.rows},
        "estimate": _figures(cost),
    }
    files = publish_files(
        run.artifacts, {TRAINING_FILE: path, MANIFEST_FILE: canonical_json(manifest) + b"\n"}, folder="finetune"
    )
    wanted = Wanted(
        pipeline=pipeline.name, surface=asked.surface, dataset_id=record.id, provider=provider.name,
        server=server_of(provider), base_model=base_model, method=recipe.method, suffix=suffix, seed=seed,
        hyperparameters={}, files=files, file_sha256=sha256, row_count=report.rows, tokens=cost.trained_tokens,
        estimated_usd=cost.usd,
    )  # fmt: skip
    return Prepared(wanted=wanted, figures={"rows": report.rows, **_figures(cost)})


class _Rows:
    """The rows of the split ``train``. Walking through them is the attempt's progress, so that it heeds a cancel."""

    def __init__(self, dataset: Dataset, run: Run) -> None:
        self._dataset = dataset
        self._run = run

    def __iter__(self) -> Iterator[Row]:
        for number, row in enumerate(self._dataset.rows("train")):
            if number % _REPORT_EVERY == 0:
                self._run.report(0.0, "writing the training file")
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
