"""The protocol of a pipeline and of a step: what the loop needs to know, and nothing else.

A pipeline is a value, not a class to inherit from: a frozen dataclass of functions. Its heavy libraries are imported
inside those functions, so that declaring a pipeline costs nothing. The loop (``shared/loop``) turns one pipeline into
its steps; ``shared/registry.py`` lists them all.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from psycopg import Connection
from pydantic import BaseModel

from shared.answering import Answered, Standing
from shared.artifacts import ArtifactStore
from shared.contracts import JsonObject, Queue, Scope, Verdict
from shared.infer import Infer
from shared.presentation import Figures
from shared.review import Review
from shared.row_rules import RowRules
from shared.training import LongTraining, Wider

P = TypeVar("P", bound=BaseModel)
I = TypeVar("I")  # noqa: E741  (I and O are the field's letters for input and output)
O = TypeVar("O")  # noqa: E741
I_contra = TypeVar("I_contra", contravariant=True)


# --- steps ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Decides purely when a failed attempt is tried again: exponential backoff with jitter, then dead."""

    max_attempts: int = 3
    base: timedelta = timedelta(seconds=5)
    factor: float = 3.0
    cap: timedelta = timedelta(minutes=10)
    jitter: float = 0.2

    def delay(self, failures: int, job_id: str) -> timedelta | None:
        """Return how long to wait after the ``failures``-th failure, or None when the job is dead.

        The jitter (±``jitter`` of the delay) comes from a hash, so the same job and failure give the same answer.
        """
        if failures >= self.max_attempts:
            return None
        exact = min(self.base.total_seconds() * self.factor ** (failures - 1), self.cap.total_seconds())
        digest = hashlib.sha256(f"{job_id}:{failures}".encode()).digest()
        spread = int.from_bytes(digest[:4], "big") / 0xFFFFFFFF * 2 - 1
        return timedelta(seconds=exact * (1 + self.jitter * spread))


class Run(Protocol):
    """What a running step may do with the outside world. The unit of work (``workers/unit.py``) provides it."""

    @property
    def job_id(self) -> str:
        """The job that this attempt belongs to."""
        ...

    @property
    def attempt(self) -> int:
        """The fencing token: grows with every claim."""
        ...

    @property
    def actor(self) -> str:
        """Who asked for the job (the name of an API key, a schedule entry, or ``system``)."""
        ...

    @property
    def workdir(self) -> Path:
        """A fresh folder of this attempt, removed afterwards."""
        ...

    @property
    def artifacts(self) -> ArtifactStore:
        """Where bytes are kept."""
        ...

    def report(self, fraction: float, message: str = "", **counters: float) -> None:
        """Tell progress (0 to 1). Raises ``JobStopped`` when the job is cancelled, lost or the worker stops."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a short transaction for reading; close it before any long computation."""
        ...

    def staging(self) -> AbstractContextManager[Connection]:
        """Open a short transaction for writing to this attempt's staging table (``db/staging.py``), nothing else."""
        ...

    def fenced(self) -> AbstractContextManager[Connection]:
        """Open a short transaction for writing in the middle of a step, while this attempt holds the job.

        For what must be known before or after an outside effect (a paid call). Raises LeaseLostError when another
        attempt has taken over: then nothing is written.
        """
        ...

    def training_data(self) -> AbstractContextManager[Connection]:
        """Open a read-only transaction as the role that may read labels but never predictions."""
        ...


