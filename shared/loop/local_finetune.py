"""The step ``llm.train-local``: a fine-tuning job of our OpenAI-compatible API, on our own queue.

A file becomes a dataset, an engine learns from it, and one transaction records the dataset, the model in the registry,
its name, and the end of the job. What if the worker dies before? The attempt's files have no row that names them, and
the next attempt does it all again: an engine is deterministic, so it makes the same model.
"""

import platform
import re
from datetime import timedelta
from importlib.metadata import version
from typing import Final, Literal

from psycopg import Connection
from pydantic import Field

from shared import ids, models
from shared.artifacts import FileRef
from shared.contracts import Contract, JsonObject, Queue, Split
from shared.db import datasets, fine_tunes, openai_files, provider_sweep
from shared.db.fine_tunes import FineTuneRow
from shared.errors import RefusedError
from shared.llm.connection import LOCAL
from shared.llm.engines import Trained, engine_for
from shared.llm.policy import llm_policy
from shared.llm.training_file import FileReport, validate_file
from shared.loop import conversations
from shared.loop.conversations import Conversations, Lines
from shared.loop.curve import Curve, Paused
from shared.loop.train import MODEL_KIND
from shared.pipeline import Done, Run, Step, Wait

_LOOK_AGAIN: Final = timedelta(minutes=5)  # a resume wakes the job at once; this is for one that came at a bad moment
_LISTED_FAULTS: Final = 20
_FOLDER: Final = "model"
_LIBRARIES: Final = ("numpy", "scipy", "scikit-learn", "safetensors")
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")
_KINDS: Final[dict[str, Literal["chat", "preference"]]] = {"supervised": "chat", "dpo": "preference"}


class TrainLocalParams(Contract):
    """Which fine-tune is to be trained: all else was asked for at ``/openai/v1/fine_tuning/jobs``."""

    fine_tune_id: str = Field(
        pattern=r"^ftjob-[0-9a-f]{32}$",
        description="The fine-tune, as our own API named it.",
        examples=["ftjob-0192f0c1c2d37e8f9a0b1c2d3e4f5a6b"],
    )


class TrainLocalResult(Contract):
    """The model. ``manifest`` is its hash: the same file, seed and hyperparameters give the same one again."""

    fine_tune_id: str
    fine_tuned_model: str
    model_id: str
    version: str
    dataset_id: str
    manifest: str
    examples: int
    trained_tokens: int
    result_file: str


def train(run: Run, params: TrainLocalParams) -> Done | Wait:
    """Check the files, train, store the model; what is returned records it all.

    Raises RefusedError for a file that breaks the rules (OpenAI's ``job.error``), and what the engine raises.
    """
    with run.reading() as conn:
        row = fine_tunes.get(conn, params.fine_tune_id)
        files = _files_of(conn, row)
    if row.job_id != run.job_id:
        raise RefusedError(
            f"{row.id} has a job already, {row.job_id}", advice="ask for another one at /openai/v1/fine_tuning/jobs"
        )
    if row.paused:
        return _paused()
    _validate(run, row, files)
    dataset = conversations.publish(run.artifacts, files, run.workdir, seed=row.seed)
    run.report(0.1, "stored the dataset", rows=dataset.facts.rows)
    curve = Curve(run, row.id)
    try:
        trained = _learn(run, row, files, curve)
    except Paused:
        return _paused()
    return _finish(run, row, dataset, trained, curve)


train_local: Final = Step(
    pipeline=conversations.PIPELINE,
    name="train-local",
    summary="Train a model on this machine, as a fine-tuning job of our own API asked for.",
    queue=Queue.GPU,
    params=TrainLocalParams,
    run=train,
    unique_key=lambda params: f"llm.train-local:{params.fine_tune_id}",
)


def model_name(row: FineTuneRow) -> str:
    """Return the name that the model will have, as OpenAI would build it: ``ft:base:organisation:suffix:id``."""
    suffix = _NOT_IN_NAMES.sub("-", (row.suffix or "").lower()).strip("-")
    return f"ft:{row.base_model}:tuneyard:{suffix}:{row.id[-8:]}"


def _paused() -> Wait:
    return Wait(after=_LOOK_AGAIN, reason="paused")


def _files_of(conn: Connection, row: FineTuneRow) -> dict[Split, FileRef]:
    files: dict[Split, FileRef] = {"train": openai_files.of_job(conn, row.training_file).ref}
    if row.validation_file:
        files["test"] = openai_files.of_job(conn, row.validation_file).ref
    return files


