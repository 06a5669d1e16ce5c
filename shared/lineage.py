"""Lineage: from an answer back to the people whose labels it rests on, and from a label on to the answers it shaped.

A tree of plain nodes. What a thing came from is in ``came_from``, what it led to in ``led_to``; only the thing that was
asked about has both. The text of an example or a query is never shown, only who labelled it, when and how.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from shared import ids, jobs
from shared.artifacts import ArtifactStore
from shared.contracts import Contract
from shared.datasets import open_dataset
from shared.db import datasets, evaluations, models, predictions, promotions
from shared.db import jobs as job_rows
from shared.db import lineage as threads
from shared.db.datasets import DatasetRecord
from shared.db.evaluations import Evaluation
from shared.db.jobs import Job
from shared.db.lineage import Origin
from shared.db.models import Model
from shared.db.predictions import Prediction
from shared.db.promotions import Promotion
from shared.errors import InvalidInputError, NotFoundError

SHOWN: Final = 20  # of a dataset's examples, or of what one thing led to
_SEARCHED: Final = 50  # latest datasets in which an example is looked for


class LineageNode(Contract):
    """One thing and its threads. ``count`` is how many rows a dataset has, or how many answers a model gave.

    Of very many answers only as many are counted as takes no time (``COUNTED`` of ``shared/db/lineage.py``).
    """

    id: str
    kind: str = Field(examples=["prediction"])
    title: str
    at: datetime | None = None
    count: int | None = None
    came_from: tuple["LineageNode", ...] = ()
    led_to: tuple["LineageNode", ...] = ()


@dataclass(frozen=True)
class _Example:
    """An example; no origin when a person has replaced its label since, so that only datasets know it."""

    id: str
    origin: Origin | None


def lineage(conn: Connection, store: ArtifactStore, thing: str) -> LineageNode:
    """Return the lineage of a prediction, model, promotion, evaluation, job, dataset or example, by its id.

    Raises NotFoundError, or InvalidInputError for an id of another kind.
    """
    up, down = _Up(conn, store), _Down(conn, store)
    walks: dict[str, tuple[Callable[..., Any], Callable[[Any], LineageNode], Callable[[Any], Any]]] = {
        ids.PREDICTION: (predictions.get, up.prediction, down.prediction),
        ids.MODEL: (models.get, up.model, down.model),
        ids.PROMOTION: (promotions.get, up.promotion, down.promotion),
        ids.EVALUATION: (evaluations.get, up.evaluation, down.evaluation),
        ids.JOB: (jobs.get, up.job, down.job),
        ids.DATASET: (datasets.get, up.dataset, down.dataset),
        ids.EXAMPLE: (_example, up.example, down.example),
        ids.IMAGE: (_example, up.example, down.example),
    }
    kind = ids.prefix_of(thing)
    if kind not in walks:
        raise InvalidInputError(
            f"nothing with a lineage has an id like {kind}_…", advice=f"its prefix must be one of: {', '.join(walks)}"
        )
    load, came_from, led_to = walks[kind]
    found = load(conn, thing)
    node, after = came_from(found), tuple(led_to(found))
    if isinstance(found, _Example) and found.origin is None and not after:
        raise NotFoundError(f"there is no example {thing}")
    return node.model_copy(update={"led_to": after})


# --- up: what a thing came from -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Up:
    conn: Connection
    store: ArtifactStore

    def prediction(self, prediction: Prediction) -> LineageNode:
        """Find the model that truly gave the answer, as it was active at that time."""
        if prediction.model_id is None:
            return _prediction(prediction)
        model = models.get(self.conn, prediction.model_id)
        return _with(_prediction(prediction), [self.model(model, prediction.created_at)])

    def model(self, model: Model, at: datetime | None = None) -> LineageNode:
        """Find how it became active, who trained it, and on what."""
        came_from = []
        if promotion := threads.promotion_at(self.conn, model.id, at):
            came_from.append(self._promotion(promotions.get(self.conn, promotion)))
        came_from += self._made_by(model.job_id)
        came_from.append(self.dataset(datasets.get(self.conn, model.dataset_id)))
        return _with(_model(self.conn, model), came_from)

    def promotion(self, promotion: Promotion) -> LineageNode:
        """Find what it rests on, who ran it, and the model it is about with all that this came from."""
        node = self._promotion(promotion)
        about = promotion.to_model or promotion.from_model
        if about is None:
            return node
        model = models.get(self.conn, about)
        trained = [*self._made_by(model.job_id), self.dataset(datasets.get(self.conn, model.dataset_id))]
        return _with(node, [*node.came_from, _with(_model(self.conn, model), trained)])

    def evaluation(self, evaluation: Evaluation) -> LineageNode:
        """Find who ran it, the model, and the held-out rows."""
        dataset = self.dataset(datasets.get(self.conn, evaluation.dataset_id))
        model = _model(self.conn, models.get(self.conn, evaluation.model_id))
        return _with(_evaluation(evaluation), [*self._made_by(evaluation.job_id), model, dataset])

    def dataset(self, dataset: DatasetRecord) -> LineageNode:
        """Find who froze it, and its first examples."""
        rows = open_dataset(self.store, dataset.manifest).rows()
        first = [row.id for row in islice(rows, SHOWN)]
        known = threads.origins(self.conn, first)
        examples = [self.example(_Example(each, known.get(each))) for each in first]
        return _with(_dataset(dataset), [*self._made_by(dataset.job_id), *examples])

    def example(self, example: _Example) -> LineageNode:
        """Find who labelled it, and which answer it was about."""
        origin = example.origin
        if origin is None:
            return LineageNode(id=example.id, kind="example", title="its label has been replaced since")
        came_from = [LineageNode(id=origin.labelled_by, kind="person", title="labelled it", at=origin.labelled_at)]
        if origin.prediction_id:
            came_from.append(_prediction(predictions.get(self.conn, origin.prediction_id)))
        return _with(_example_node(origin), came_from)

    def job(self, job: Job) -> LineageNode:
        """Find the flow that it is a step of."""
        return _with(_job(job), self._made_by(job.parent_id))

    def _promotion(self, promotion: Promotion) -> LineageNode:
        came_from = self._made_by(promotion.job_id)
        if promotion.evaluation_id:
            evaluation = evaluations.get(self.conn, promotion.evaluation_id)
            came_from.append(_with(_evaluation(evaluation), self._made_by(evaluation.job_id)))
        return _with(_promotion(promotion), came_from)

    def _made_by(self, job_id: str | None) -> list[LineageNode]:
        return [self.job(jobs.get(self.conn, job_id))] if job_id else []


# --- down: what a thing led to --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Down:
    conn: Connection
    store: ArtifactStore

    def prediction(self, prediction: Prediction) -> list[LineageNode]:
        """Find what people said about the answer, and where that went."""
        return [
            _leading(_example_node(origin), self.example(_Example(origin.id, origin)))
            for origin in threads.examples_about(self.conn, prediction.id)
        ]

    def example(self, example: _Example) -> list[LineageNode]:
        """Find the datasets that hold it, each with its models."""
        pipeline = example.origin.pipeline if example.origin else None
        return [
            _leading(_dataset(dataset), self.dataset(dataset))
            for dataset in datasets.list_datasets(self.conn, pipeline=pipeline, limit=_SEARCHED)
            if open_dataset(self.store, dataset.manifest).contains(example.id)
        ]

    def dataset(self, dataset: DatasetRecord) -> list[LineageNode]:
        """Find the models trained on it, each with its promotions."""
        trained = models.list_models(self.conn, dataset_id=dataset.id, limit=SHOWN)
        return [_leading(_model(self.conn, model), self.model(model)) for model in trained]

    def model(self, model: Model) -> list[LineageNode]:
        """Find each time that it became active, and its latest answers."""
        promoted = promotions.list_promotions(self.conn, to_model=model.id, limit=SHOWN)
        answers = predictions.list_predictions(self.conn, model_id=model.id, limit=SHOWN)
        return [*map(_promotion, promoted), *map(_prediction, answers)]

    def evaluation(self, evaluation: Evaluation) -> list[LineageNode]:
        """Find the promotions that rest on it."""
        found = threads.promotions_on(self.conn, evaluation.id)
        return [_promotion(promotions.get(self.conn, each)) for each in found]

    def promotion(self, promotion: Promotion) -> list[LineageNode]:
        """Find the model that it made active, with the answers that this has given."""
        return [_model(self.conn, models.get(self.conn, promotion.to_model))] if promotion.to_model else []

    def job(self, job: Job) -> list[LineageNode]:
        """Find what it recorded, and the steps of a flow with what these recorded."""
        steps = job_rows.children(self.conn, job.id)
        return [*self._made_by(job), *(_leading(_job(step), self.job(step)) for step in steps)]

    def _made_by(self, job: Job) -> list[LineageNode]:
        conn, made = self.conn, threads.made_by(self.conn, job.id)
        plain: dict[str, Callable[[str], LineageNode]] = {
            ids.DATASET: lambda each: _dataset(datasets.get(conn, each)),
            ids.MODEL: lambda each: _model(conn, models.get(conn, each)),
            ids.EVALUATION: lambda each: _evaluation(evaluations.get(conn, each)),
            ids.PROMOTION: lambda each: _promotion(promotions.get(conn, each)),
        }
        return [plain[ids.prefix_of(each)](each) for each in made]


# --- plain nodes ----------------------------------------------------------------------------------------------------


def _with(node: LineageNode, came_from: Sequence[LineageNode]) -> LineageNode:
    return node.model_copy(update={"came_from": tuple(came_from)})


def _leading(node: LineageNode, led_to: Iterable[LineageNode]) -> LineageNode:
    return node.model_copy(update={"led_to": tuple(led_to)})


def _example(conn: Connection, example_id: str) -> _Example:
    return _Example(example_id, threads.origins(conn, [example_id]).get(example_id))


def _prediction(prediction: Prediction) -> LineageNode:
    title = f"{prediction.pipeline} answer by path {prediction.path}, confidence {prediction.confidence:.2f}"
    return LineageNode(id=prediction.id, kind="prediction", title=title, at=prediction.created_at)


def _model(conn: Connection, model: Model) -> LineageNode:
    title = f"{model.pipeline} {model.version}, {model.state}"
    answers = threads.answers_of(conn, model.id)
    return LineageNode(id=model.id, kind="model", title=title, at=model.created_at, count=answers)


def _promotion(promotion: Promotion) -> LineageNode:
    title = f"{promotion.kind} by {promotion.actor}: {promotion.reason}"
    return LineageNode(id=promotion.id, kind="promotion", title=title, at=promotion.at)


def _evaluation(evaluation: Evaluation) -> LineageNode:
    title = "all gates passed" if evaluation.passed else "not all gates passed"
    return LineageNode(id=evaluation.id, kind="evaluation", title=title, at=evaluation.created_at)


def _dataset(dataset: DatasetRecord) -> LineageNode:
    title = f"{dataset.pipeline} dataset, split by seed {dataset.seed}"
    return LineageNode(id=dataset.id, kind="dataset", title=title, at=dataset.created_at, count=dataset.row_count)


def _example_node(origin: Origin) -> LineageNode:
    title = f"labelled {origin.label} by {origin.source}"
    return LineageNode(id=origin.id, kind="example", title=title, at=origin.labelled_at)


def _job(job: Job) -> LineageNode:
    return LineageNode(id=job.id, kind="job", title=f"{job.kind} for {job.actor}, {job.state}", at=job.created_at)
