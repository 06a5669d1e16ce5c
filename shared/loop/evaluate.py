"""The step ``evaluate``: candidate and active model on the same held-out rows, and what the gates say to it.

What a window reaches back from is the moment when the dataset was frozen, not the present one: the same dataset and
models always give the same evaluation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from shared import ids, models
from shared.contracts import Contract, JsonObject, Outcome, Surface, Verdict
from shared.datasets import Dataset, open_dataset
from shared.db import evaluations
from shared.db.datasets import DatasetRecord
from shared.errors import RefusedError
from shared.files import ResultFiles
from shared.loop.card import model_card
from shared.loop.choice import DatasetId, ModelId, dataset_of, latest_candidate, model_of, require_surface
from shared.loop.loading import load_model
from shared.models import Model
from shared.pipeline import Comparison, Done, FineTune, Loaded, Pipeline, Row, Run, Scores, Step, Trial

_SLICE: Final = timedelta(seconds=12)  # half of what a task of the queue `finetune` may take


class EvaluateParams(Contract):
    """What to evaluate on what."""

    surface: Surface = Field(default="default", description="The part of the pipeline that is evaluated.")
    model_id: ModelId | None = Field(default=None, description="The model. Empty: the surface's latest candidate.")
    dataset_id: DatasetId | None = Field(
        default=None, description="The dataset whose held-out rows are used. Empty: the one the model was trained on."
    )


class EvaluateResult(Contract):
    """The evaluation. ``metrics`` has for each window the rows, and the figures of candidate and active model.

    ``files`` are the pipeline's own report, where it writes one.
    """

    evaluation_id: str
    model_id: str
    active_id: str | None
    dataset_id: str
    metrics: JsonObject
    verdicts: tuple[Verdict, ...]
    passed: bool
    sentence: str
    files: ResultFiles | None = None


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """Who is compared on what. ``active`` is None when no model is active."""

    candidate: Model
    active: Model | None
    record: DatasetRecord
    dataset: Dataset


def evaluate_step(pipeline: Pipeline[Any, Any]) -> Step[EvaluateParams]:
    """Return a pipeline's step ``evaluate``."""
    return Step(
        pipeline=pipeline.name,
        name="evaluate",
        summary="Compare a candidate with the active model on held-out rows, and ask the gates.",
        queue=pipeline.train_queue,
        params=EvaluateParams,
        run=lambda run, params: evaluate(pipeline, run, params),
        slice=answering_slice(pipeline),
    )


def answering_slice(pipeline: Pipeline[Any, Any]) -> timedelta | None:
    """Return the slice of steps that let a pipeline's model answer: a provider's answers are found again in the cache.

    None where models answer in this process.
    """
    return _SLICE if isinstance(pipeline.train, FineTune) else None


def evaluate(pipeline: Pipeline[Any, Any], run: Run, params: EvaluateParams) -> Done:
    """Score both models, ask the gates, store the report and the model's card, then record it all.

    Raises RefusedError when the candidate may have been trained on the held-out rows, and what loading raises.
    """
    require_surface(pipeline, params.surface)
    subject = _choose(pipeline, run, params)
    comparisons = _compare(pipeline, run, subject)
    trial = _tried(pipeline, run, subject)
    verdicts = (*pipeline.gates(comparisons), *(trial.verdicts if trial else ()))
    metrics: JsonObject = {c.window: _figures(c) for c in comparisons}
    if trial:
        metrics[trial.window] = {"rows": trial.rows, "candidate": trial.metrics, "active": None}
    result = EvaluateResult(
        evaluation_id=ids.new_id(ids.EVALUATION),
        model_id=subject.candidate.id,
        active_id=subject.active.id if subject.active else None,
        dataset_id=subject.record.id,
        metrics=metrics,
        verdicts=verdicts,
        passed=bool(verdicts) and all(v.outcome is Outcome.PASS for v in verdicts),
        sentence=summary_of(verdicts),
    )
    report = models.store_report(run.artifacts, _report(pipeline, run, subject, result))
    card = models.store_card(
        run.artifacts, model_card(subject.candidate, subject.record, metrics=metrics, verdicts=verdicts)
    )

    def record(conn: Connection) -> None:
        evaluations.insert(
            conn, evaluation_id=result.evaluation_id, model_id=result.model_id, active_id=result.active_id,
            dataset_id=result.dataset_id, job_id=run.job_id, metrics=metrics, verdicts=verdicts, report=report,
        )  # fmt: skip
        models.set_evaluated(conn, result.model_id, metrics=metrics, card=card)

    return Done(result=result, record=record)


def summary_of(verdicts: Sequence[Verdict]) -> str:
    """Say in plain words what stands against a model, or that nothing does."""
    against = dict.fromkeys(v.sentence for v in verdicts if v.outcome is not Outcome.PASS)
    if against:
        return " ".join(against)
    return "All gates passed." if verdicts else "No gate was asked."


# --- choosing -------------------------------------------------------------------------------------------------------