@dataclass(frozen=True, kw_only=True)
class Done:
    """The step succeeded: its result, and what to write in the very transaction that records the success.

    ``record`` may return the result again, with figures that only writing could tell; it then takes the place of
    ``result``.
    """

    result: BaseModel
    record: Callable[[Connection], BaseModel | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The step waits for something outside; it is run again after ``after``, and no worker sleeps meanwhile."""

    after: timedelta
    reason: str


@dataclass(frozen=True, kw_only=True)
class Next:
    """A flow goes on with this step (its kind, as ``router.train``) and these parameters.

    From a step that computes: this one first, then itself again, which finds what the other has made. Its job waits
    meanwhile, and fails with the other.
    """

    kind: str
    params: BaseModel


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """A finished step of a flow, as the flow's decision sees it."""

    kind: str
    job_id: str
    result: JsonObject


@dataclass(frozen=True, kw_only=True)
class Step(Generic[P]):
    """One thing a pipeline can do. ``run`` computes with no transaction open; a flow has ``flow`` instead."""

    pipeline: str
    name: str
    summary: str
    queue: Queue
    params: type[P]
    run: Callable[[Run, P], Done | Wait | Next] | None = None
    flow: Callable[[P, Sequence[StepDone]], Next | Done] | None = None
    scope: Scope = Scope.SUBMIT
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    unique_key: Callable[[P], str] | None = None
    slice: timedelta | None = None
    """For steps that find again what they have done (answers in the cache, for example): after so long the next
    ``report`` ends the attempt, and the job goes on in a new one. So a queue of short tasks stays one."""
    together: int = 1
    """How many due jobs one wake-up may take. Over 1 only for steps of milliseconds: they then share a claim and a
    record, whose commits are most of their cost. A job that has failed before is always taken alone."""

    @property
    def kind(self) -> str:
        """The step's name everywhere: job kind, Celery task, API path, command."""
        return f"{self.pipeline}.{self.name}"


# --- pipelines ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """A labelled example of a frozen dataset. ``at`` is when a person decided (timezone-aware)."""

    id: str
    group: str
    split: str
    input: Any
    label: Any
    at: datetime


class Labelled(NamedTuple):
    """An example with a person's label, as read from a file. ``id`` and ``group`` derive from the content.

    ``by`` and ``at`` (timezone-aware) are None where the file does not say who decided, and when.
    """

    id: str
    group: str
    input: str
    label: str
    by: str | None
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """What training says about itself, kept in the registry: hyperparameters, and figures on the training rows."""

    parameters: JsonObject
    metrics: JsonObject


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[O]):
    """One prediction: the pipeline's output and how sure the model is (0 to 1)."""

    output: O
    confidence: float


class Loaded(Protocol[I_contra, O]):
    """A model in memory, ready to answer. Safe to call from several threads."""

    def predict(self, inputs: Sequence[I_contra]) -> Sequence[Answer[O]]:
        """Answer each input, in order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How one model did on some rows: one score for each row (higher is better, in row order), and summary figures.

    Where rows of a group are alike, ``groups`` has the group of each: gates then draw whole groups, for it is from
    other groups that a model's next rows come.
    """

    per_row: Sequence[float]
    metrics: JsonObject
    groups: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Candidate and active on the same rows. ``active`` is None when no model is active yet."""

    window: str
    candidate: Scores
    active: Scores | None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a candidate was tried on besides its own held-out rows: figures under a name of their own, and verdicts."""

    window: str
    rows: int
    metrics: JsonObject
    verdicts: Sequence[Verdict]


Report = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """How a pipeline's rows become a chat fine-tune with a provider. The loop's life cycle does the rest."""

    lines: Callable[[Iterable[Row]], Iterator[JsonObject]]
    """From the rows of the split ``train`` to the lines of the training file, in order. Deterministic."""
    base_model: str
    """The provider's base model, where the provider is not our own trainer (then it is ``local-nearest``)."""
    suffix: str
    """What the fine-tuned model's name ends with; 64 characters at most."""
    method: Literal["supervised", "dpo"] = "supervised"
    rules: RowRules | None = None
    """What is asked of rows besides; None: nothing, and no file of rows is read."""
    runs_folder: str = ""
    """Where a run's files lie: ``<runs_folder>/<surface>/<time>/``. Empty: all in one folder, ``finetune``."""
    model: Callable[[str], Loaded[Any, Any]] | None = None
    """The model that the provider knows by this name, registered or not (``shared/llm/tuned.py``)."""