def _validate(run: Run, row: FineTuneRow, files: dict[Split, FileRef]) -> None:
    """Refuse files that break the rules of training files, then note that they do not."""
    for split, param in (("train", "training_file"), ("test", "validation_file")):
        if split not in files:
            continue
        run.report(0.02, f"checking the {param.replace('_', ' ')}")
        limits = llm_policy().limits
        if split == "test":  # what a curve is measured on may be short
            limits = limits.model_copy(update={"min_examples": 1})
        with run.artifacts.open(files[split]) as file:
            report = validate_file(file, _KINDS[row.method], limits)
        if not report.ok:
            raise _bad_file(param, report)
    with run.fenced() as conn:
        fine_tunes.set_validated(conn, row.id)


def _bad_file(param: str, report: FileReport) -> RefusedError:
    """Say what is wrong with a file: lines and codes, nothing that stands in it."""
    first = report.faults[0]
    name = param.replace("_", " ")
    return RefusedError(
        f"the {name} has {report.fault_count:,} faults; the first: "
        f"{f'line {first.line}, ' if first.line else ''}{first.message}",
        code=f"invalid-{name.replace(' ', '-')}",
        advice="tuneyard llm validate FILE lists them",
        param=param,
        faults=[{"line": fault.line, "code": fault.code} for fault in report.faults[:_LISTED_FAULTS]],
    )


def _learn(run: Run, row: FineTuneRow, files: dict[Split, FileRef], curve: Curve) -> Trained:
    folder = run.workdir / _FOLDER
    folder.mkdir()
    engine = engine_for(row.base_model)
    chosen = {name: value for name, value in row.hyperparameters.items() if value != "auto"}
    return engine.train(
        Lines(run.artifacts, files["train"]),
        folder,
        curve,
        seed=row.seed,
        hyperparameters=chosen,
        validation=Lines(run.artifacts, files["test"]) if "test" in files else (),
    )


def _finish(run: Run, row: FineTuneRow, dataset: Conversations, trained: Trained, curve: Curve) -> Done:
    libraries = {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}
    decided = {"base_model": row.base_model, "method": row.method, "seed": row.seed, **trained.parameters}
    # Only what decides the bytes: a name or a time in here would change the hash of the same model
    facts: JsonObject = {
        "pipeline": conversations.PIPELINE, "surface": conversations.SURFACE, "dataset_id": dataset.id,
        "parameters": decided, "libraries": libraries,
    }  # fmt: skip
    manifest = run.artifacts.put_folder(MODEL_KIND, run.workdir / _FOLDER, facts)
    metrics_file = run.artifacts.put(curve.as_csv(trained.steps))
    final = curve.final(trained.steps)
    draft = TrainLocalResult(
        fine_tune_id=row.id, fine_tuned_model=model_name(row), model_id=ids.new_id(ids.MODEL), version="",
        dataset_id=dataset.id, manifest=manifest, examples=trained.examples, trained_tokens=trained.tokens,
        result_file=ids.new_dashed_id(ids.FILE),
    )  # fmt: skip

    def record(conn: Connection) -> TrainLocalResult:
        _record_dataset(conn, run, dataset)
        model = models.register(
            conn, model_id=draft.model_id, pipeline=conversations.PIPELINE, surface=conversations.SURFACE,
            manifest=manifest, dataset_id=dataset.id, job_id=run.job_id,
            parameters={**decided, "provider": LOCAL, "name": draft.fine_tuned_model}, libraries=libraries,
            metrics={"train": {"rows": dataset.facts.splits["train"], "candidate": final}},
        )  # fmt: skip
        openai_files.insert(
            conn, file_id=draft.result_file, filename="step_metrics.csv", purpose="fine-tune-results",
            ref=metrics_file, actor=row.actor,
        )  # fmt: skip
        curve.write_rest(conn, trained.steps)
        fine_tunes.finish(
            conn, row.id, model_id=model.id, name=draft.fine_tuned_model, trained_tokens=trained.tokens,
            final_metrics=final, result_file=draft.result_file,
        )  # fmt: skip
        # whoever waits for it as a provider's job is told at once; the relay sends the wake-up
        provider_sweep.wake_by_provider_job(conn, row.id)
        return draft.model_copy(update={"version": model.version})

    return Done(result=draft, record=record)


def _record_dataset(conn: Connection, run: Run, dataset: Conversations) -> None:
    facts = dataset.facts
    datasets.insert(
        conn, dataset_id=dataset.id, pipeline=facts.pipeline, surface=facts.surface, manifest=dataset.manifest,
        rows=facts.rows, splits=facts.splits, seed=facts.seed, job_id=run.job_id,
    )  # fmt: skip