def _choose(pipeline: Pipeline[Any, Any], run: Run, params: EvaluateParams) -> _Subject:
    with run.reading() as conn:
        if params.model_id:
            candidate = model_of(conn, pipeline, params.model_id, params.surface)
        else:
            candidate = latest_candidate(conn, pipeline, params.surface)
        active = models.active(conn, pipeline.name, params.surface)
        record = dataset_of(conn, pipeline, params.surface, params.dataset_id or candidate.dataset_id)
        trained_on = dataset_of(conn, pipeline, params.surface, candidate.dataset_id)
    dataset = open_dataset(run.artifacts, record.manifest)
    if trained_on.id != record.id:
        _require_unseen(open_dataset(run.artifacts, trained_on.manifest), dataset)
    return _Subject(candidate=candidate, active=active, record=record, dataset=dataset)


def _require_unseen(trained_on: Dataset, dataset: Dataset) -> None:
    """Refuse a dataset that holds out other groups than the candidate's own: it may have learnt their answers.

    A group that is held out at some share is held out at every larger one, so only a larger share is a danger. The
    active model is not asked: if it saw some of these rows, that speaks for it, and the gates only get stricter.
    """
    if trained_on.facts.seed != dataset.facts.seed or trained_on.facts.test_share < dataset.facts.test_share:
        raise RefusedError(
            f"the model may have been trained on held-out rows of {dataset.id}: it was split in another way",
            advice="evaluate it on the dataset it was trained on, or on one with the same seed and test share",
        )


# --- scoring --------------------------------------------------------------------------------------------------------


def _compare(pipeline: Pipeline[Any, Any], run: Run, subject: _Subject) -> list[Comparison]:
    candidate = load_model(pipeline, run, subject.candidate)
    active = load_model(pipeline, run, subject.active) if subject.active else None
    progress = _Progress(run, passes=len(pipeline.windows) * (2 if active else 1), rows=_test_rows(subject))
    comparisons = []
    for window, since in _starts(pipeline, subject.record).items():
        comparisons.append(
            Comparison(
                window=window,
                candidate=_score(pipeline, candidate, progress.watch(_window(subject.dataset, since), window)),
                active=_score(pipeline, active, progress.watch(_window(subject.dataset, since), window))
                if active
                else None,
            )
        )
    return comparisons


def _tried(pipeline: Pipeline[Any, Any], run: Run, subject: _Subject) -> Trial | None:
    if pipeline.trial is None:
        return None
    return pipeline.trial(run, subject.candidate.surface, load_model(pipeline, run, subject.candidate))


def _starts(pipeline: Pipeline[Any, Any], record: DatasetRecord) -> Mapping[str, datetime | None]:
    """Return the moment at which each window begins; None: with the first row."""
    return {name: None if reach is None else record.created_at - reach for name, reach in pipeline.windows.items()}


def _window(dataset: Dataset, since: datetime | None) -> Iterator[Row]:
    return (row for row in dataset.rows("test") if since is None or row.at >= since)


def _score(pipeline: Pipeline[Any, Any], model: Loaded[Any, Any], rows: Iterator[Row]) -> Scores:
    """Score the rows; of none there is nothing to say, so that a pipeline need not think of it."""
    first = next(rows, None)
    if first is None:
        return Scores(per_row=(), metrics={})
    return pipeline.score(model, chain((first,), rows))


def _test_rows(subject: _Subject) -> int:
    return subject.dataset.facts.splits.get("test", 0)


class _Progress:
    """Reports while rows go by, over several passes."""

    def __init__(self, run: Run, *, passes: int, rows: int) -> None:
        self._run = run
        self._total = max(1, passes * rows)
        self._rows = rows
        self._passes_begun = 0

    def watch(self, rows: Iterator[Row], window: str) -> Iterator[Row]:
        """Pass the rows on. A window that leaves rows out counts as a whole pass."""
        before = self._passes_begun * self._rows
        self._passes_begun += 1
        for number, row in enumerate(rows):
            self._run.report(0.95 * min(1.0, (before + number) / self._total), f"scoring window {window}")
            yield row


# --- what is kept ---------------------------------------------------------------------------------------------------


def _figures(comparison: Comparison) -> JsonObject:
    return {
        "rows": len(comparison.candidate.per_row),
        "candidate": comparison.candidate.metrics,
        "active": comparison.active.metrics if comparison.active else None,
    }


def _report(pipeline: Pipeline[Any, Any], run: Run, subject: _Subject, result: EvaluateResult) -> JsonObject:
    starts = _starts(pipeline, subject.record)
    return {
        "evaluation_id": result.evaluation_id,
        "job_id": run.job_id,
        "pipeline": pipeline.name,
        "surface": subject.candidate.surface,
        "dataset": {"id": subject.record.id, "manifest": subject.record.manifest},
        "windows": {name: {"since": since.isoformat() if since else None} for name, since in starts.items()},
        "candidate": _identity(subject.candidate),
        "active": _identity(subject.active) if subject.active else None,
        "metrics": result.metrics,
        "verdicts": [v.model_dump(mode="json") for v in result.verdicts],
        "passed": result.passed,
        "sentence": result.sentence,
    }


def _identity(model: Model) -> JsonObject:
    return {"id": model.id, "version": model.version, "manifest": model.manifest}