@dataclass(frozen=True, kw_only=True)
class SplitPolicy:
    """How examples are split: by a hash of seed and group, never by position."""

    test_share: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Pipeline(Generic[I, O]):
    """What is a pipeline's own. Everything else (the loop) is written once, over this."""

    name: str
    summary: str
    source: str
    """The database view of labelled examples that the training role may read (columns: see ``db/examples.py``)."""
    surfaces: tuple[str, ...] = ("default",)
    surface_word: str = "surface"
    """What a surface is called: ``stage`` gives its steps the option ``--stage``."""
    train_queue: Queue
    split: SplitPolicy
    min_samples: int
    windows: Mapping[str, timedelta | None]
    """Evaluation windows over the held-out rows: a name, and how far back it reaches (None: all)."""

    parse_input: Callable[[Any], I]
    """From the JSON of a row or a call to the contract. Raises ``InvalidInputError``."""
    train: Callable[[Iterable[Row], Path, Report], TrainingSummary] | LongTraining | FineTune
    """Train on the rows (split ``train`` only) and write the model's files into the folder. Deterministic.

    Or the same with checkpoints; or how the rows become a fine-tune that a provider trains: the model's folder then
    names the provider's model.
    """
    load: Callable[[Path], Loaded[I, O]]
    """Load what ``train`` wrote. Raises ``RefusedError`` when this process cannot compute its features exactly."""
    prepare_serving: Callable[[], None] | None = None
    """Import what ``load`` and its models need, before the first promotion arrives: libraries take seconds."""
    score: Callable[[Loaded[I, O], Iterator[Row]], Scores]
    gates: Callable[[Sequence[Comparison]], Sequence[Verdict]]
    trial: Callable[[Run, str, Loaded[I, O]], Trial] | None = None
    """What is asked at an evaluation besides, of the surface and the candidate, whatever its own rows show."""
    eligible: Callable[[str, Iterator[Row]], Sequence[Verdict]] | None = None
    """What is asked at a promotion of the surface and all rows of the dataset that the model was trained on."""
    reports: Callable[[Connection, str, str], Sequence[Verdict]] | None = None
    """What else was found out about a model of a surface (its id) and counts at a promotion: reports that people ask
    for when they like. Nobody need have asked; what failed at last is held against the model."""
    predict_queue: Queue = Queue.INFERENCE
    """Where its model answers. ``inference``: loaded into that queue's worker. ``finetune``: by calls to a provider."""
    fallback: Callable[[I], Answer[O]]
    """The answer when there is no model, or none in time."""
    dump_output: Callable[[O], JsonObject]
    parse_labelled: Callable[[Mapping[str, Any]], Labelled] | None = None
    """From the named fields of one line of a file to a labelled example, for pipelines whose labels can be imported.
    Raises ``InvalidInputError`` with the reason, which must not quote the line."""
    serve: Callable[[Standing, Sequence[I]], Sequence[Answered]] | None = None
    """How a pipeline answers inputs by itself, one answer for each; it never raises. None: the active model answers,
    and the fallback where there is none, or where it fails."""
    infer: Infer | None = None
    """How one input is answered at once; None: the pipeline has no such step."""
    extra_steps: tuple[Step[Any], ...] = ()
    wider: Mapping[str, Wider] = field(default_factory=dict)
    """Steps of the loop, by name, that can do more in this pipeline."""
    reviews: tuple[Review, ...] = ()
    """What people decide on, one item at a time (``shared/loop/review.py``)."""
    figures: Figures = field(default_factory=Figures)
    """Which figures of its models people look at first, and which are drawn."""
    models_file: str = "models.json"
    """The name of the file that says which model answers for each surface (the step ``models-config``)."""
    library_versions: tuple[str, ...] = ()
    """Distributions whose versions are written into each model's record."""
